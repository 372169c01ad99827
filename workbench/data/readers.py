"""What turns a file of any text format into lines of JSON, a row each.

Knows formats; not when a file is read nor where the lines are kept.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from workbench.catalogue import SourceError
from workbench.data import books, delimited, document
from workbench.data.lines import BLANK, BOM
from workbench.data.streams import Stream, encoding, packing
from workbench.data.table import Broken
from workbench.settings.base import TextRows

TOO_LONG = b"0, which stands for a line longer than 64 MB"
SNIFFED = 1 << 20  # bytes of a file that tell what it is
encode = msgspec.json.Encoder().encode


class Widened(Exception):  # noqa: N818 - it is no error
    """A column holds more than was known: what was written of it is not right."""


class Reader(Protocol):
    """Reads one file after the other. `keeps_lines`: a line of JSON is a line of the file."""

    keeps_lines: bool
    notes: list[str]

    def rows(self, stream: Stream) -> Iterator[bytes | Broken]:
        """
        Raises:
            SourceError: where it is not of this format at all.
        """


class LinesReader:
    """JSON Lines that are packed or not UTF-8: the very lines, blank ones too."""

    keeps_lines = True

    def __init__(self) -> None:
        self.notes: list[str] = []

    def rows(self, stream: Stream) -> Iterator[bytes | Broken]:
        before: bytes | None = None
        for line in stream.lines():
            if before is not None:
                yield before
            before = line.text if line.whole else TOO_LONG
        if before is not None and not stream.damage:  # else the last is torn
            yield before


class DocumentReader:
    keeps_lines = False

    def __init__(self) -> None:
        self.notes: list[str] = []

    def rows(self, stream: Stream) -> Iterator[bytes | Broken]:
        yield from document.rows(stream, stream.path)


class TextReader:
    """A row a line, in the column `text`."""

    keeps_lines = False

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.joiner, self.words = "\n", ""

    def rows(self, stream: Stream) -> Iterator[bytes | Broken]:
        damaged: list[int] = []
        if stream.binary():
            raise SourceError(
                f"{stream.path} is no text: it holds bytes of zero; name a file of text."
            )
        for line in stream.lines():
            if not line.whole:
                reason = "the line is longer than 64 MB; split it"
                yield Broken(
                    str(stream.path), line.number, reason, line.text[:200].decode(errors="replace")
                )
                continue
            text = line.text.removesuffix(b"\r")
            try:
                yield encode({"text": text.decode()})
            except UnicodeDecodeError:
                damaged.append(line.number)
                yield encode({"text": text.decode(errors="replace")})
        self.notes += not_utf8(stream.path, damaged)


class BookReader:
    """A row a passage, whole paragraphs of about two thousand characters, in the column `text`."""

    keeps_lines = False

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.joiner, self.words = "\n\n", ""

    def rows(self, stream: Stream) -> Iterator[bytes | Broken]:
        damaged: list[int] = []
        if stream.binary():
            raise SourceError(
                f"{stream.path} is no text: it holds bytes of zero; name a file of text."
            )
        kind = books.kind_of(start_of(stream.path))
        self.words = "; ".join(
            said
            for said, true in (
                ("Project Gutenberg's header and licence are left out", kind.gutenberg),
                ("lines are joined to paragraphs", kind.width),
                ("a row is a passage of whole paragraphs", True),
            )
            if true
        )

        def lines() -> Iterator[str]:
            for line in stream.lines():
                if not line.whole:
                    raise SourceError(
                        f"{stream.path}, line {line.number:,} is longer than 64 MB; split it."
                    )
                try:
                    yield line.text.removesuffix(b"\r").decode()
                except UnicodeDecodeError:
                    damaged.append(line.number)
                    yield line.text.removesuffix(b"\r").decode(errors="replace")

        own = books.own_lines(lines(), kind.header) if kind.gutenberg else lines()
        any_row = False
        for passage in books.passages(books.paragraphs(own, kind.width)):
            any_row = True
            yield encode({"text": passage})
        if not any_row and kind.gutenberg:
            raise SourceError(
                f"{stream.path} holds Project Gutenberg's header and licence and no text of a "
                "book; name the file that has the book."
            )
        self.notes += not_utf8(stream.path, damaged)


def start_of(path: Path) -> str:
    """The first characters of a text."""
    return beginning(path).decode(errors="replace").replace("\r\n", "\n")


class DelimitedReader:
    """CSV and TSV. What is known of the columns grows from one reading to the next."""

    keeps_lines = False

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.kinds: dict[str, str] = {}
        self.strict = False  # a cell that fits no column's kind ends the reading with `Widened`

    def rows(self, stream: Stream) -> Iterator[bytes | Broken]:
        known = delimited.Delimited(kinds=self.kinds)
        widened = False
        for row in delimited.rows(stream, stream.path, known):
            if isinstance(row, Broken):
                yield row
            elif not known.names:
                known.head(row, stream.path)
                self.notes += [note for note in known.notes if note not in self.notes]
            else:
                widened = known.learn(row) or widened
                if not (widened and self.strict):
                    yield encode(known.values(row))
        self.notes += not_utf8(stream.path, known.damaged)
        if widened and self.strict:
            raise Widened


def not_utf8(path: Path, lines: Sequence[int]) -> list[str]:
    if not lines:
        return []
    count = f"{len(lines):,} {'line holds' if len(lines) == 1 else 'lines hold'}"
    return [
        f"{path.name}: {count} bytes that are not UTF-8, shown as \ufffd (the first: line "
        f"{lines[0]:,}); convert the file to UTF-8 to read them."
    ]


def reader_for(form: str, paths: Sequence[Path], text_rows: TextRows = "auto") -> Reader | None:
    """What converts these files, of one format by their names; None: they are read in place."""
    if form == "CSV":
        return DelimitedReader()
    if form == "text":
        return BookReader() if is_book(text_rows, paths[0]) else TextReader()
    if is_document(form, beginning(paths[0])):
        return DocumentReader()
    plain = all(not packing(path) and not encoding(beginning(path, 4)) for path in paths)
    return None if plain else LinesReader()


def is_book(text_rows: TextRows, path: Path) -> bool:
    """Whether a text is read as passages."""
    if text_rows != "auto":
        return text_rows == "passages"
    return books.kind_of(start_of(path)).book


def beginning(path: Path, size: int = SNIFFED) -> bytes:
    """The first bytes of what a file holds, unpacked."""
    found = b""
    for piece in Stream(path).pieces() if size > 4 else raw(path, size):
        found += piece
        if len(found) >= size:
            break
    return found[:size]


def raw(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield file.read(size)


def is_document(form: str, text: bytes) -> bool:
    """Whether a file of JSON is one document, by its beginning; else it has a row a line."""
    text = text.removeprefix(BOM).lstrip(BLANK)
    if text.startswith(b"["):
        return True
    line, found, rest = text.partition(b"\n")
    if form == "JSON Lines":
        return line.strip(BLANK) == b"{"
    if not found or not rest.strip(BLANK):
        return True
    try:
        return not isinstance(json.loads(line), dict)
    except ValueError:
        return True
