"""Looking at all rows of a table: the values of SQL expressions, in order, a batch at a time.

The batches come while DuckDB reads on, on all cores. None of them asks for `ROW`: the number of a
row is its place, and numbering rows in SQL would bind the whole query to one core.
"""

import difflib
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data import engine
from workbench.data.syntax import QueryError
from workbench.data.table import ROW, SQL_TYPES, Column, Table

if TYPE_CHECKING:
    import duckdb
    import numpy
    import pyarrow

    Array = numpy.ndarray[Any, Any]

BATCH = 100_000  # rows; the most that one batch has
AT_ONCE = 1_000_000  # rows turned into numbers at a time
# For rows of thousands of columns, or of megabytes each.
GENEROUS = "SET threads = 1; SET memory_limit = '1GB'"
WIDE = 500  # columns above which DuckDB would think about a query for minutes
PLAIN = "SET disabled_optimizers = 'expression_rewriter,common_subexpressions'"
LOOK_SECONDS = 0.2  # between two looks at how far a query is


def scan(
    table: Table, columns: Iterable[str], expressions: Sequence[str], stopped: threading.Event
) -> "Iterator[tuple[int, pyarrow.RecordBatch]]":
    """The number of the first row of each batch, and its values of the SQL `expressions`.

    `columns` are those that the expressions name.

    Raises:
        Stopped, SourceError, QueryError: as `reading`.
    """
    names = list(columns)
    stop = 0
    try:
        for start, batch in attempt(table, names, expressions, stopped, ""):
            yield start, batch
            stop = start + batch.num_rows
    except OutOfMemoryError:
        # DuckDB parses 2,048 rows of JSON at a time, however long they are.
        given = stop
        for start, batch in attempt(table, names, expressions, stopped, GENEROUS):
            stop = start + batch.num_rows
            if stop > given:
                more = max(start, given)
                yield more, batch.slice(more - start)
    if table.complete and stop != table.count:
        raise SourceError(
            f"The source was changed while it was read: it had {table.count:,} rows and has "
            f"{stop:,} now; open it again."
        )


def attempt(
    table: Table,
    columns: Sequence[str],
    expressions: Sequence[str],
    stopped: threading.Event,
    settings: str,
) -> "Iterator[tuple[int, pyarrow.RecordBatch]]":
    """As `scan`, with other settings of DuckDB."""
    connection = engine.connect()
    start = 0
    try:
        with reading(connection, stopped):
            connection.execute(settings)
            if len(columns) > WIDE:
                connection.execute(PLAIN)
            source = relation(table, connection, columns)
            rows = connection.sql(f"SELECT {', '.join(expressions)} FROM {source}")
            for batch in rows.to_arrow_reader(BATCH):
                if stopped.is_set():
                    raise engine.Stopped
                yield start, batch
                start += batch.num_rows
    finally:
        connection.close()


@contextmanager
def reading(connection: "duckdb.DuckDBPyConnection", stopped: threading.Event) -> Iterator[None]:
    """Within it, what goes wrong in a query is one sentence, and the query can be given up.

    Raises:
        Stopped: once `stopped` is set.
        SourceError: where the source cannot be read to its end, or memory is short.
        QueryError: where a value cannot be computed.
    """
    import duckdb
    import pyarrow

    try:
        with engine.giving_up(connection, stopped):
            yield
    except (duckdb.Error, pyarrow.ArrowException, OSError) as error:
        # What comes out of a stream of batches is an error of Arrow's, or an OSError without a
        # number, with DuckDB's words.
        reason = first_line(error)
        if "Out of Memory" in reason:
            raise OutOfMemoryError(
                "There is too little memory or room on the disk for this; narrow it by a filter."
            ) from error
        if isinstance(error, duckdb.IOException) or reason.startswith("IO Error"):
            raise SourceError(
                f"The source cannot be read any more ({reason}); open it again."
            ) from error
        if "string encoding" in reason or "string offsets" in reason:
            raise SourceError(
                f"The source holds texts that are damaged ({reason}), so it can be looked at row "
                "by row only; fetch or write it anew."
            ) from error
        raise QueryError(f"This cannot be computed: {reason}.") from error


class OutOfMemoryError(SourceError):
    """A query needed more than it may have."""


