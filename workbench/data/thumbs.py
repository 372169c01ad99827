"""Whether an answer was found good: thumbs up and down, as data writes them.

Knows values and names of columns; knows nothing of rows or tokens.
"""

from collections.abc import Sequence
from typing import Any

NAMES = (
    "label",
    "thumbs_up",
    "thumb",
    "thumbs",
    "liked",
    "is_good",
    "good",
    "desirable",
    "accepted",
    "feedback",
)
UP = ("true", "yes", "up", "thumbs_up", "thumbs up", "like", "liked", "good", "desirable", "👍")
DOWN = (
    "false",
    "no",
    "down",
    "thumbs_down",
    "thumbs down",
    "dislike",
    "disliked",
    "bad",
    "undesirable",
    "👎",
)


def thumb(value: Any) -> bool | None:
    """Whether a value says good or bad; None where it says neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None if value not in (1, 0, -1) else value == 1
    text = str(value).strip().lower()
    if text in ("1", "0", "-1"):
        return text == "1"
    if text in UP or text in DOWN:
        return text in UP
    return None


def are_thumbs(values: Sequence[Any]) -> bool:
    """Whether a column's values say which answers are good: words for it, or 1 and 0, both; other
    numbers may say anything else."""
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return set(values) == {0, 1}
    said = (isinstance(one, bool | str) and thumb(one) is not None for one in values)
    return bool(values) and all(said)
