"""What is wrong with a data file, by name: the line, the column, and what was expected.

Knows the text formats well enough to find a fault that a reader only reports vaguely.
"""

import codecs
import csv
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError

if TYPE_CHECKING:
    import datasets

DISK_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
)
FIELD_LIMIT = 1 << 30  # characters of a CSV cell


def check(path: Path) -> None:
    """What can be said of a file before it is read: there, known, not empty, CSV rows whole.

    Raises:
        SourceError: naming what is wrong.
    """
    from workbench.data.files import BUILDERS, known

    suffix = path.suffix.lower()
    if suffix not in BUILDERS:
        raise SourceError(f"{path} has a format that is not known; {known()}")
    try:
        if not path.stat().st_size:
            raise SourceError(f"{path} is empty: it has no rows; choose a file that has some.")
        with path.open("rb"):
            pass
        if BUILDERS[suffix] in ("json", "text"):
            check_text(path)
        elif BUILDERS[suffix] == "csv":
            check_table(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


def check_text(path: Path) -> None:
    """Check that a file is UTF-8 all through; the JSON reader would let through what is not.

    Raises:
        SourceError: naming the first line that is not.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        for _ in lines(path):  # raises at that line
            pass


def explain(path: Path) -> None:
    """Look for the fault in a file that could not be read.

    Raises:
        SourceError: naming the line; returns when nothing is found.
    """
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        for _ in objects(path):
            pass


def unreadable(source: Path | str, error: BaseException) -> SourceError:
    """One sentence from what a reader raised."""
    while error.__cause__ is not None:
        error = error.__cause__
    if "corresponds to no data" in str(error):
        return SourceError(f"{source} has no rows; choose a source that has some.")
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return SourceError(f"{source} cannot be read as data: {text[:300]}.")


def disk_trouble(error: BaseException | None) -> str:
    """What the disk refused, if that is where an error comes from; else empty."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            return os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return ""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its number, from 1; only a line feed ends one.

    Raises:
        SourceError: at the first line that is not UTF-8.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{path}, line {number}: this is not UTF-8 text (byte {error.start + 1} of "
                    f"the line is {line[error.start]:#04x}); convert the file to UTF-8."
                ) from None


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON file: an object a line, one list, or one object.

    Raises:
        SourceError: at the first line that is broken, with its number.
    """
    first = next((line for _, line in lines(path) if line.strip()), "")
    if first.lstrip().startswith("[") or (path.suffix.lower() == ".json" and not is_json(first)):
        text = "\n".join(line for _, line in lines(path))
        try:
            whole = json.loads(text)
        except json.JSONDecodeError as error:
            raise SourceError(
                f"{path}, line {error.lineno}: this is not JSON ({error.msg}, at column "
                f"{error.colno}); correct it."
            ) from None
        yield from (one for one in (whole if isinstance(whole, list) else [whole]))
        return
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=pairs)
        except json.JSONDecodeError as error:
            raise SourceError(
                f"{path}, line {number}: this is not JSON ({error.msg}, at column {error.colno}); "
                "correct the line or take it out."
            ) from None
        except KeyError as error:
            raise SourceError(
                f'{path}, line {number}: the column "{error.args[0]}" is there twice; rename one.'
            ) from None
        if not isinstance(row, dict):
            raise SourceError(
                f'{path}, line {number}: an object such as {{"text": …}} was expected, and this '
                f"is {json.dumps(row)[:40]}."
            )
        yield row


def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are each there once."""
    row = dict(items)
    if len(row) < len(items):
        names = [name for name, _ in items]
        raise KeyError(next(name for name in names if names.count(name) > 1))
    return row


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def separator(path: Path) -> str:
    """What stands between the cells of a table: a tab, a comma, or a semicolon."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for _, line in lines(path)), "")
    return ";" if ";" in first and "," not in first else ","


def header(path: Path) -> list[str]:
    """The names of a table's columns."""
    return next(csv.reader((line for _, line in lines(path)), delimiter=separator(path)), [])


def check_table(path: Path) -> None:
    """Check that the rows of a CSV or TSV file are as wide as its header.

    Raises:
        SourceError: naming the line of the first that is not, or a column that is there twice.
    """
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader((line + "\n" for _, line in lines(path)), delimiter=separator(path))
    names: list[str] = []
    begin = 1
    try:
        for row in reader:
            if row and not names:
                names = row
                if twice := [name for name in names if names.count(name) > 1]:
                    raise SourceError(
                        f'{path}: the column "{twice[0]}" is there twice; rename one of them.'
                    )
            elif row and len(row) != len(names):
                raise SourceError(
                    f"{path}, line {begin}: {len(row)} cells, and the header has {len(names)}; "
                    "correct the row (put a text that holds the separator in double quotes)."
                )
            begin = reader.line_num + 1
    except csv.Error as error:
        raise SourceError(f"{path}, line {begin}: {error}; correct it.") from None


def restore_texts(table: "datasets.Dataset", files: list[Path]) -> "datasets.Dataset":
    """Give back as text what the JSON reader took for a time: JSON has texts, not times."""
    import datasets
    import pyarrow

    taken = [
        name
        for name, feature in table.features.items()
        if isinstance(feature, datasets.Value) and feature.dtype.startswith(("timestamp", "date"))
    ]
    if not taken:
        return table
    rows = [row for path in files for row in objects(path)]
    data = table.data.table
    for name in taken:
        texts = [row.get(name) for row in rows]
        data = data.set_column(
            data.column_names.index(name), name, pyarrow.array(texts, pyarrow.string())
        )
    return datasets.Dataset(data.replace_schema_metadata(None))
