"""Where the rows of text files are: a row is a line that is not blank.

A sparse index: it keeps a place for every 64 rows, so that 20 million rows take some megabytes, and
a row costs one read of at most a block. Knows bytes and line ends; not what is in a line.
"""

import os
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError

if TYPE_CHECKING:
    import numpy

BLOCK = 1 << 20  # bytes read at a time
EVERY = 64  # rows between two places
LONGEST = 64 << 20  # bytes of a line that is still read; a longer one is broken
BEGINNING = 1000  # bytes read of a line that is too long
EDGE = 4096  # bytes by which one knows a file again
OPEN_FILES = 64  # descriptors kept
BLANK = b" \t\n\r\x0b\x0c"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """A row's text. `whole` is False where it is too long, and `text` only its beginning."""

    file: Path
    number: int  # of the line in its file, from 1
    text: bytes
    whole: bool = True


class LineIndex:
    """The rows of some files, one after the other, found so far.

    One thread may scan while others read. Offsets count through all files.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        self.known_as = list(files)  # what a line says of its file: it may be a copy
        self.lines_known = True  # a line's number is that of the file it is known as
        self.sizes = [os.stat(path).st_size for path in self.files]
        self.size = sum(self.sizes)
        self.bases = [sum(self.sizes[:number]) for number in range(len(self.files))]
        self.count = 0
        self.complete = not self.size
        self.longest = 0  # bytes of the longest line
        self.overlong: list[int] = []  # numbers of rows longer than LONGEST
        self.rows, self.offsets, self.lines = array("q"), array("q"), array("q")  # the places
        self.end = 0  # offset behind the last row found
        self.scanned = 0
        self.descriptors: dict[int, int] = {}
        self.edges: dict[int, tuple[bytes, bytes]] = {}  # a file's first and last bytes, as opened
        self.lock = threading.Lock()
        # Of the line that the last block left open: where it began, its number, only blanks so far.
        self.open_start, self.open_line, self.open_blank = 0, 1, True

    # --- finding rows ---------------------------------------------------------------------------

    def scan(
        self,
        upto: int,
        stopped: threading.Event | None = None,
        advance: Callable[[], None] | None = None,
    ) -> None:
        """Look for rows until `upto` bytes were read, or all. One thread at a time.

        Raises:
            SourceError: when a file became shorter or cannot be read.
        """
        import numpy

        blank = numpy.zeros(256, dtype=bool)
        blank[list(BLANK)] = True
        buffer = bytearray(BLOCK)
        while self.scanned < min(upto, self.size) and not (stopped and stopped.is_set()):
            file = self.file_at(self.scanned)
            base = self.bases[file]
            if file not in self.edges and len(self.edges) < OPEN_FILES:
                self.edges[file] = self.edge(file)
            if self.scanned == base:  # only blank lines may have been left open
                self.open_start, self.open_line, self.open_blank = base, 1, True
            length = min(BLOCK, base + self.sizes[file] - self.scanned)
            self.fill(file, self.scanned - base, memoryview(buffer)[:length])
            block = numpy.frombuffer(buffer, numpy.uint8, length)
            if self.scanned == base and block[:3].tobytes() == BOM:
                block = block.copy()
                block[:3] = 32
            self.take_in(block, blank, ends=self.scanned + length == base + self.sizes[file])
            self.scanned += length
            if advance:
                advance()
        self.complete = self.scanned >= self.size

    def take_in(self, block: "numpy.ndarray[Any, Any]", blank: Any, ends: bool) -> None:
        """Find the rows that end in a block; `ends`: so does the file."""
        import numpy

        here = self.scanned
        breaks = numpy.flatnonzero(block == 10)
        stops = breaks + here
        if ends and (not len(breaks) or breaks[-1] != len(block) - 1):
            stops = numpy.append(stops, here + len(block))
        if not len(stops):
            self.open_blank = self.open_blank and bool(blank[block].all())
            return
        starts = numpy.empty(len(stops), dtype=numpy.int64)
        starts[0], starts[1:] = self.open_start, stops[:-1] + 1
        filled = ~blank[block[starts[1:] - here]]
        filled = numpy.concatenate(([not self.open_blank], filled))
        doubtful = numpy.flatnonzero(~filled)
        if len(doubtful):  # they begin with a blank: all through?
            first = numpy.maximum(starts - here, 0)
            ink = ~blank[block[: int(stops[-1]) - here + 1]]  # not of the line left open
            filled[doubtful] = numpy.logical_or.reduceat(ink, first)[doubtful]
        kept = numpy.flatnonzero(filled)
        numbers = self.open_line + kept
        self.open_line += len(stops)
        if len(kept):
            self.note(starts[kept], stops[kept], numbers)
        last = int(stops[-1]) + 1
        self.open_start = last
        rest = block[last - here :]
        self.open_blank = bool(blank[rest].all()) if len(rest) else True

    def note(self, starts: Any, stops: Any, numbers: Any) -> None:
        """Keep places of the rows that ended: the first (it may have begun long ago), the second,
        and every 64th after that; so a block between two places is short, or one row."""
        import numpy

        places = numpy.unique(numpy.r_[0, numpy.arange(1, len(starts), EVERY)])
        lengths = stops - starts
        self.longest = max(self.longest, int(lengths.max()))
        if self.longest > LONGEST:
            self.overlong += [self.count + int(n) for n in numpy.flatnonzero(lengths > LONGEST)]
        # In this order: a reader looks at `rows` first.
        self.lines.frombytes(numbers[places].astype(numpy.int64).tobytes())
        self.offsets.frombytes(starts[places].astype(numpy.int64).tobytes())
        self.rows.frombytes((places + self.count).astype(numpy.int64).tobytes())
        self.end = int(stops[-1])
        self.count += len(starts)

    # --- reading them ---------------------------------------------------------------------------

    def take(self, numbers: Sequence[int]) -> dict[int, Line]:
        """The lines of these rows, whose numbers are sorted and known.

        Raises:
            SourceError: when a file is gone or became shorter.
        """
        found: dict[int, Line] = {}
        index, total = 0, len(numbers)
        while index < total:
            place = bisect_right(self.rows, numbers[index]) - 1
            block = self.block(place)
            first = self.rows[place]
            if numbers[index] - first >= len(block):
                path = self.files[self.file_at(self.offsets[place])]
                raise SourceError(f"{path} was changed since it was opened; open it again.")
            while index < total and (offset := numbers[index] - first) < len(block):
                found[numbers[index]] = block[offset]
                index += 1
        return found

    def block(self, place: int) -> list[Line]:
        """The rows from one place to the next."""
        begin = self.offsets[place]
        end = self.offsets[place + 1] if place + 1 < len(self.rows) else self.end
        file = self.file_at(begin)
        base = self.bases[file]
        end = min(end, base + self.sizes[file])
        path, number = self.known_as[file], self.lines[place]
        if end - begin > LONGEST:  # one row, and blank lines at most
            data = bytearray(BEGINNING)
            self.fill(file, begin - base, memoryview(data))
            return [Line(path, number, bytes(data), whole=False)]
        data = bytearray(end - begin)
        self.fill(file, begin - base, memoryview(data))
        text = bytes(data)
        if begin == base and text.startswith(BOM):
            text = text[3:]
        return [
            Line(path, number + index if self.lines_known else 0, line)
            for index, line in enumerate(text.split(b"\n"))
            if line.strip(BLANK)
        ]

    def first_row(self, file: int) -> int:
        """The number of a file's first row."""
        place = bisect_left(self.offsets, self.bases[file])
        return self.rows[place] if place < len(self.rows) else self.count

    def file_at(self, offset: int) -> int:
        return bisect_right(self.bases, offset) - 1

    def edge(self, file: int) -> tuple[bytes, bytes]:
        """The first bytes of a file, and the last of those it had when it was opened."""
        length = min(EDGE, self.sizes[file])
        first, last = bytearray(length), bytearray(length)
        self.fill(file, 0, memoryview(first))
        self.fill(file, self.sizes[file] - length, memoryview(last))
        return bytes(first), bytes(last)

    def only_grew(self, file: int) -> bool:
        """Whether a file that is longer now still holds what it did."""
        return self.edges.get(file) == self.edge(file)

    def fill(self, file: int, offset: int, view: memoryview) -> None:
        """Read bytes of a file that was there, and as long, when it was opened.

        Raises:
            SourceError: where it no longer is.
        """
        path = self.files[file]
        try:
            with self.lock:
                if file not in self.descriptors:
                    while len(self.descriptors) >= OPEN_FILES:
                        os.close(self.descriptors.pop(next(iter(self.descriptors))))
                    self.descriptors[file] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                descriptor = os.dup(self.descriptors[file])
        except OSError as error:
            raise SourceError(
                f"{path} can no longer be read ({error.strerror or error}); open it again."
            ) from error
        try:
            done = 0
            while done < len(view):
                got = os.preadv(descriptor, [view[done:]], offset + done)
                if not got:
                    raise SourceError(
                        f"{path} became shorter while it was open; open it again to see what is "
                        "left."
                    )
                done += got
        except OSError as error:
            raise SourceError(
                f"{path} can no longer be read ({error.strerror or error}); open it again."
            ) from error
        finally:
            os.close(descriptor)

    def __del__(self) -> None:
        for descriptor in self.descriptors.values():
            os.close(descriptor)

    # --- keeping it -----------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What a complete index is made of, to be kept in a file."""
        import numpy

        return {
            "places": numpy.array([self.rows, self.offsets, self.lines], dtype=numpy.int64),
            "overlong": numpy.array(self.overlong, dtype=numpy.int64),
            "numbers": numpy.array([self.count, self.longest, self.end, self.size]),
        }

    def restore(self, state: Any) -> bool:
        """Take over what was kept of these very files; False where it does not fit them."""
        count, longest, end, size = (int(number) for number in state["numbers"])
        if size != self.size:
            return False
        for own, kept in zip(
            (self.lines, self.offsets, self.rows), state["places"][[2, 1, 0]], strict=True
        ):
            own.frombytes(kept.astype("int64").tobytes())
        self.overlong = [int(number) for number in state["overlong"]]
        self.count, self.longest, self.end, self.scanned = count, longest, end, size
        self.edges = {file: self.edge(file) for file in range(min(len(self.files), OPEN_FILES))}
        self.complete = True
        return True
