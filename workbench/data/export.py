"""Rows written to a file of the person's: JSON Lines, packed or not, or Parquet.

The file is there whole or not at all. Knows nothing of where the rows come from.
"""

import contextlib
import gzip
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from workbench.catalogue import Report, SourceError
from workbench.data.arrow_types import Kind
from workbench.data.engine import Stopped

SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".parquet")
EVERY = 500  # rows between two looks at whether it was given up
BLOCK = 5_000  # rows of a Parquet file that are held at once


def export(
    rows: Iterable[dict[str, Any]],
    path: Path,
    *,
    overwrite: bool,
    total: int,
    stopped: threading.Event,
    report: Report,
) -> tuple[int, int]:
    """Write the rows; returns how many there were, and the bytes of the file.

    Raises:
        SourceError: when the name, the folder or the disk does not allow it; what was there stays.
        Stopped: when it was given up; what was there stays.
    """
    suffix = next((one for one in SUFFIXES if path.name.lower().endswith(one)), "")
    if not suffix:
        raise SourceError(
            f"{path.name} has no known format; end the name with one of {', '.join(SUFFIXES)}."
        )
    target = target_of(path, overwrite)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        if suffix == ".parquet":
            written = write_parquet(followed(rows, total, stopped, report), temporary, stopped)
        else:
            with opened(temporary, suffix) as file:
                written = write_lines(followed(rows, total, stopped, report), file)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        os.replace(temporary, target)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be written: {error.strerror or error}. Nothing was changed; make room "
            "or choose another place, then export again."
        ) from error
    finally:
        for one in (temporary, lines_beside(temporary)):
            with contextlib.suppress(OSError):
                one.unlink(missing_ok=True)
    return written, size


def target_of(path: Path, overwrite: bool) -> Path:
    """The file that is written; a link to it stays a link.

    Raises:
        SourceError: where no file can be there.
    """
    try:
        if path.is_dir():
            raise SourceError(f"{path} is a folder; name a file in it.")
        if path.exists() and not overwrite:
            raise SourceError(f"{path} is there already; choose another name, or overwrite it.")
        if not path.parent.is_dir():
            raise SourceError(f"There is no folder {path.parent}; make it, or choose another.")
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, links in a ring
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{path} cannot be the name of a file: {reason}.") from error


def followed(
    rows: Iterable[dict[str, Any]], total: int, stopped: threading.Event, report: Report
) -> Iterator[dict[str, Any]]:
    """The rows, with progress told, until it is given up."""
    for done, row in enumerate(rows):
        if done % EVERY == 0:
            if stopped.is_set():
                raise Stopped
            report("exporting", done, total, "rows")
        yield row


@contextlib.contextmanager
def opened(path: Path, suffix: str) -> Iterator[IO[bytes]]:
    with path.open("xb") as file:
        if suffix != ".jsonl.gz":
            yield file
            return
        # The same rows give the same file: no name and no time in it.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            yield cast("IO[bytes]", packed)


def write_lines(rows: Iterable[dict[str, Any]], file: IO[bytes]) -> int:
    """A row a line. Half of a surrogate pair, which UTF-8 cannot hold, is written as an escape."""
    count = 0
    for row in rows:
        line = json.dumps(row, ensure_ascii=False)
        try:
            file.write(line.encode() + b"\n")
        except UnicodeEncodeError:
            file.write(json.dumps(row).encode() + b"\n")
        count += 1
    return count


def lines_beside(path: Path) -> Path:
    return path.with_name(path.name + ".lines")


def write_parquet(rows: Iterable[dict[str, Any]], path: Path, stopped: threading.Event) -> int:
    """In two passes, because only the last row tells what all columns are."""
    import pyarrow
    import pyarrow.parquet

    kinds: dict[str, Kind] = {}

    def seen() -> Iterator[dict[str, Any]]:
        for row in rows:
            for name, value in row.items():
                kinds.setdefault(name, Kind()).see(value)
            yield row

    beside = lines_beside(path)
    with beside.open("xb") as file:
        count = write_lines(seen(), file)
    schema = pyarrow.schema([(name, kind.arrow()) for name, kind in kinds.items()])
    with (
        beside.open("rb") as lines,
        path.open("xb") as sink,
        pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd") as writer,
    ):
        for block in blocks(lines, BLOCK):
            if stopped.is_set():
                raise Stopped
            writer.write_table(
                pyarrow.table(
                    [
                        pyarrow.array(
                            [whole(kind.fit(row.get(name))) for row in block],
                            schema.field(name).type,
                        )
                        for name, kind in kinds.items()
                    ],
                    schema=schema,
                )
            )
    return count


def whole(value: Any) -> Any:
    """A text that UTF-8 can hold, also deep inside."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, dict):
        return {key: whole(one) for key, one in value.items()}
    return value


def blocks(lines: Iterable[bytes], size: int) -> Iterator[list[dict[str, Any]]]:
    block: list[dict[str, Any]] = []
    for line in lines:
        block.append(json.loads(line))
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
