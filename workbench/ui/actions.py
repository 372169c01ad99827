"""One table of actions: key bindings, command palette, help and footer all come from it."""

from workbench.ui.action import Action, Group, Where
from workbench.ui.dataset_actions import DATASET
from workbench.ui.output_actions import OUTPUT
from workbench.ui.prompt_actions import PROMPT
from workbench.ui.training_actions import TRAIN, TRAINING

__all__ = ["ACTIONS", "Action", "Group", "Where", "shown_key", "shown_keys"]

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
    TRAIN,
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
    Action("zoom", "ctrl+t", "Zoom pane", "Give the whole screen to this pane, or back.", "Panes"),
    Action("go_to_row", "ctrl+g", "Go to row", "Jump to a row by its number.", "Panes"),
    Action("previous_row", "alt+up", "Row before", "Go to the row before, from any pane.", "Panes"),
    Action("next_row", "alt+down", "Row after", "Go to the row after, from any pane.", "Panes"),
    *DATASET,
    *PROMPT,
    *OUTPUT,
    *TRAINING,
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
    if action.numbered:
        first, *_, last = action.keys.split(",")
        return f"{shown_key(first)} … {shown_key(last)}"
    return " ".join(shown_key(key) for key in action.keys.split(","))
