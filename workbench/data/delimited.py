"""CSV and TSV: rows of cells, all of them text at first; what a column is follows from all cells.

Knows cells and their quotes; not where the rows go.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from workbench.catalogue import SourceError
from workbench.data.lines import LONGEST
from workbench.data.streams import Stream, TextLine
from workbench.data.table import Broken

SEPARATORS = (",", ";", "\t", "|")
SAID = re.compile(rb"sep=(.)\r?")
INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")  # no 007: that is a name, not a number
# With a point or an exponent: a whole number with more digits would lose some of them.
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+([eE][+-]?\d{1,2})?|[eE][+-]?\d{1,2})")
BOOLEANS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
REASONS = {
    "unexpected end of data": "a quote is opened and never closed",
    "new-line character seen in unquoted field - do you need to open the file in universal-newline "
    "mode?": "a carriage return stands alone; end lines by line feeds (write the file anew)",
    "',' expected after '\"'": "a quoted text goes on after its quote; double the quotes in it",
}
WIDER = {"": 0, "boolean": 1, "integer": 2, "number": 3, "text": 4}


def kind_of(cell: str) -> str:
    """What a cell could be, of the narrowest."""
    if not cell:
        return ""
    first = cell[0]
    if first in "-0123456789":
        if INTEGER.fullmatch(cell):
            return "integer"
        return "number" if NUMBER.fullmatch(cell) and len(cell) < 300 else "text"
    return "boolean" if cell in BOOLEANS else "text"


def wider(one: str, other: str) -> str:
    """The narrowest kind that holds both."""
    if "boolean" in (one, other) and one and other and one != other:
        return "text"
    return max(one, other, key=WIDER.__getitem__)


def value(cell: str, kind: str) -> Any:
    if not cell:
        return None
    if kind == "integer":
        return int(cell)
    if kind == "number":
        return float(cell)
    return BOOLEANS[cell] if kind == "boolean" else cell


@dataclass
class Cells:
    """The lines of a file for the CSV reader, which can be given some of them back."""

    source: Iterator[TextLine]
    taken: list[TextLine] = field(default_factory=list)  # since the last row
    returned: deque[TextLine] = field(default_factory=deque)
    damaged: list[int] = field(default_factory=list)  # lines with bytes that are no UTF-8
    size: int = 0

    def __iter__(self) -> Iterator[str]:
        while True:
            line = self.returned.popleft() if self.returned else next(self.source, None)
            if line is None:
                return
            self.taken.append(line)
            self.size += len(line.text)
            if self.size > LONGEST or not line.whole:
                raise csv.Error("a row is longer than 64 MB: a quote may not be closed")
            try:
                text = line.text.decode()
            except UnicodeDecodeError:
                text = line.text.decode(errors="replace")
                if not self.damaged or self.damaged[-1] < line.number:
                    self.damaged.append(line.number)
            yield text + "\n"

    def begin(self) -> None:
        self.taken, self.size = [], 0

    def again(self) -> None:
        """The first of the lines taken is given up; those after it are read anew."""
        self.returned.extendleft(reversed(self.taken[1:]))
        self.begin()


def rows(stream: Stream, path: Path, found: "Delimited") -> Iterator[list[str] | Broken]:
    """The header, then the rows, as wide as it is; what is not stands as broken.

    Raises:
        SourceError: where it is no text.
    """
    csv.field_size_limit(LONGEST)
    if stream.binary():
        raise SourceError(f"{path} is no text: it holds bytes of zero; name a CSV or TSV file.")
    lines = stream.lines()
    first = next(lines, None)
    if first is None:
        return
    separator = found.separator
    if said := SAID.fullmatch(first.text):  # as spreadsheets write it; it is no header
        separator = said[1].decode()
        first = next(lines, None)
        if first is None:
            return
    separator = separator or separator_of(path, first.text.decode(errors="replace"))
    found.separator = separator
    cells = Cells(chain([first], lines), damaged=found.damaged)
    reader = csv.reader(iter(cells), delimiter=separator, strict=True)
    width = 0
    while True:
        cells.begin()
        reason = ""
        try:
            row = next(reader, None)
        except csv.Error as error:
            row, reason = [], REASONS.get(str(error), str(error))
        if row is None:
            return
        if not reason and row and width and len(row) != width:
            reason = (
                f"{len(row)} {'cell' if len(row) == 1 else 'cells'}, and the header has {width}; "
                "correct the row (put a text that holds the separator in double quotes)"
            )
        if reason:
            begin = cells.taken[0]
            text = begin.text[:200].decode(errors="replace")
            yield Broken(str(path), begin.number, reason, text)
            cells.again()
            reader = csv.reader(iter(cells), delimiter=separator, strict=True)
        elif row:
            width = width or len(row)
            yield row


def separator_of(path: Path, header: str) -> str:
    """What stands between the cells: the sign that the header has most of."""
    name = path.name.lower()
    if ".tsv" in name:
        return "\t"
    return max(SEPARATORS, key=lambda sign: (header.count(sign), -SEPARATORS.index(sign)))


@dataclass
class Delimited:
    """What is known of a file's columns by now."""

    separator: str = ""
    names: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)  # of the columns of all files
    damaged: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def head(self, row: list[str], path: Path) -> None:
        """Take the header: every column gets a name of its own."""
        self.names = []
        for place, name in enumerate(row, 1):
            wanted = name.strip() or f"column_{place}"
            own, number = wanted, 2
            while own in self.names:
                own, number = f"{wanted}_{number}", number + 1
            if own != wanted:
                self.say(
                    f'{path.name}: the column "{wanted}" is there twice; the later is "{own}".'
                )
            self.names.append(own)
        for name in self.names:
            self.kinds.setdefault(name, "")

    def learn(self, row: list[str]) -> bool:
        """Widen what the columns are by a row; whether that changed anything."""
        changed = False
        for name, cell in zip(self.names, row, strict=True):
            kind = self.kinds[name]
            if kind != "text" and (seen := kind_of(cell)) and seen != kind:
                new = wider(kind, seen)
                if new != kind:
                    self.kinds[name], changed = new, True
        return changed

    def values(self, row: list[str]) -> dict[str, Any]:
        return {
            name: value(cell, self.kinds[name]) for name, cell in zip(self.names, row, strict=True)
        }

    def say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)
