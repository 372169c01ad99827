"""What may come at the cursor of a template: columns, filters, tags.

Knows nothing of widgets; imports nothing heavy.
"""

import re
from dataclasses import dataclass

from workbench.ui.jinja import (
    CONSTANTS,
    FILTERS,
    GLOBALS,
    INNER,
    LONGEST,
    NAMES,
    TAGS,
    TOKEN,
    WORDS,
    Span,
    assigned,
    follow,
)

IN_ROW = re.compile(r"\brow\s*\[\s*([\"'])([^\"']*)$")
FILTER_HERE = re.compile(r"\|\s*(\w*)$")
TAG_HERE = re.compile(r"^\s*(\w*)$")
NAME_HERE = re.compile(r"(?:^|[\s(\[,+\-*/~<>=%:])([A-Za-z_]\w*)?$")
NEW_NAME = re.compile(r"\s*(?:for|set|macro|block)\s+\w*$")
TAG_BEFORE = re.compile(r"\s*(?:if|elif|with|filter|call|set|for)\s+\w*")
VALUE_BEFORE = re.compile(r"(\w+|[\])\"'])\s+$")


@dataclass(frozen=True, slots=True)
class Choice:
    shown: str
    insert: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What may stand instead of the last `typed` characters before the cursor."""

    typed: int
    choices: tuple[Choice, ...]


def choices_at(text: str, offset: int, columns: list[str]) -> Choices | None:
    """What may come at an offset of the text; None where nothing is suggested."""
    begin = max(text.rfind("{{", 0, offset), text.rfind("{%", 0, offset))
    mark = "}}" if text.startswith("{{", begin) else "%}"
    before = text[begin + 2 : offset]
    if begin < 0 or len(text) > LONGEST or mark in before:
        return None
    before = before[1:] if before[:1] in ("-", "+") else before
    end = closing(text, offset, mark)
    if match := IN_ROW.search(before):
        rest = "" if text.startswith(match[1], offset) else match[1] + "]" + end
        return matching(match[2], [Choice(name, name + rest) for name in columns])
    if before.count('"') % 2 or before.count("'") % 2:
        return None
    if match := FILTER_HERE.search(before):
        return matching(match[1], [Choice(name, name) for name in sorted(FILTERS)])
    if mark == "%}" and (match := TAG_HERE.search(before)):
        return matching(match[1], tag_choices(text[:begin], "" if before else " ", end))
    return names_at(text, before, end if mark == "}}" else "", columns)


def names_at(text: str, before: str, end: str, columns: list[str]) -> Choices | None:
    """The columns, and the names that the template itself gives, where a value may begin."""
    match = NAME_HERE.search(before)
    if match is None or NEW_NAME.match(before):
        return None
    word = match[1] or ""
    earlier = VALUE_BEFORE.search(before[: len(before) - len(word)])
    if earlier and earlier[1] not in WORDS and not TAG_BEFORE.fullmatch(before):
        return None  # a value stands there already
    space = "" if before[: len(before) - len(word)] else " "
    own = sorted(assigned(text) - set(columns))
    named = [(name, name if plain(name) else f'row["{name}"]') for name in columns]
    return matching(
        word,
        [Choice(name, space + way + end) for name, way in [*named, *((one, one) for one in own)]],
    )


def plain(name: str) -> bool:
    """Whether a column can be named as it is."""
    return bool(NAMES.fullmatch(name)) and name not in WORDS | CONSTANTS | GLOBALS


def closing(text: str, offset: int, mark: str) -> str:
    """What is missing after the cursor to close the braces."""
    line_end = text.find("\n", offset)
    rest = text[offset : line_end if line_end >= 0 else len(text)]
    opened = rest.find("{" + ("{" if mark == "}}" else "%"))
    closed = rest.find(mark)
    return "" if closed >= 0 and (opened < 0 or closed < opened) else f" {mark}"


def tag_choices(before: str, space: str, end: str) -> list[Choice]:
    """The end of the block that is open comes first."""
    tags: list[tuple[str, Span]] = []
    for opening in re.finditer(r"\{%[-+]?(.*?)[-+]?%\}", before, re.DOTALL):
        inside = list(TOKEN.finditer(opening[1]))
        if inside:
            list(follow(tags, inside, Span(0, 0, "error")))
    ending = [tags[-1][0]] if tags else []
    inner = [name for name, of in INNER.items() if ending and ending[0][3:] in of]
    bare = [Choice(name, space + name + end) for name in [*ending, *inner] if name != "elif"]
    more = [name for name in ["elif", *TAGS] if name != "elif" or "elif" in inner]
    return [*bare, *[Choice(name, f"{space}{name} ") for name in more]]


def matching(word: str, choices: list[Choice]) -> Choices | None:
    """Those that begin with the word, then those that hold it; none where it is typed out."""
    low = word.lower()
    first = [one for one in choices if one.shown.lower().startswith(low)]
    later = [one for one in choices if low in one.shown.lower() and one not in first]
    found = (*first, *later)
    if not found or (len(found) == 1 and found[0].shown == word and found[0].insert == word):
        return None
    return Choices(len(word), found)