@contextmanager
def telling(
    connection: "duckdb.DuckDBPyConnection", advance: Callable[[float], None]
) -> Iterator[None]:
    """Within it, `advance` is called with the share (0 … 1) that a query has come to."""
    over = threading.Event()
    connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            share = connection.query_progress()
            if 0 <= share <= 100:
                advance(share / 100)

    watcher = threading.Thread(target=watch, name="telling", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def relation(table: Table, connection: "duckdb.DuckDBPyConnection", columns: Iterable[str]) -> str:
    """What may stand after FROM: the rows, with `ROW` and the columns by their `reference`."""
    names = list(dict.fromkeys(columns))
    aliases = ", ".join([engine.name(ROW), *map(reference, names)])
    return f"{table.relation(connection, names)} AS source({aliases})"


def reference(column: str) -> str:
    """A column's name in SQL, where names that differ in case only would be the same, none may be
    empty, and `ROW` is taken."""
    if column == column.lower() and column not in ("", ROW):
        return engine.name(column)
    code = hashlib.md5(column.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return engine.name(f"{column}⟨{code[:8]}⟩")


def numbers(array: "pyarrow.Array") -> "Array":
    """A column of a batch as numpy, what is NULL as 0 or false."""
    if array.null_count:
        array = array.fill_null(False if str(array.type) == "bool" else 0)
    found: Array = array.to_numpy(zero_copy_only=False)
    return found


def small_integers(count: int) -> str:
    """The numpy type for numbers of so many rows: half of the memory where that is enough."""
    return "int32" if count < 1 << 31 else "int64"


def places(mask: "Array") -> "Array":
    """The numbers of the rows that a mask (a boolean for each row) is true of, sorted."""
    import numpy

    found = numpy.empty(int(numpy.count_nonzero(mask)), small_integers(len(mask)))
    done = 0
    for start in range(0, len(mask), AT_ONCE):  # numpy's own are of 8 bytes, all at once
        block = numpy.flatnonzero(mask[start : start + AT_ONCE])
        found[done : done + len(block)] = block + start
        done += len(block)
    return found


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def known(table: Table, wanted: str, setting: str) -> Column:
    """The column of this name.

    Raises:
        SourceError: where there is none, naming the `setting` that asks for it and a close name.
    """
    for column in table.columns:
        if column.name == wanted:
            return column
    names = [column.name for column in table.columns]
    close = difflib.get_close_matches(wanted, names, 1)
    hint = f'did you mean "{close[0]}"?' if close else f"there is {', '.join(names[:20])}."
    raise SourceError(f'There is no column "{wanted}" for {setting}; {hint}')


# --- values as text ------------------------------------------------------------------------------


def as_text(column: Column) -> str:
    """SQL: a value as text, the same whatever type the other rows give the column; NULL where it
    is missing."""
    name = reference(column.name)
    kind = SQL_TYPES[column.type]
    if kind == "VARCHAR":
        return name
    if kind == "JSON":
        return f"({name} ->> '$')"
    if kind == "DOUBLE":  # 2 is "2" also where another row has 2.5
        whole = f"{name} = trunc({name}) AND abs({name}) < 1e15"
        return f"(CASE WHEN {whole} THEN {name}::BIGINT::VARCHAR ELSE {name}::VARCHAR END)"
    return f"{name}::VARCHAR"


def is_blank(text: str) -> str:
    """SQL: whether a text has no sign but white space. A tenth of what trim() takes."""
    return f"NOT regexp_matches({text}, '[^\\s\\p{{Z}}]')"


def content(columns: Iterable[Column]) -> str:
    """SQL: all that is in a row as one text: columns by name, what is missing left out. Two rows
    have the same where and only where they hold the same."""
    parts = [
        # The length says where a value ends, whatever is in it.
        f"{engine.text(column.name)} || chr(31) || strlen({as_text(column)}) || ':' || "
        f"{as_text(column)} || chr(30)"
        for column in sorted(columns, key=lambda one: one.name)
    ]
    return f"concat({', '.join(parts)})" if parts else "''"


def fixed_hash(text: str, seed: int) -> str:
    """SQL: a hash (UBIGINT) of a text that no version of anything changes."""
    return f"md5_number_lower({engine.text(f'{seed}:')} || {text})"
