"""The help: every action by group, from the table of actions, and the keys within panes."""

from itertools import groupby

from workbench.ui.action import Action, Where
from workbench.ui.actions import ACTIONS, shown_keys
from workbench.ui.screens.sheet import Reading
from workbench.ui.widgets.lines import Line, wrap

WITHIN = (
    (
        "Rows",
        (
            ("↑ ↓", "One row up or down."),
            ("pgup pgdn", "One screen of rows up or down."),
            ("home end", "The first or the last row."),
            ("← →", "The column to the left or to the right; s sorts by it."),
            ("esc", "Give up a search under way, then show all rows again."),
            ("◇ × !", "A row kept for evaluation, left out, broken."),
        ),
    ),
    (
        "Views of the dataset",
        (
            ("enter", "Columns: sort by the column. Problems: show the rows."),
            ("← →", "Tokens: the row before or after."),
            ("u", "Look again, after a change or after esc stopped it."),
        ),
    ),
    (
        "Views of the output",
        (
            ("enter", "Answers: go through the tokens. Grid: the whole answers to the row."),
            ("← → ↑ ↓", "In an answer: another token, another alternative; enter goes on from it."),
            ("tab", "In an answer: the next answer."),
            ("esc", "Leave the answer; back to all rows; back to the scores; stop."),
            ("A B !", "Scores: what is compared; a variant that has changed since."),
            ("✓ ✗ !", "Grid: right, wrong, no answer."),
        ),
    ),
    (
        "Editors",
        (
            ("tab shift+tab", "The next field, or the one before, in every pane."),
            ("ctrl+z ctrl+y", "Undo, redo."),
            ("shift+arrows", "Select; ctrl+c copies, ctrl+x cuts, ctrl+v pastes."),
        ),
    ),
)


# pane → the sections that come first where it is in use
FIRST = {
    "dataset": ("Dataset", "Rows", "Views of the dataset"),
    "prompt": ("Prompt", "Editors"),
    "output": ("Output", "Views of the output"),
    "monitor": ("Training",),
}


# group → the pane in which its letters are heard
HOMES: dict[str, Where] = {"Dataset": "dataset", "Output": "output", "Training": "monitor"}
VIEWS: dict[Where, str] = {"compared_runs": "Runs", "happened": "Events", "pinned": "Answers"}


class HelpScreen(Reading):
    HINT = "↑ ↓ scrolls · ctrl+p finds any command · esc closes"

    def __init__(self, pane: str = "") -> None:
        """`pane`: the one in use, whose keys come first."""
        super().__init__("Keys", lambda width: draw(width, pane))


def draw(width: int, pane: str = "") -> list[Line]:
    sections = [
        (group, [(shown_keys(action), help_of(action)) for action in actions])
        for group, actions in groupby(sorted(ACTIONS, key=order), key=lambda action: action.group)
    ]
    first = FIRST.get(pane, ())
    lines: list[Line] = []
    for name, keys in sorted([*sections, *WITHIN], key=lambda section: section[0] not in first):
        lines += [[], [(name, "title"), (home_of(name), "quiet")]]
        for key, words in keys:
            text = wrap(words, width - 24)
            lines += [
                [(f"  {key if not index else '':<21} ", "key"), *line]
                for index, line in enumerate(text)
            ]
    return lines[1:]


def home_of(group: str) -> str:
    """Where most letters of a group are heard, and the key that goes there; empty: anywhere."""
    pane = HOMES.get(group)
    if pane is None:
        return ""
    key = next(shown_keys(one) for one in ACTIONS if one.name == f"pane('{pane}')")
    return f"  letters and numbers: in the {pane} pane, {key}"


def help_of(action: Action) -> str:
    """What it does, and where, if not where most of its group do: letters mean another thing in
    each pane."""
    if action.where in ("", HOMES.get(action.group)):
        return action.help
    return f"{VIEWS.get(action.where, action.where.capitalize())}: {action.help}"


def order(action: Action) -> int:
    groups = list(dict.fromkeys(one.group for one in ACTIONS))
    return groups.index(action.group)
