"""Parquet files as a Table, read where they lie."""

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data.columnar import Columnar
from workbench.data.engine import name as named
from workbench.data.jsonquery import listed
from workbench.data.kept import Room, stamp
from workbench.data.table import ROW, Advance, Broken, Column, Record

if TYPE_CHECKING:
    import duckdb
    import numpy
    import pyarrow.parquet

MARK = b"PAR1"  # begins and ends a file
KEPT = 2  # row groups in memory: the one that is looked at, and its neighbour
LARGE = 96 << 20  # bytes of a row group that is not read whole
BATCH = 500  # rows read at a time of such a one


class ParquetTable:
    """Rows of one or several files. Complete from the beginning: a file says what is in it."""

    complete = True
    size = 0
    broken_count = 0

    def __init__(self, files: Sequence[Path], room: Room) -> None:
        import pyarrow

        self.files = list(files)
        self.fingerprint = room.fingerprint
        self.stamps = [stamp(path) for path in self.files]
        self.readers = [opened(path) for path in self.files]
        self.notes: list[str] = []
        self.broken: list[Broken] = []
        try:
            self.parts = [Columnar(reader.schema_arrow) for reader in self.readers]
            schemas = [reader.schema_arrow for reader in self.readers]
            self.all = Columnar(pyarrow.unify_schemas(schemas, promote_options="permissive"))
        except (pyarrow.ArrowException, SourceError) as error:
            raise SourceError(f"{self.files[0]} cannot be read: {error}.") from error
        self.groups: list[tuple[int, int]] = []  # file, row group in it
        self.starts: list[int] = []  # number of each group's first row
        self.firsts: list[int] = []  # of each file's first row
        count = 0
        for file, reader in enumerate(self.readers):
            self.firsts.append(count)
            for group in range(reader.num_row_groups):
                self.groups.append((file, group))
                self.starts.append(count)
                count += reader.metadata.row_group(group).num_rows
        self.count = count
        if not count:
            raise SourceError(f"{self.files[0]} has no rows; choose a source that has some.")
        self.near: OrderedDict[int, Any] = OrderedDict()
        self.lock = threading.Lock()

    @property
    def columns(self) -> list[Column]:
        return self.all.columns

    def broken_numbers(self) -> "numpy.ndarray[Any, Any]":
        import numpy

        return numpy.empty(0, numpy.int64)

    def index(self, advance: Advance, stopped: threading.Event) -> None:
        """Nothing is left to find."""

    def read(self, start: int, stop: int) -> list[Record]:
        return self.take(range(max(0, start), min(stop, self.count)))

    def take(self, numbers: Sequence[int]) -> list[Record]:
        wanted = sorted({int(number) for number in numbers})
        if wanted and not 0 <= wanted[0] <= wanted[-1] < self.count:
            raise IndexError(f"there are {self.count} rows")
        found: dict[int, Record] = {}
        with self.lock:
            while wanted:
                group = bisect_right(self.starts, wanted[0]) - 1
                end = self.starts[group + 1] if group + 1 < len(self.starts) else self.count
                here = [number for number in wanted if number < end]
                wanted = wanted[len(here) :]
                offsets = [number - self.starts[group] for number in here]
                found.update(zip(here, self.of_group(group, offsets), strict=True))
        return [found[int(number)] for number in numbers]

    def of_group(self, group: int, offsets: list[int]) -> list[dict[str, Any]]:
        """Rows of a row group, by their sorted places in it.

        Raises:
            SourceError: where the file is damaged there, or is gone.
        """
        file, number = self.groups[group]
        reader, part = self.readers[file], self.parts[file]
        try:
            if reader.metadata.row_group(number).total_byte_size > LARGE:
                rows = self.passing(reader, number, offsets, part)
            else:
                if group not in self.near:
                    self.near[group] = reader.read_row_group(number, use_threads=False)
                    while len(self.near) > KEPT:
                        self.near.popitem(last=False)
                self.near.move_to_end(group)
                rows = some(self.near[group], offsets, part)
        except (OSError, ValueError, RuntimeError) as error:  # of Arrow, too
            reason = " ".join(str(error).split()).rstrip(".")[:200]
            raise SourceError(
                f"{self.files[file]} cannot be read: {reason}; fetch or write it anew."
            ) from error
        names = [column.name for column in self.columns]
        return [{name: row.get(name) for name in names} for row in rows]

    def passing(
        self, reader: Any, group: int, offsets: list[int], part: Columnar
    ) -> list[dict[str, Any]]:
        """Rows of a group too large for memory: all before them are read and forgotten."""
        rows: list[dict[str, Any]] = []
        start = 0
        for batch in reader.iter_batches(BATCH, row_groups=[group], use_threads=False):
            here = [one - start for one in offsets if start <= one < start + len(batch)]
            rows += some(batch, here, part)
            start += len(batch)
            if start > offsets[-1]:
                break
        return rows

    def relation(
        self,
        connection: "duckdb.DuckDBPyConnection",  # noqa: ARG002 - other tables register theirs
        names: Sequence[str],
    ) -> str:
        parts = []
        for file, path in enumerate(self.files):
            if stamp(path) != self.stamps[file]:
                raise SourceError(f"{path} was changed or is gone; open it again.")
            part = self.parts[file]
            # By their places: DuckDB's names know no case and are never empty, the file's may be.
            places = {name: f"c{place}" for place, name in enumerate(part.types)}
            fields = "".join(
                f", {part.sql(name, places[name]) if name in places else self.all.absent(name)}"
                for name in names
            )
            own = f"rows({', '.join(places.values())})" if places else "rows"
            number, option = "file_row_number", ", file_row_number=true"
            if any(name.lower() == number for name in places):
                number, option = "row_number() OVER () - 1", ""
            parts.append(
                f"SELECT {number} + {self.firsts[file]} AS {named(ROW)}{fields} "
                f"FROM read_parquet({listed([path])}, hive_partitioning=false{option}) AS {own}"
            )
        return "(" + " UNION ALL ".join(parts) + ")"


def some(table: Any, offsets: list[int], part: Columnar) -> list[dict[str, Any]]:
    """Rows of a table by their sorted places; neighbours are cut out together."""
    rows: list[dict[str, Any]] = []
    begin = 0
    for place in range(1, len(offsets) + 1):
        if place == len(offsets) or offsets[place] != offsets[place - 1] + 1:
            rows += part.rows(table.slice(offsets[begin], place - begin))
            begin = place
    return rows


def opened(path: Path) -> "pyarrow.parquet.ParquetFile":
    """
    Raises:
        SourceError: where it is no Parquet file, or was cut off.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        # Not mapped into memory: reading a map of a file that became shorter ends the process.
        return parquet.ParquetFile(path, memory_map=False)
    except pyarrow.ArrowException as error:
        with path.open("rb") as file:
            known = file.read(4) == MARK
            file.seek(-min(len(MARK), file.seek(0, os.SEEK_END)), os.SEEK_END)
            whole = file.read() == MARK
        if not known:
            reason = "it is no Parquet file; give it the ending of its format"
        elif whole:
            words = " ".join(str(error).split()).rstrip(".")[:200]
            reason = f"what it says of its columns is damaged ({words}); fetch or write it anew"
        else:
            reason = (
                "it is cut off: its end, which says where the rows are, is missing; fetch or "
                "write it anew"
            )
        raise SourceError(f"{path} cannot be read as Parquet: {reason}.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error
