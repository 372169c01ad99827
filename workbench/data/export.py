"""Writing rows to a file: JSON Lines, the same compressed, or Parquet.

The file is written beside its place and renamed into it, so that it is whole or not there. Knows
rows and files; not where the rows come from.
"""

import errno
import gzip
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from workbench.catalogue import Report, SourceError
from workbench.data.engine import Stopped

if TYPE_CHECKING:
    import pyarrow

ENDINGS = (".jsonl", ".jsonl.gz", ".parquet")
BLOCK_ROWS = 10_000  # rows of a group of a Parquet file
BLOCK_BYTES = 16 << 20  # of text, about, after which a group is written
TOLD = 500  # rows between two reports
BIG = 1 << 63
Row = dict[str, Any]
Kind = Literal["boolean", "integer", "number", "text", "json"]


def export(
    rows: Iterable[Row],
    path: Path,
    *,
    overwrite: bool,
    total: int,
    stopped: threading.Event,
    report: Report,
) -> tuple[int, int]:
    """Write the rows to `path`; the ending of its name says how. Returns rows and bytes written.

    Args:
        overwrite: whether a file that is there may be replaced.
        total: rows that are expected, for the progress.

    Raises:
        SourceError: one sentence: what is there already, cannot be written, or has no room.
        Stopped: once `stopped` is set; nothing is written then.
    """
    ending = next((one for one in sorted(ENDINGS, key=len) if path.name.lower().endswith(one)), "")
    if not ending or path.name.lower() in ENDINGS:
        raise SourceError(f"{path} says no format: end its name in {', '.join(ENDINGS)}.")
    if path.is_dir():
        raise SourceError(f"{path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise SourceError(f"There is no folder {path.parent}; make it, or choose another place.")
    if path.exists() and not overwrite:
        raise SourceError(f"{path} is there already; choose another name, or say to replace it.")
    counted = Counted(rows, total, stopped, report)
    with replacing(path, overwrite) as file:
        if ending == ".parquet":
            write_parquet(counted, file)
        elif ending == ".jsonl.gz":
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                write_lines(counted, packed)
        else:
            write_lines(counted, file)
        report("saving", counted.count, total, "rows")
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    return counted.count, size


class Counted:
    """Rows on their way, counted, until it is given up."""

    def __init__(
        self, rows: Iterable[Row], total: int, stopped: threading.Event, report: Report
    ) -> None:
        self.rows, self.total, self.stopped, self.report = rows, total, stopped, report
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            if self.stopped.is_set():
                raise Stopped
            yield row
            self.count += 1
            if self.count % TOLD == 0:
                self.report("writing rows", self.count, self.total, "rows")


@contextmanager
def replacing(path: Path, overwrite: bool) -> Iterator[IO[bytes]]:
    """A file that is renamed to `path` at the end; where anything fails nothing is left of it."""
    temporary = ""
    try:
        target = path.resolve()  # a link stays a link
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~current_umask()
        os.chmod(temporary, mode)
        place(temporary, target, overwrite)
    except BaseException as error:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError) and not isinstance(error, SourceError):
            raise SourceError(in_words(path, error)) from error
        raise


def place(temporary: str, target: Path, overwrite: bool) -> None:
    """Give the file its name; one that came meanwhile is not replaced unless it may be."""
    if not overwrite:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:  # there are no links on this file system
            if target.exists():
                raise FileExistsError(errno.EEXIST, "", str(target)) from None
        else:
            os.unlink(temporary)
            return
    os.replace(temporary, target)


def current_umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def in_words(path: Path, error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return f"{path} came to be meanwhile; choose another name, or say to replace it."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"There is no room for {path}; make some, or choose another place."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"{path.parent} may not be written to; choose another place."
    return f"{path} cannot be written: {error.strerror or error}; choose another place."


# --- JSON Lines ----------------------------------------------------------------------------------


class Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...


def write_lines(rows: Iterable[Row], file: Writable) -> None:
    for row in rows:
        text = json.dumps(row, ensure_ascii=False, default=str)
        # Half of a surrogate pair is no UTF-8: as an escape it stays what it was.
        file.write(text.encode("utf-8", "backslashreplace") + b"\n")


# --- Parquet -------------------------------------------------------------------------------------


def write_parquet(rows: Iterable[Row], file: IO[bytes]) -> None:
    """Columns of texts, numbers and truth values as they are; what is nested or of several types as
    JSON text.

    The types must be known before the first group is written, and the last row may change them: so
    rows go to a file of lines first.
    """
    import pyarrow
    from pyarrow import parquet

    with tempfile.TemporaryFile(dir=os.path.dirname(file.name) or None) as lines:
        kinds: dict[str, Kind] = {}
        for row in rows:
            for name, value in row.items():
                kinds[name] = joined(kinds.get(name), kind_of(value))
            write_lines([row], lines)
        lines.seek(0)
        known = {name: kind or "text" for name, kind in kinds.items()}
        schema = pyarrow.schema([(name, arrow_type(kind)) for name, kind in known.items()])
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for block in blocks(lines):
                columns = [
                    pyarrow.array([stored(row.get(name), kind) for row in block], arrow_type(kind))
                    for name, kind in known.items()
                ]
                writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))


def kind_of(value: Any) -> Kind | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -BIG <= value < BIG else "json"
    if isinstance(value, float):
        return "number"
    return "json" if isinstance(value, dict | list | tuple) else "text"


def joined(one: Kind | None, other: Kind | None) -> Any:
    """The kind that holds values of both."""
    if one is None or other is None or one == other:
        return one or other
    return "number" if {one, other} == {"integer", "number"} else "json"


def arrow_type(kind: Kind) -> "pyarrow.DataType":
    import pyarrow

    return {
        "boolean": pyarrow.bool_(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "text": pyarrow.large_string(),
        "json": pyarrow.large_string(),
    }[kind]


def stored(value: Any, kind: Kind) -> Any:
    if value is None or kind in ("boolean", "integer", "number"):
        return float(value) if kind == "number" and value is not None else value
    if kind == "json":
        return plain_text(json.dumps(value, ensure_ascii=False, default=str))
    return plain_text(value if isinstance(value, str) else str(value))


def plain_text(text: str) -> str:
    """Without halves of surrogate pairs, which Parquet's UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def blocks(lines: IO[bytes]) -> Iterator[list[Row]]:
    block: list[Row] = []
    size = 0
    for line in lines:
        block.append(json.loads(line))
        size += len(line)
        if len(block) >= BLOCK_ROWS or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
