"""One table of actions: key bindings, command palette, help and footer all come from it."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["Panes", "Dataset", "Prompt", "Training", "Session", "Look"]
# Where a key works: everywhere, or where the dataset pane or one of its views has the focus.
Where = Literal["", "dataset", "tokens", "lengths", "problems"]


@dataclass(frozen=True)
class Action:
    name: str  # the App has a method action_NAME
    keys: str  # comma-separated, the first one is shown; Textual's names
    label: str  # a few words: footer and palette
    help: str  # one sentence
    group: Group
    footer: bool = False
    where: Where = ""


DATASET = (
    Action(
        "look('rows')",
        "1",
        "Rows",
        "The rows in a table, the selected one in full.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "look('columns')",
        "2",
        "Columns",
        "What is in each column: type, missing, distinct, lengths, most frequent.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "look('tokens')",
        "3",
        "Tokens",
        "What the trainer gets from the selected row, token by token.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "look('lengths')",
        "4",
        "Lengths",
        "How long the rows are in tokens, what is cut, what padding costs.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "look('problems')",
        "5",
        "Problems",
        "Duplicates, empty fields and more, each with its rows.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "search",
        "slash",
        "Search",
        "Show the rows that hold a text, as one types.",
        "Dataset",
        footer=True,
        where="dataset",
    ),
    Action(
        "filter",
        "f",
        "Filter",
        "Show the rows that an expression is true of, such as rating > 1.",
        "Dataset",
        footer=True,
        where="dataset",
    ),
    Action(
        "sort",
        "s",
        "Sort",
        "Sort by the column under the cursor; again: falling; again: not at all.",
        "Dataset",
        footer=True,
        where="dataset",
    ),
    Action("sort_by", "S", "Sort by", "Choose the column to sort by.", "Dataset", where="dataset"),
    Action(
        "side",
        "w",
        "Which rows",
        "Show all rows, those to train on, for evaluation, left out, or broken.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "all_rows",
        "r",
        "All rows",
        "End search, filter and sort (esc does, too).",
        "Dataset",
        where="dataset",
    ),
    Action(
        "leave_out",
        "x",
        "Leave out",
        "Leave the selected row or problem out of training, or take it back in.",
        "Dataset",
        footer=True,
        where="dataset",
    ),
    Action(
        "format",
        "m",
        "Format",
        "Say what a row is, and which column is what.",
        "Dataset",
        footer=True,
        where="dataset",
    ),
    Action(
        "splits",
        "p",
        "Splits",
        "Choose the split, and which rows are kept for evaluation.",
        "Dataset",
        where="dataset",
    ),
    Action(
        "export_rows",
        "e",
        "Export",
        "Write the rows shown to a file, JSON Lines or Parquet.",
        "Dataset",
        footer=True,
        where="dataset",
    ),
    Action(
        "look_again",
        "u",
        "Look again",
        "Measure or look for problems anew, after a change.",
        "Dataset",
        where="dataset",
    ),
    Action("open_data", "alt+o", "Open data", "Choose a file, a folder or a hub id.", "Dataset"),
    Action(
        "token_ids",
        "i",
        "Token ids",
        "Show each token's id, or the text.",
        "Dataset",
        where="tokens",
    ),
    Action(
        "longer",
        "plus",
        "Longer",
        "Raise max_length, in the Lengths view.",
        "Dataset",
        where="lengths",
    ),
    Action(
        "shorter",
        "minus",
        "Shorter",
        "Lower max_length, in the Lengths view.",
        "Dataset",
        where="lengths",
    ),
    Action(
        "overlong",
        "c",
        "Overlong rows",
        "Cut, drop or split the rows longer than max_length.",
        "Dataset",
        where="lengths",
    ),
    Action(
        "measure_all",
        "a",
        "Measure all",
        "Measure the lengths of all rows, not of a sample.",
        "Dataset",
        where="lengths",
    ),
)

# ctrl+s, ctrl+q, ctrl+b, ctrl+a and ctrl+enter are swallowed by terminals, tmux or flow control:
# nothing relies on them.
ACTIONS = (
    Action("help", "f1,question_mark", "Help", "Every key and what it does.", "Look", footer=True),
    Action("pane('dataset')", "f2", "Dataset", "Go to the rows.", "Panes", footer=True),
    Action("pane('prompt')", "f3", "Prompt", "Go to the prompt's editor.", "Panes", footer=True),
    Action("pane('output')", "f4", "Output", "Go to the answers.", "Panes", footer=True),
    Action(
        "generate",
        "f5,ctrl+j,alt+enter",
        "Generate",
        "Send the prompt, filled from the selected row, to the model.",
        "Prompt",
        footer=True,
    ),
    Action("pane('monitor')", "f6", "Monitor", "Go to the run's figures.", "Panes", footer=True),
    Action(
        "train",
        "f7",
        "Train",
        "Start fine-tuning on the rows, or stop the run with a checkpoint.",
        "Training",
        footer=True,
    ),
    Action(
        "measure",
        "f8",
        "Measure",
        "Score the prompt on the evaluation rows.",
        "Prompt",
        footer=True,
    ),
    Action(
        "exact",
        "f9",
        "Exact text",
        "Show exactly what the model gets, token by token.",
        "Prompt",
        footer=True,
    ),
    Action(
        "quit", "f10,ctrl+q", "Quit", "Leave; a run under way may go on.", "Session", footer=True
    ),
    Action("stop", "escape", "Stop", "Stop the answer or the measuring under way.", "Prompt"),
    Action(
        "resume",
        "ctrl+r",
        "Resume run",
        "Go on with the shown run from its last checkpoint.",
        "Training",
    ),
    Action("previous_run", "alt+left", "Earlier run", "Show the run before this one.", "Training"),
    Action("next_run", "alt+right", "Later run", "Show the run after this one.", "Training"),
    Action(
        "use_run",
        "alt+u",
        "Use this run's adapter",
        "Answer from the shown run's last checkpoint; again: from the base model alone.",
        "Training",
    ),
    Action("zoom", "ctrl+t", "Zoom pane", "Give the whole screen to this pane, or back.", "Panes"),
    Action("go_to_row", "ctrl+g", "Go to row", "Jump to a row by its number.", "Panes"),
    Action("previous_row", "alt+up", "Row before", "Go to the row before, from any pane.", "Panes"),
    Action("next_row", "alt+down", "Row after", "Go to the row after, from any pane.", "Panes"),
    *DATASET,
    Action("next_prompt", "ctrl+n", "Next prompt", "Change to the next wording.", "Prompt"),
    Action(
        "duplicate_prompt", "alt+n", "New wording", "Copy this wording and vary the copy.", "Prompt"
    ),
    Action(
        "delete_prompt",
        "alt+d",
        "Delete wording",
        "Remove this wording from the session.",
        "Prompt",
    ),
    Action("settings", "f12,alt+e", "Settings", "Change any setting of the session.", "Session"),
    Action("open_session", "ctrl+o", "Open session", "Open another session.", "Session"),
    Action(
        "save", "alt+s,ctrl+s", "Save", "Write the session now; it also saves itself.", "Session"
    ),
    Action("log", "ctrl+l", "Log", "Show what the worker and its libraries said.", "Look"),
    Action("theme", "alt+t", "Theme", "Change the colours.", "Look"),
    Action(
        "copy", "alt+c", "Copy", "Copy the selected row, the exact prompt or the answer.", "Look"
    ),
)

NAMES = {
    "question_mark": "?",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "slash": "/",
    "plus": "+",
    "minus": "-",
}


def shown_key(key: str) -> str:
    """A key as people write it: F5, alt+←, ?."""
    *modifiers, name = key.split("+")
    name = NAMES.get(name, name.upper() if name[0] == "f" and name[1:].isdigit() else name)
    return "+".join([*modifiers, name])


def shown_keys(action: Action) -> str:
    return " ".join(shown_key(key) for key in action.keys.split(","))
