"""JSON Lines files as a Table, read where they lie."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data import census, engine, jsonquery, lines, parse
from workbench.data.kept import Room, stamp
from workbench.data.lines import LineIndex
from workbench.data.table import SQL_TYPES, Advance, Broken, Column, Record

if TYPE_CHECKING:
    import duckdb
    import numpy

HEAD = 2 << 20  # bytes read before the first rows are there
HEAD_ROWS = 500  # rows by which columns are guessed before all are known
NAMED = 1000  # broken places that are named
OBJECT = 16 << 20  # DuckDB's own limit for a line
LARGE_MEMORY = "600MB"  # for DuckDB where lines are longer than that
MASKED = 1000  # broken rows that a query names; more, and a clean copy is made
MANY = 50  # files above which one does not look after each of them at every read
CHUNK = 2000  # rows copied at a time


class JsonLines:
    """Rows of one or several files: an object a line; blank lines are no rows."""

    def __init__(
        self,
        files: Sequence[Path],
        room: Room,
        known_as: tuple[Sequence[Path], bool] | None = None,
    ) -> None:
        """`known_as`: the files these are copies of, and whether line for line."""
        self.lines = LineIndex(files)
        if known_as:
            self.lines.known_as, self.lines.lines_known = list(known_as[0]), known_as[1]
        self.files, self.room = list(files), room
        self.fingerprint = room.fingerprint
        self.size = self.lines.size
        self.columns: list[Column] = []
        self.complete = False
        self.broken: list[Broken] = []
        self.broken_count = 0
        self.notes: list[str] = []
        self.unseen: list[int] = []  # broken rows that DuckDB would take for good ones
        self.clean: Path | None = None  # the copy that DuckDB reads instead
        self.numbers: numpy.ndarray[Any, Any] | None = None
        self.lock = threading.Lock()
        self.checked = 0.0  # when the files were last seen to be as they were
        self.stamps = [stamp(path) for path in self.files]
        if not self.restore():
            self.look()

    @property
    def count(self) -> int:
        return self.lines.count

    def look(self) -> None:
        """Read the beginning: the first rows, and what columns they have.

        Raises:
            SourceError: where it cannot be rows.
        """
        self.lines.scan(HEAD)
        while not self.lines.count and not self.lines.complete:
            if self.lines.scanned - self.lines.open_start > lines.LONGEST:
                raise SourceError(
                    f"{self.files[0]}: its first line is longer than 64 MB, so it is no file with "
                    "a row a line; write each row on a line of its own."
                )
            self.lines.scan(self.lines.scanned + HEAD)
        rows = self.read(0, HEAD_ROWS)
        if not rows:
            raise SourceError(f"{self.files[0]} has no rows; choose a source that has some.")
        good = [row for row in rows if isinstance(row, dict)]
        if rows and not good:
            raise SourceError(none_good(rows[0]))
        self.columns = census.of_values(good)

    def broken_numbers(self) -> "numpy.ndarray[Any, Any]":
        import numpy

        return numpy.empty(0, numpy.int64) if self.numbers is None else self.numbers

    # --- rows -----------------------------------------------------------------------------------

    def read(self, start: int, stop: int) -> list[Record]:
        return self.take(range(max(0, start), min(stop, self.count)))

    def take(self, numbers: Sequence[int]) -> list[Record]:
        wanted = sorted({int(number) for number in numbers})
        if wanted and not 0 <= wanted[0] <= wanted[-1] < self.count:
            raise IndexError(f"there is no row {wanted[-1]}: there are {self.count}")
        self.check_content()
        found = {number: parse.record(line) for number, line in self.lines.take(wanted).items()}
        return [found[int(number)] for number in numbers]

    def check_content(self, for_query: bool = False) -> bool:
        """Whether the files have grown since they were opened.

        Raises:
            SourceError: where a file was written anew, or for a query where it is gone.
        """
        now = time.monotonic()
        if not for_query and len(self.files) > MANY and now - self.checked < 1:
            return False
        self.checked = now
        grown = False
        for file, (path, before) in enumerate(zip(self.files, self.stamps, strict=True)):
            here = stamp(path)
            if here == before:
                continue
            if here is None or before is None or here[:2] != before[:2]:
                if for_query:  # rows are read from the file that was opened, wherever it is now
                    gone = "is gone" if here is None else "was replaced"
                    raise SourceError(f"{path} {gone} since it was opened; open it again.")
            elif here[2] > before[2] and self.lines.only_grew(file):
                grown = True
                self.say(f"{path.name} has grown since it was opened; open it again to see all.")
            elif here[2] < before[2]:
                raise SourceError(
                    f"{path} became shorter since it was opened; open it again to see what is left."
                )
            else:
                raise SourceError(f"{path} was changed since it was opened; open it again.")
        return grown

    def say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    # --- all of them ----------------------------------------------------------------------------

    def index(self, advance: Advance, stopped: threading.Event) -> None:
        while not self.lock.acquire(timeout=0.05):
            if stopped.is_set():
                return
        try:
            if self.complete:
                return
            # A third of the way: finding lines is faster than looking into them.
            whole = float(self.size)
            self.lines.scan(self.size, stopped, lambda: advance(self.lines.scanned * 0.25, whole))
            if stopped.is_set():
                return
            self.take_stock(lambda share: advance(whole * (0.25 + 0.75 * share), whole), stopped)
            if stopped.is_set():
                return
            advance(whole, whole)
            self.keep()
            self.complete = True
        except engine.Stopped:
            return
        finally:
            self.lock.release()

    def take_stock(self, advance: Any, stopped: threading.Event) -> None:
        """Types of all columns, and what is broken."""
        found = census.take(self, advance, stopped)
        before = {column.name for column in self.columns}
        late = [column.name for column in found.columns if column.name not in before]
        if late:
            names = ", ".join(f'"{name}"' for name in late[:5]) + ("…" if len(late) > 5 else "")
            self.say(
                f"Only later rows have {'the column' if len(late) == 1 else 'columns'} {names}."
            )
        self.unseen = [] if len(found.unseen) > MASKED else found.unseen
        if not found.agreed or len(found.unseen) > MASKED:
            self.write_clean(found.broken, stopped)
            self.unseen = []
        self.numbers = found.broken
        self.broken_count = len(found.broken)
        first = self.lines.take([int(n) for n in found.broken[:NAMED]])
        named = [parse.record(line) for line in first.values()]
        self.broken = [one for one in named if isinstance(one, Broken)]
        self.columns = found.columns

    def relation(self, connection: "duckdb.DuckDBPyConnection", names: Sequence[str]) -> str:
        types = {column.name: SQL_TYPES[column.type] for column in self.columns}
        grown = self.clean is None and self.check_content(for_query=True)
        if self.object_size() > OBJECT:
            connection.execute(f"SET threads = 1; SET memory_limit = '{LARGE_MEMORY}'")
        return jsonquery.relation(self, {name: types[name] for name in names}, grown)

    def queried(self) -> list[Path]:
        """The files that DuckDB reads."""
        return [self.clean] if self.clean else self.files

    def object_size(self) -> int:
        """Bytes of the longest line that DuckDB must be ready for."""
        longest = min(self.lines.longest, lines.LONGEST)
        return OBJECT if longest < OBJECT else longest + 1024

    def write_clean(self, numbers: "numpy.ndarray[Any, Any]", stopped: threading.Event) -> None:
        """A copy in which every broken line is a plain 0: what DuckDB sees as the index does."""
        bad = {int(number) for number in numbers}
        self.room.check_space(self.size, self.files[0].name)
        with self.room.written("clean.jsonl") as file:
            for start in range(0, self.count, CHUNK):
                if stopped.is_set():
                    raise engine.Stopped
                chunk = self.lines.take(range(start, min(start + CHUNK, self.count)))
                file.writelines(
                    b"0\n" if number in bad else line.text.rstrip(b"\r") + b"\n"
                    for number, line in chunk.items()
                )
        self.clean = self.room.folder / "clean.jsonl"

    # --- the cache ------------------------------------------------------------------------------

    def keep(self) -> None:
        assert self.numbers is not None
        self.room.keep(
            "index",
            {
                "columns": [(column.name, column.type) for column in self.columns],
                "broken": [(one.file, one.line, one.reason, one.text) for one in self.broken],
                "unseen": self.unseen,
                "clean": self.clean is not None,
                "notes": self.notes,
            },
            {**self.lines.state(), "broken": self.numbers},
        )

    def restore(self) -> bool:
        kept = self.room.kept("index")
        if kept is None or not self.lines.restore(kept[1]):
            return False
        about, arrays = kept
        self.columns = [Column(*pair) for pair in about["columns"]]
        self.broken = [Broken(*one) for one in about["broken"]]
        self.unseen, self.notes = about["unseen"], about["notes"]
        if about["clean"]:
            self.clean = self.room.folder / "clean.jsonl"
            if not self.clean.exists():
                return False
        self.numbers = arrays["broken"]
        self.broken_count = len(arrays["broken"])
        self.complete = True
        return True


def none_good(first: Record) -> str:
    assert isinstance(first, Broken)
    return (
        f"{first.file}, line {first.line}: {first.reason}; no line in the beginning of the file is "
        "a row, so it is no JSON Lines file (an object a line)."
    )
