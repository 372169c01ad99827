"""What differs between two wordings: line by line, and in changed lines word by word.

A line begins with - or + so that it needs no colour. Knows nothing of widgets.
"""

import difflib
import re
from collections.abc import Iterator

import msgspec

from workbench.session import Prompt, Session
from workbench.text import literal
from workbench.ui import parts
from workbench.ui.setting import shown
from workbench.ui.widgets.lines import Line, cells, wrap

WORD = re.compile(r"\s+|\w+|[^\w\s]")
CLOSE = 0.4  # how alike two lines must be, of 1, to be compared word by word
CONTEXT = 2  # equal lines that are shown around changed ones


def prompt_lines(old: Prompt, new: Prompt, session: Session, width: int) -> list[Line]:
    """All that differs, text by text; empty where nothing does but the name.

    `session`: whose model and settings stand for those that a wording has none of its own of.
    """
    lines: list[Line] = []
    named = {name: None for one in (old, new) for name in parts.names(one)}
    for name in sorted(named, key=lambda one: order(one, max(len(old.turns), len(new.turns)))):
        before, after = parts.text_of(old, name), parts.text_of(new, name)
        there = [one for one in (new, old) if name in parts.names(one)]
        titles = [parts.label(one, name) for one in there]
        if before != after or len(there) < 2 or titles[0] != titles[1]:
            title = titles[0]
            if len(set(titles)) > 1:
                title = f"{titles[1]} → {titles[0]}"
            lines += [[(title, "title")], *text_lines(before, after, width)]
    settings = list(setting_lines(old, new, session, width))
    return [*lines, *([[("Settings", "title")], *settings] if settings else [])]


def order(name: str, turns: int) -> int:
    at = parts.turn_index(name)
    fixed = {"system": 0, "template": turns + 1, "answer_start": turns + 2}
    return at + 1 if at >= 0 else fixed.get(name, turns + 3)


def setting_lines(old: Prompt, new: Prompt, session: Session, width: int) -> Iterator[Line]:
    """The examples, the model and the sampling settings where they differ."""
    if old.examples != new.examples:
        yield from pair("examples", parts.example_words(old), parts.example_words(new), width)
    for section in ("model", "generation"):
        one, other = getattr(old, section), getattr(new, section)
        if (one is None) != (other is None):
            whose = {True: "the session's", False: "its own"}
            yield from pair(section, whose[one is None], whose[other is None], width)
        usual = getattr(session, section)
        for field in msgspec.structs.fields(usual):
            a, b = (getattr(own or usual, field.name) for own in (one, other))
            if a != b:
                yield from pair(f"{section}.{field.name}", shown(a), shown(b), width)


def pair(name: str, old: str, new: str, width: int) -> Iterator[Line]:
    yield from wrapped([("- ", "bad"), (f"{name}: {old}", "bad")], width)
    yield from wrapped([("+ ", "good"), (f"{name}: {new}", "good")], width)


def text_lines(old: str, new: str, width: int) -> list[Line]:
    """The changed lines of a text, with a few equal ones around them."""
    a, b = literal(old).split("\n"), literal(new).split("\n")
    lines: list[Line] = []
    groups = list(difflib.SequenceMatcher(None, a, b, autojunk=False).get_grouped_opcodes(CONTEXT))
    for number, group in enumerate(groups):
        if number:
            lines.append([("  ⋯", "quiet")])
        for what, a0, a1, b0, b1 in group:
            if what == "equal":
                for one in a[a0:a1]:
                    lines += wrapped([("  ", "quiet"), (one, "quiet")], width)
            else:
                lines += changed(a[a0:a1], b[b0:b1], width)
    return lines


def changed(old: list[str], new: list[str], width: int) -> list[Line]:
    """Lines that were replaced: alike ones word by word, in pairs."""
    lines: list[Line] = []
    for index in range(max(len(old), len(new))):
        before = old[index] if index < len(old) else None
        after = new[index] if index < len(new) else None
        if before is not None and after is not None:
            for line in words(before, after):
                lines += wrapped(line, width)
            continue
        if before is not None:
            lines += wrapped([("- ", "bad"), (before, "bad")], width)
        if after is not None:
            lines += wrapped([("+ ", "good"), (after, "good")], width)
    return lines


def words(old: str, new: str) -> tuple[Line, Line]:
    """Two lines, with the words that only one of them has marked."""
    a, b = WORD.findall(old), WORD.findall(new)
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < CLOSE:
        return (
            [("- ", "bad"), (old, "bad")],
            [("+ ", "good"), (new, "good")],
        )
    left: Line = [("- ", "bad")]
    right: Line = [("+ ", "good")]
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        same = what == "equal"
        left.append(("".join(a[a0:a1]), "text" if same else "removed"))
        right.append(("".join(b[b0:b1]), "text" if same else "added"))
    return left, right


def wrapped(line: Line, width: int) -> list[Line]:
    """A line of spans, broken where it is too wide; what goes on is set in by two cells."""
    if cells(line) <= width:
        return [line]
    (sign, ink), *rest = line
    text = "".join(part for part, _ in rest)
    inks = [one for part, one in rest for _ in part]
    lines: list[Line] = []
    at = 0
    for broken in wrap(text, max(1, width - 2)):
        piece = "".join(part for part, _ in broken)
        at = text.find(piece, at) if piece else at
        line = [(sign if not lines else "  ", ink)]
        for offset, char in enumerate(piece):
            one = inks[min(at + offset, len(inks) - 1)]
            if len(line) > 1 and line[-1][1] == one:
                line[-1] = (line[-1][0] + char, one)
            else:
                line.append((char, one))
        at += len(piece)
        lines.append(line)
    return lines
