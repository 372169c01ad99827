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
BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]')
DEEPEST = 100  # levels of a row: far below what Python's own stack, msgspec and Jinja can take
DIGITS = 4000  # of a whole number
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


patient = json.JSONDecoder(
    object_pairs_hook=pairs,
    parse_constant=CONSTANTS.get,
    parse_float=number,
    parse_int=lambda text: int(text) if len(text) <= DIGITS else text,
)


def record(line: Line) -> Record:
    """A row's values, or what is wrong with its line."""
    if not line.whole:
        reason = "the line is longer than 64 MB; split it into rows"
        return broken(line, reason)
    found = values(line.text)
    return found if isinstance(found, dict) else broken(line, found)


def values(line: bytes) -> dict[str, Any] | str:
    """The row that a line is, or the reason why it is none."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return (
            f"this is not UTF-8 text (byte {error.start + 1} of the line is "
            f"{line[error.start]:#04x}); convert the file to UTF-8"
        )
    try:
        row = decoded(text.strip(" \t\n\r\x0b\x0c"))
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
    if isinstance(row, Twice):
        return f'the column "{row.key}" is there twice; rename one'
    if not isinstance(row, dict):
        shown = line.strip(BLANK)[:40].decode(errors="replace")
        return f'an object such as {{"text": …}} was expected, and this is {shown}'
    return row


def decoded(text: str) -> Any:
    """What a text of JSON says. A value nested too deeply for all that reads rows stands as its
    text, and so does a whole number of thousands of digits.

    Raises:
        JSONDecodeError: where it is no JSON.
    """
    if text.count("[") + text.count("{") > DEEPEST and depth(text) > DEEPEST:
        return shallow(text)
    try:
        return decoder.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python reads no number of more than 4,300 digits
        return patient.decode(text)


def depth(text: str) -> int:
    """How deeply brackets are nested in a text of JSON."""
    deepest = now = 0
    for found in BRACKETS.finditer(text):
        sign = found[0]
        if sign in "[{":
            now += 1
            deepest = max(deepest, now)
        elif sign in "]}":
            now -= 1
    return deepest


def shallow(text: str) -> Any:
    """A row whose values that are nested too deeply are texts; DuckDB reads any depth.

    Raises:
        JSONDecodeError: where it is no JSON.
    """
    import duckdb

    with duckdb.connect() as connection:
        try:
            [[kind]] = connection.execute("SELECT json_type(?)", [text]).fetchall()
            if kind != "OBJECT":
                return None
            parts = connection.execute(
                "SELECT key, value::VARCHAR FROM json_each(?)", [text]
            ).fetchall()
        except duckdb.Error as error:
            raise json.JSONDecodeError("nested too deeply", text, 0) from error
    return pairs([(key, one if depth(one) >= DEEPEST else decoded(one)) for key, one in parts])


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
