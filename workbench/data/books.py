"""Texts that run on from line to line: books, read as passages of whole paragraphs.

Knows lines, paragraphs and Project Gutenberg's wrapping; knows nothing of files or of tokens.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

PASSAGE = 2000  # characters from which a passage ends with its paragraph
LOOKED_AT = 5000  # lines by which a text is known
FEWEST = 20  # lines
WIDEST = 100  # characters of a line that is broken by hand
FULL = 0.6  # of the width: a shorter line was meant to end there

HEADER_LINES = 1000  # in which a header ends
SMALL_PRINT_LINES = 150  # in which the small print begins, where it is part of a header
# The marks of Project Gutenberg, as they are now and as they were from 1991 on.
START = re.compile(r"^\W*START OF TH(?:E|IS) PROJECT GUTENBERG\b", re.IGNORECASE)
SMALL_PRINT_START = re.compile(r"^\W*START\W*THE SMALL PRINT\b", re.IGNORECASE)
SMALL_PRINT_END = re.compile(r"^\W*END\W*THE SMALL PRINT\b", re.IGNORECASE)
END = re.compile(
    r"^\W*(?:END OF TH(?:E|IS) PROJECT GUTENBERG\b|End of (?:the )?Project Gutenberg\b"
    r"|START\W*FULL LICEN[SC]E|START\W*THE SMALL PRINT\b)",
    re.IGNORECASE,
)
CREDITS = re.compile(
    r"^(?:\[?(?:E-?text |This (?:e-?text|e-?book) (?:was )?)?(?:produced|prepared|scanned|"
    r"transcribed)\b.{0,60}\bby\b|Credits?:|\[?Transcriber['’]?s?['’]? Notes?\b)",
    re.IGNORECASE,
)
HEADING = re.compile(
    r"(?:(?:CHAPTER|BOOK|PART|CANTO|ACT|LETTER|VOLUME|STAVE)\s+\S.{0,80}"
    r"|PROLOGUE|EPILOGUE|PREFACE|INTRODUCTION|[IVXLC]{1,8}\.?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Running:
    """Rows that are one text in pieces: each goes on where the one before it ended.

    `joiner` stood between them, `starts` are the rows that begin a text of their own, and `words`
    say for the person how the rows came about.
    """

    joiner: str
    words: str = ""
    starts: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Kind:
    """What the beginning of a text shows: it comes from Project Gutenberg, with a header of some
    lines; its lines are broken at a width, to be joined; blank lines stand between its lines."""

    gutenberg: bool = False
    header: int = 0
    width: int = 0  # characters; 0: lines end where their writer meant them to
    spaced: bool = False

    @property
    def book(self) -> bool:
        """It consists of paragraphs, and not of lines."""
        return self.gutenberg or self.width > 0 or self.spaced


def kind_of(beginning: str) -> Kind:
    """What a text is, by its beginning."""
    lines = beginning.split("\n")[:LOOKED_AT]
    header, gutenberg = header_of(lines), is_gutenberg(lines)
    if gutenberg:
        lines = list(own_lines(lines, header))
    filled = [bool(line.strip()) for line in lines]
    count = sum(filled)
    if count < 2:
        return Kind(gutenberg, header)
    followed = sum(one and other for one, other in pairwise(filled))
    lengths = sorted(len(line.rstrip()) for line, there in zip(lines, filled, strict=True) if there)
    widest, middle = lengths[int(0.95 * (count - 1))], lengths[count // 2]
    blank = len(filled) - count
    wrapped = (
        count >= FEWEST
        and followed >= count / 2
        and blank >= count / 50
        and 40 <= middle <= widest <= WIDEST
    )
    width = widest if wrapped else 0
    return Kind(gutenberg, header, width, spaced=count >= FEWEST and followed < count / 10)


def header_of(lines: Sequence[str]) -> int:
    """How many lines Project Gutenberg's header takes of a text's first ones; 0: it has none."""
    first, small_print = 0, 0
    for number, line in enumerate(lines[:HEADER_LINES]):
        if START.match(line):
            first = number + 1
        elif SMALL_PRINT_START.match(line):
            small_print = number + 1
        elif SMALL_PRINT_END.match(line) and small_print <= SMALL_PRINT_LINES:
            first = number + 1  # where it begins later it stands behind the book
    return first


def is_gutenberg(lines: Sequence[str]) -> bool:
    """Whether a text stands in Project Gutenberg's header or licence."""
    return header_of(lines) > 0 or any(END.match(line) for line in lines)


def own_lines(lines: Iterable[str], header: int) -> Iterator[str]:
    """The lines of a book without Project Gutenberg's header, who prepared it, and the licence."""
    given = iter(lines)
    for _ in islice(given, header):
        pass
    opening = True  # so far only blank lines, and paragraphs that name who prepared the text
    credit = False
    for line in given:
        if END.match(line):
            return
        if opening:
            if not line.strip():
                credit = False
                continue
            credit = credit or bool(header and CREDITS.match(line.strip()))
            if credit:
                continue
            opening = False
        yield line


def paragraphs(lines: Iterable[str], width: int) -> Iterator[str]:
    """Paragraphs, blank lines between them left out; lines that were broken at a width joined."""
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield joined(block, width)
            block = []
    if block:
        yield joined(block, width)


def joined(block: list[str], width: int) -> str:
    """A paragraph's lines as one; as they are where they were meant to end (verse, tables)."""
    broken = width and all(len(line) >= FULL * width for line in block[:-1])
    if not broken or any(line[:1].isspace() for line in block[1:]):
        return "\n".join(block)
    text = block[0].strip()
    for line in block[1:]:
        hyphen = text.endswith("--") or re.search(r"\w-$", text)
        text += ("" if hyphen else " ") + line.strip()
    return text


def passages(found: Iterable[str]) -> Iterator[str]:
    """Paragraphs together, some thousand characters at a time; a heading begins a passage."""
    held: list[str] = []
    size = 0
    for paragraph in found:
        heading = len(paragraph) < PASSAGE and HEADING.fullmatch(paragraph.strip())
        if held and (size >= PASSAGE or (heading and size > PASSAGE // 10)):
            yield "\n\n".join(held)
            held, size = [], 0
        held.append(paragraph)
        size += len(paragraph)
    if held:
        yield "\n\n".join(held)
