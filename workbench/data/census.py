"""Which columns rows of JSON have, of what type by all values, and which rows are none.

Knows JSON Lines and DuckDB; not where the files come from.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data import engine
from workbench.data.engine import text as quoted
from workbench.data.jsonquery import objects, pointer
from workbench.data.table import Column, ColumnType

if TYPE_CHECKING:
    import numpy

    from workbench.data.jsonlines import JsonLines

TEXT, INTEGER, NUMBER, BOOLEAN, LIST, OBJECT = 1, 2, 4, 8, 16, 32
NAMES: dict[int, ColumnType] = {
    0: "empty",
    TEXT: "text",
    INTEGER: "integer",
    NUMBER: "number",
    INTEGER | NUMBER: "number",
    BOOLEAN: "boolean",
    LIST: "list",
    OBJECT: "object",
}
# Of json_type. Whole numbers above 2**63 are unsigned there.
CODES = {
    "VARCHAR": TEXT,
    "UBIGINT": INTEGER,
    "BIGINT": INTEGER,
    "HUGEINT": NUMBER,
    "UHUGEINT": NUMBER,
    "DOUBLE": NUMBER,
    "BOOLEAN": BOOLEAN,
    "ARRAY": LIST,
    "OBJECT": OBJECT,
}
WIDE = 400  # columns above which rows are read one by one: DuckDB would need too much memory
MOST = 10_000  # columns
BEYOND = 2**63
CHUNK = 2000  # rows at a time
WORD = 64  # rows whose brokenness is one number
GOOD = "coalesce(starts_with(json, '{'), false)"  # a row is an object


@dataclass
class Found:
    columns: list[Column]
    broken: "numpy.ndarray[Any, Any]"  # sorted row numbers
    unseen: list[int] = field(default_factory=list)  # those of them that DuckDB takes for rows
    agreed: bool = True  # DuckDB sees the same rows


def code(value: Any) -> int:
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INTEGER if -BEYOND <= value < BEYOND else NUMBER
    if isinstance(value, float):
        return NUMBER
    if isinstance(value, list):
        return LIST
    return OBJECT if isinstance(value, dict) else 0


def type_of(bits: int) -> ColumnType:
    return NAMES.get(bits, "mixed")


def columns_of(bits: dict[str, int]) -> list[Column]:
    return [Column(name, type_of(found)) for name, found in bits.items()]


def count_in(bits: dict[str, int], row: dict[str, Any]) -> None:
    """Add a row's columns and types to those of others.

    Raises:
        SourceError: where there are more columns than anything could show.
    """
    for name, value in row.items():
        bits[name] = bits.get(name, 0) | code(value)
    if len(bits) > MOST:
        raise SourceError(
            f"The rows have more than {MOST:,} different columns; rewrite them so that what "
            "differs from row to row is a value, not a column's name."
        )


def of_values(rows: Iterable[dict[str, Any]]) -> list[Column]:
    """The columns of rows, in order of their first appearance."""
    bits: dict[str, int] = {}
    for row in rows:
        count_in(bits, row)
    return columns_of(bits)


def take(table: "JsonLines", advance: Callable[[float], None], stopped: threading.Event) -> Found:
    """Look at all rows of a table whose lines are found.

    Raises:
        Stopped: when it was given up.
    """
    import duckdb

    names = [column.name for column in table.columns]
    if not table.lines.overlong and len(names) <= WIDE:
        # Its memory, mostly: too many different sets of columns; or a name that is no UTF-8.
        with suppress(duckdb.Error, UnicodeError):
            if found := by_engine(table, names, advance, stopped):
                return found
    found = one_by_one(table, advance, stopped)
    found.agreed = not table.lines.overlong and seen(table, stopped) == table.count
    return found


def seen(table: "JsonLines", stopped: threading.Event) -> int:
    """How many rows DuckDB sees; -1: it cannot tell."""
    import duckdb

    query = f"SELECT count(*) FROM {objects(table)}"
    with suppress(duckdb.Error), engine.connect() as connection:
        return int(engine.ask(connection, query, stopped=stopped)[0][0])
    return -1


def one_by_one(
    table: "JsonLines", advance: Callable[[float], None], stopped: threading.Event
) -> Found:
    """The slow way, which needs little memory whatever the rows are."""
    import numpy

    bits: dict[str, int] = {}
    broken: list[int] = []
    for start in range(0, table.count, CHUNK):
        if stopped.is_set():
            raise engine.Stopped
        for number, record in enumerate(table.read(start, start + CHUNK), start):
            if isinstance(record, dict):
                count_in(bits, record)
            else:
                broken.append(number)
        advance(start / table.count)
    return Found(columns_of(bits), numpy.array(broken, numpy.int64), unseen=broken)


def by_engine(
    table: "JsonLines",
    names: list[str],
    advance: Callable[[float], None],
    stopped: threading.Event,
) -> Found | None:
    """One pass of DuckDB, and another for columns of which the beginning knew nothing.

    None: it does not see the same rows as the index does.
    """
    import numpy

    bits = dict.fromkeys(names, 0)
    words: dict[int, int] = {}  # of 64 rows each: which are broken
    twice: list[int] = []
    with engine.connect() as connection, progress(connection, advance):
        rows_seen, strange = one_pass(connection, table, bits, words, stopped)
        if rows_seen != table.count:
            return None
        late = [key for keys in strange for key in keys if key not in bits]
        late = list(dict.fromkeys(late))
        if len(bits) + len(late) > WIDE:
            return None
        if late:
            more = dict.fromkeys(late, 0)
            one_pass(connection, table, more, None, stopped)
            bits |= more
        if any(len(set(keys)) < len(keys) for keys in strange):
            rows = engine.ask(
                connection,
                f"SELECT n FROM (SELECT row_number() OVER () - 1 AS n, json_keys(json) AS k "
                f"FROM {objects(table)}) WHERE len(k) > len(list_distinct(k)) ORDER BY n",
                stopped=stopped,
            )
            twice = [number for (number,) in rows]
    numbers = [
        word * WORD + bit for word, mask in words.items() for bit in range(WORD) if mask >> bit & 1
    ]
    broken = numpy.unique(numpy.array([*numbers, *twice], dtype=numpy.int64))
    return Found(columns_of(bits), broken, twice)


def broken_words(
    connection: Any, table: "JsonLines", stopped: threading.Event
) -> list[tuple[Any, ...]]:
    """Which rows are broken: a word of 64 rows, and a bit for each of them that is."""
    return engine.ask(
        connection,
        "SELECT n // 64, bit_or(1::UBIGINT << (n % 64)::UBIGINT) FROM ("
        f"SELECT row_number() OVER () - 1 AS n, {GOOD} AS good FROM {objects(table)}) "
        "WHERE NOT good GROUP BY 1",
        stopped=stopped,
    )


def one_pass(
    connection: Any,
    table: "JsonLines",
    bits: dict[str, int],
    words: dict[int, int] | None,
    stopped: threading.Event,
) -> tuple[int, list[list[str]]]:
    """How many rows DuckDB sees, and the lists of keys that are not (once each) in `bits`.

    `words` takes which rows are broken, see `broken_words`; None: that is known.
    """
    names = list(bits)
    kinds = " ".join(f"WHEN '{name}' THEN {code}" for name, code in CODES.items())
    pointers = ", ".join(quoted(pointer(name)) for name in names)
    types = f"json_type(json, [{pointers}]::VARCHAR[])"
    codes = "".join(
        f", bit_or(CASE t[{place}] {kinds} ELSE 0 END)" for place in range(1, len(names) + 1)
    )
    rows = engine.ask(
        connection,
        f"SELECT good, k, count(*){codes} FROM (SELECT t, good, "
        "CASE WHEN good AND len(k) <> list_count(t) THEN k END AS k FROM ("
        f"SELECT json_keys(json) AS k, {types} AS t, {GOOD} AS good FROM {objects(table)})) "
        "GROUP BY ALL",
        stopped=stopped,
    )
    rows_seen = 0
    strange = []
    for good, keys, count, *found in rows:
        rows_seen += count
        if not good:
            # Numbering rows takes the engine one thread, so only where some are broken.
            if words is not None:
                words.update(broken_words(connection, table, stopped))
            continue
        if keys is not None:
            strange.append(keys)
        for name, code_found in zip(names, found, strict=True):
            bits[name] |= code_found or 0
    return rows_seen, strange


class progress:  # noqa: N801 - reads as a word: with progress(…)
    """Tells now and then how far a connection's query is, where DuckDB says so."""

    def __init__(self, connection: Any, advance: Callable[[float], None]) -> None:
        self.connection, self.advance = connection, advance
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, name="census", daemon=True)

    def watch(self) -> None:
        while not self.over.wait(0.1):
            with suppress(Exception):
                share = self.connection.query_progress()
                if share > 0:
                    self.advance(min(share, 100) / 100)

    def __enter__(self) -> None:
        with suppress(Exception):
            self.connection.execute("SET enable_progress_bar = true")
            self.connection.execute("SET enable_progress_bar_print = false")
        self.watcher.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.watcher.join()
