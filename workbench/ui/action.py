"""What an action is: key, words, and where it works."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["Panes", "Dataset", "Prompt", "Output", "Training", "Session", "Look"]
# Where a key works: everywhere, or where the dataset, the output or the monitor pane, or one of its
# views, has the focus.
Where = Literal[
    "",
    "dataset",
    "tokens",
    "lengths",
    "problems",
    "output",
    "answers",
    "grid",
    "scores",
    "search",
    "versions",
    "monitor",
    "curves",
    "pinned",
    "happened",
    "compared_runs",
    "sweep",
]


@dataclass(frozen=True)
class Action:
    name: str  # the App has a method action_NAME
    keys: str  # comma-separated, the first one is shown; Textual's names
    label: str  # a few words: footer and palette
    help: str  # one sentence
    group: Group
    footer: bool = False
    where: Where = ""
    short: str = ""  # one word for the footer, where the label is longer
    numbered: bool = False  # its method takes which of the keys it was, from 1
