"""Arrow files and streams as a Table, mapped into memory: nothing is read before it is needed."""

import hashlib
import threading
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data.columnar import Columnar
from workbench.data.engine import name as named
from workbench.data.kept import Room, stamp
from workbench.data.parquet import some
from workbench.data.table import ROW, Advance, Broken, Column, Record

if TYPE_CHECKING:
    import duckdb
    import numpy
    import pyarrow

IN_MEMORY = 256 << 20  # bytes of compressed Arrow that are unpacked into memory


class ArrowTable:
    """Rows of record batches. Complete from the beginning."""

    complete = True
    size = 0

    def __init__(
        self,
        table: "pyarrow.Table",
        fingerprint: str,
        broken: Sequence[Broken] = (),
        files: Sequence[Path] = (),
    ) -> None:
        self.fingerprint = fingerprint
        self.stamps = {path: stamp(path) for path in files}
        self.part = Columnar(table.schema)
        self.table = table
        self.batches = [batch for batch in table.to_batches() if len(batch)]
        self.starts: list[int] = []
        count = 0
        for batch in self.batches:
            self.starts.append(count)
            count += len(batch)
        self.count = count
        self.notes: list[str] = []
        self.broken = list(broken)
        self.broken_count = len(self.broken)

    @property
    def columns(self) -> list[Column]:
        return self.part.columns

    def broken_numbers(self) -> "numpy.ndarray[Any, Any]":
        import numpy

        return numpy.empty(0, numpy.int64)

    def index(self, advance: Advance, stopped: threading.Event) -> None:
        """Nothing is left to find."""

    def check(self) -> None:
        """
        Raises:
            SourceError: where a file became shorter: reading a map of it would end the process.
        """
        for path, before in self.stamps.items():
            here = stamp(path)
            if here and before and here[:2] == before[:2] and here[2] < before[2]:
                raise SourceError(
                    f"{path} became shorter since it was opened; open it again to see what is left."
                )

    def read(self, start: int, stop: int) -> list[Record]:
        return self.take(range(max(0, start), min(stop, self.count)))

    def take(self, numbers: Sequence[int]) -> list[Record]:
        wanted = sorted({int(number) for number in numbers})
        if wanted and not 0 <= wanted[0] <= wanted[-1] < self.count:
            raise IndexError(f"there are {self.count} rows")
        self.check()
        found: dict[int, Record] = {}
        while wanted:
            place = bisect_right(self.starts, wanted[0]) - 1
            start, batch = self.starts[place], self.batches[place]
            here = [number for number in wanted if number < start + len(batch)]
            wanted = wanted[len(here) :]
            rows = some(batch, [number - start for number in here], self.part)
            found.update(zip(here, rows, strict=True))
        return [found[int(number)] for number in numbers]

    def relation(self, connection: "duckdb.DuckDBPyConnection", names: Sequence[str]) -> str:
        import pyarrow

        self.check()
        code = hashlib.sha256(repr(names).encode("utf-8", "replace")).hexdigest()[:16]
        view = f"arrow_{id(self)}_{code}"
        sources = {name: f"c{place}" for place, name in enumerate(names)}
        columns = [unwrapped(self.table.column(name)) for name in names]
        if not columns:  # a table without a column has no rows
            columns = [unwrapped(self.table.column(0))]
        plain = list(sources.values()) or ["c0"]
        connection.register(view, pyarrow.Table.from_arrays(columns, plain))
        fields = "".join(f", {self.part.sql(name, sources[name])}" for name in names)
        return f"(SELECT row_number() OVER () - 1 AS {named(ROW)}{fields} FROM {view})"


def unwrapped(column: Any) -> Any:
    """A column as DuckDB knows it: the values of an extension type, not the type."""
    import pyarrow

    if isinstance(column.type, pyarrow.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return unwrapped(pyarrow.chunked_array(chunks, column.type.storage_type))
    if pyarrow.types.is_decimal256(column.type):  # longer than DuckDB's
        return column.cast(pyarrow.float64())
    return column


def open_arrow(files: Sequence[Path], room: Room) -> ArrowTable:
    """
    Raises:
        SourceError: where a file is no Arrow file, or holds nothing that can be read.
    """
    import pyarrow

    tables, broken = [], []
    for path in files:
        table, damage = mapped(path)
        tables.append(table)
        if damage:
            broken.append(Broken(str(path), 0, f"{damage}; the rows before it are shown", ""))
    try:
        whole = pyarrow.concat_tables(tables, promote_options="permissive")
        metadata = tables[0].schema.metadata
        made = ArrowTable(whole.replace_schema_metadata(metadata), room.fingerprint, broken, files)
    except (pyarrow.ArrowException, SourceError) as error:
        raise SourceError(f"{files[0]} cannot be read: {error}.") from error
    if not made.count:
        raise SourceError(f"{files[0]} has no rows; choose a source that has some.")
    return made


def mapped(path: Path) -> tuple["pyarrow.Table", str]:
    """A file's rows, and what is wrong with its end.

    Raises:
        SourceError: where nothing of it can be read.
    """
    import pyarrow

    before = pyarrow.total_allocated_bytes()
    batches: list[Any] = []
    damage = ""
    try:
        source = pyarrow.memory_map(str(path))
        try:
            with_footer = pyarrow.ipc.open_file(source)
            schema = with_footer.schema
            incoming = map(with_footer.get_batch, range(with_footer.num_record_batches))
        except pyarrow.ArrowInvalid:
            source.seek(0)
            if source.read(6) == b"ARROW1":  # a file whose end is missing is a stream until there
                source.seek(8)
            else:
                source.seek(0)
            stream = pyarrow.ipc.open_stream(source)
            schema, incoming = stream.schema, iter(stream)
        try:
            for batch in incoming:
                batches.append(batch)
                if pyarrow.total_allocated_bytes() - before > IN_MEMORY:
                    raise SourceError(
                        f"{path} is compressed Arrow, which can only be read into memory, and is "
                        "too large for that; save it as Parquet."
                    )
        except (pyarrow.ArrowInvalid, OSError) as error:
            damage = f"the Arrow file is cut off or damaged here ({str(error).splitlines()[0]})"
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        raise SourceError(
            f"{path} cannot be read as Arrow: {reason}; fetch or write it anew."
        ) from error
    if damage and not batches:
        raise SourceError(f"{path} cannot be read as Arrow: {damage}; fetch or write it anew.")
    return pyarrow.Table.from_batches(batches, schema), damage
