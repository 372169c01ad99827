"""A Table of files that cannot be read where they lie: converted once into JSON Lines, in the
cache, while the first rows are there at once.

Knows when to convert and where to; not the formats (`readers`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from workbench.catalogue import SourceError
from workbench.data import census, parse
from workbench.data.books import Running
from workbench.data.engine import Stopped
from workbench.data.growing import Growing
from workbench.data.jsonlines import HEAD, HEAD_ROWS, NAMED, JsonLines
from workbench.data.kept import Room
from workbench.data.lines import BLANK, Line
from workbench.data.readers import BookReader, Reader, TextReader, Widened
from workbench.data.streams import Stream
from workbench.data.table import Advance, Broken, Table

GROWTH = 1.6  # bytes of JSON Lines for a byte of another text, about
UNPACKED_GROWTH = 8  # for a byte of a packed one
LOOKED_AT = 1000  # rows between two looks at whether to stop


class Converted(Growing):
    """Rows of files of one format."""

    def __init__(self, files: Sequence[Path], room: Room, make: Callable[[], Reader]) -> None:
        size = sum(path.stat().st_size for path in files)
        super().__init__(files[0].name, room.fingerprint, size)
        self.files, self.room, self.reader = list(files), room, make
        self.going_on: tuple[str, str] | None = None  # joiner and words of a running text
        kept = room.kept("conversion")
        if kept and "going_on" in kept[0]:  # else of an earlier version
            self.inner = self.adopt(kept[0])
        if self.inner is None:
            self.look()

    @property
    def running(self) -> Running | None:
        """How rows that are one text go on from one to the next; None where each is its own."""
        if not self.going_on:
            return None
        starts: tuple[int, ...] = (0,)
        if isinstance(self.inner, JsonLines) and self.inner.complete:
            lines = self.inner.lines
            starts = tuple(lines.first_row(number) for number in range(len(lines.files)))
        return Running(self.going_on[0], self.going_on[1], starts)

    # --- the beginning --------------------------------------------------------------------------

    def look(self) -> None:
        """Read the first rows.

        Raises:
            SourceError: where it cannot be rows.
        """
        reader = self.reader()
        stream = Stream(self.files[0])
        size = 0
        lines: list[bytes] = []
        for number, row in enumerate(reader.rows(stream), 1):
            if isinstance(row, Broken):
                self.found.append(row)
                continue
            size += len(row)
            if reader.keeps_lines:
                if row.strip(BLANK):
                    line = row.removesuffix(b"\r")
                    self.head.append(parse.record(Line(self.files[0], number, line)))
            else:
                lines.append(row)
            if size > HEAD or len(lines) + len(self.head) >= HEAD_ROWS:
                break
        self.head += [
            parse.record(Line(self.files[0], 0, line)) for line in self.retyped(reader, lines)
        ]
        self.own_notes = list(reader.notes) + stream.notes
        self.going_on = going_on(reader)
        good = [row for row in self.head if isinstance(row, dict)]
        if not good:
            broken = [row for row in self.head if isinstance(row, Broken)] + self.found
            raise SourceError(self.nothing(stream, broken))
        self.found_count = len(self.found)
        self.head_columns = census.of_values(good)

    def retyped(self, reader: Reader, lines: list[bytes]) -> list[bytes]:
        """The first rows again, once it is known from all of them what the columns are."""
        kinds = getattr(reader, "kinds", None)
        if kinds is None or not lines:
            return lines
        again = self.reader()
        again.kinds = kinds  # type: ignore[attr-defined]
        fresh: list[bytes] = []
        for row in again.rows(Stream(self.files[0])):
            if isinstance(row, bytes):
                fresh.append(row)
                if len(fresh) == len(lines):
                    break
        return fresh

    def nothing(self, stream: Stream, broken: list[Broken]) -> str:
        path = self.files[0]
        if broken:
            return f"{broken[0].words}; no row could be read."
        if stream.damage:
            return f"{path}: {stream.damage}, and no row comes before; fetch or write it anew."
        return f"{path} has no rows; choose a source that has some."

    # --- all of it ------------------------------------------------------------------------------

    def make(self, advance: Advance, stopped: threading.Event) -> Table:
        about = self.convert(lambda done: advance(done, self.size), stopped)
        if found := self.adopt(about):
            return found
        raise SourceError(f"What was made of {self.name} is gone; open it again.")

    def adopt(self, about: dict[str, Any]) -> JsonLines | None:
        """What was converted, unless it is no longer there."""
        paths = [self.room.folder / name for name in about["files"]]
        if not all(path.exists() for path in paths):
            return None
        inner = JsonLines(paths, self.room, known_as=(self.files, about["keeps_lines"]))
        self.found = [Broken(*one) for one in about["broken"]]
        self.found_count = about["broken_count"]
        self.own_notes = about["notes"]
        self.going_on = tuple(about["going_on"]) if about.get("going_on") else None
        return inner

    def convert(self, advance: Callable[[float], None], stopped: threading.Event) -> dict[str, Any]:
        """Write all rows into the cache; what is there afterwards.

        Raises:
            Stopped: when it was given up; nothing is left of it.
            SourceError: when the disk has no room or the source is gone.
        """
        packed = any(Stream(path).packing for path in self.files)
        needed = self.size * (UNPACKED_GROWTH if packed else GROWTH)
        self.room.check_space(needed, self.files[0].name)
        reader = self.reader()
        if hasattr(reader, "strict"):
            reader.strict = True
        try:
            return self.write(reader, advance, stopped)
        except Widened:  # what its columns are is known now, from all rows
            reader.notes.clear()
            return self.write(reader, advance, stopped)

    def write(
        self, reader: Reader, advance: Callable[[float], None], stopped: threading.Event
    ) -> dict[str, Any]:
        found: list[Broken] = []
        names, notes, count, done, widened = [], list[str](), 0, 0, False
        for number, path in enumerate(self.files):
            names.append(f"rows-{number}.jsonl")
            stream = Stream(path)

            def told(at: float, before: int = done) -> None:
                advance(before + at)

            try:
                with self.room.written(names[-1]) as file:
                    for broken in self.lines(reader, stream, file, told, stopped):
                        count += 1
                        if len(found) < NAMED:
                            found.append(broken)
            except Widened:
                widened = True
            done += stream.position
            notes += stream.notes
        if widened:
            raise Widened
        about = {
            "files": names,
            "keeps_lines": reader.keeps_lines,
            "broken": [(one.file, one.line, one.reason, one.text) for one in found],
            "broken_count": count,
            "notes": list(dict.fromkeys(notes + reader.notes)),
            "going_on": going_on(reader),
        }
        self.room.keep("conversion", about, {})
        return about

    def lines(
        self,
        reader: Reader,
        stream: Stream,
        file: Any,
        advance: Callable[[float], None],
        stopped: threading.Event,
    ) -> Iterator[Broken]:
        """Write a file's rows; what is broken comes out."""
        line = 0
        for line, row in enumerate(reader.rows(stream), 1):
            if isinstance(row, Broken):
                yield row
            else:
                file.write(row)
                file.write(b"\n")
            if line % LOOKED_AT == 0:
                if stopped.is_set():
                    raise Stopped
                advance(stream.position)
        if stopped.is_set():
            raise Stopped
        if stream.damage:
            place = line if reader.keeps_lines else 0
            yield Broken(
                str(stream.path), place, f"{stream.damage}; what comes before is shown", ""
            )


def going_on(reader: Reader) -> tuple[str, str] | None:
    """Of a reader of running text: what stands between rows, and how they come about."""
    if isinstance(reader, TextReader | BookReader):
        return reader.joiner, reader.words
    return None
