"""A line of JSON as a row, or why it is none.

Takes for a row exactly what DuckDB's reader takes for one, so that a row that is shown is a row
that a query finds, and the other way round.
"""

import json
import math
import re
from typing import Any

from workbench.data.lines import BLANK, Line
from workbench.data.table import Broken, Record

SHOWN = 200  # bytes of a broken line that are kept
CONSTANTS = {"NaN": None, "Infinity": "inf", "-Infinity": "-inf"}
SPARE_COMMA = re.compile(r",\s*[}\]]")
SURROGATE = (b"\\ud", b"\\uD")


class Twice(dict[str, Any]):
    """An object one of whose keys is there twice."""

    key = ""


def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(items)
    if len(row) == len(items):
        return row
    twice = Twice(row)
    names = [name for name, _ in items]
    twice.key = next(name for name in names if names.count(name) > 1)
    return twice


def number(text: str) -> float | str:
    """JSON has no word for what is beyond a float's reach; it is shown as text."""
    value = float(text)
    return value if math.isfinite(value) else str(value)


decoder = json.JSONDecoder(
    object_pairs_hook=pairs, parse_constant=CONSTANTS.get, parse_float=number
)


def record(line: Line) -> Record:
    """A row's values, or what is wrong with its line."""
    if not line.whole:
        reason = "the line is longer than 64 MB; split it into rows"
        return broken(line, reason)
    found = values(line.text)
    return found if isinstance(found, dict) else broken(line, found)


def values(line: bytes) -> dict[str, Any] | str:  # noqa: PLR0911 - a reason each
    """The row that a line is, or the reason why it is none."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return (
            f"this is not UTF-8 text (byte {error.start + 1} of the line is "
            f"{line[error.start]:#04x}); convert the file to UTF-8"
        )
    try:
        row = decoder.decode(text.strip(" \t\n\r\x0b\x0c"))
        if SURROGATE[0] in line or SURROGATE[1] in line:
            json.dumps(row, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        lead = len(text) - len(text.lstrip(" \t\n\r\x0b\x0c"))
        lenient = forgiven(text) if SPARE_COMMA.search(text) else None
        if lenient is None:
            return f"this is not JSON ({error.msg}, at column {error.colno + lead})"
        row = lenient
    except UnicodeEncodeError:
        return "this is not JSON (half of a surrogate pair)"
    except RecursionError:
        return "this is nested too deeply to be read"
    if isinstance(row, Twice):
        return f'the column "{row.key}" is there twice; rename one'
    if not isinstance(row, dict):
        shown = line.strip(BLANK)[:40].decode(errors="replace")
        return f'an object such as {{"text": …}} was expected, and this is {shown}'
    return row


def forgiven(text: str) -> Any:
    """What DuckDB makes of a line that is nearly JSON (a comma too many); None: it does not."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            [[clean]] = connection.execute("SELECT json(?)", [text]).fetchall()
            return decoder.decode(clean)
        except (duckdb.Error, ValueError):
            return None


def broken(line: Line, reason: str) -> Broken:
    text = line.text[:SHOWN].decode(errors="replace")
    return Broken(str(line.file), line.number, reason, text)
