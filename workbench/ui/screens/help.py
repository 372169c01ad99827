"""The help: every action by group, from the table of actions, and the keys within panes."""

from itertools import groupby
from typing import NamedTuple

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


class Home(NamedTuple):
    """Where the letters of a group of actions are heard."""

    where: Where
    words: str


HOMES: dict[str, Home] = {
    "Dataset": Home("dataset", "in the dataset pane, F2"),
    "Output": Home("output", "in the output pane, F4"),
    "Training": Home("monitor", "in the monitor pane, F6"),
}
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
        where = f"  letters and numbers: {HOMES[name].words}" if name in HOMES else ""
        lines += [[], [(name, "title"), (where, "quiet")]]
        for key, words in keys:
            text = wrap(words, width - 24)
            lines += [
                [(f"  {key if not index else '':<21} ", "key"), *line]
                for index, line in enumerate(text)
            ]
    return lines[1:]


def help_of(action: Action) -> str:
    """What it does, and where, if not where most of its group do: letters mean another thing in
    each pane."""
    home = HOMES.get(action.group)
    if not action.where or (home and action.where == home.where):
        return action.help
    return f"{VIEWS.get(action.where, action.where.capitalize())}: {action.help}"


def order(action: Action) -> int:
    groups = list(dict.fromkeys(one.group for one in ACTIONS))
    return groups.index(action.group)
