"""Views: rows that were searched for, filtered and sorted, as a growing order of their numbers.

Numbers are kept in a file that nobody else sees, so that 20 million of them take no memory.
"""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.catalogue import cache_folder
from workbench.data import engine, expressions, scans
from workbench.data.expressions import QueryError
from workbench.data.table import ROW, SQL_TYPES, Column, Table
from workbench.protocol import Side

if TYPE_CHECKING:
    import numpy

    from workbench.data.splits import Division

    Array = numpy.ndarray[Any, Any]

__all__ = ["QueryError", "View", "find"]

Tell = Callable[[int, int, int], None]  # rows found, rows looked at, rows there are
WIDTH = 8  # bytes of a number in the file
BLOCK = 1_000_000  # numbers written at a time
SMALL = ("integer", "number", "boolean", "time", "empty")  # types whose values sort in little room
# Texts are put in order outside of memory, a core at a time: all of it is for the one heap.
THRIFTY = "SET threads = 1; SET memory_limit = '200MB'"
COMPARED = 100  # characters by which texts are sorted where the whole ones take too much


class View:
    """Rows found so far. One thread fills it while others read it."""

    def __init__(self) -> None:
        folder = cache_folder() / "spill"
        folder.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - as long as it
        self.count = 0
        self.complete = False

    def numbers(self, start: int, stop: int) -> "Array":
        """The numbers (int64) of the rows at positions [start, stop), fewer where there are not so
        many yet."""
        import numpy

        start, stop = max(0, start), min(stop, self.count)
        if stop <= start:
            return numpy.empty(0, numpy.int64)
        found = numpy.empty(stop - start, numpy.int64)
        wanted, done = memoryview(found.data).cast("B"), 0
        while done < len(wanted):
            read = os.preadv(self.file.fileno(), [wanted[done:]], start * WIDTH + done)
            if not read:
                raise QueryError("The rows that were found are gone from the disk; search again.")
            done += read
        return found

    def extend(self, numbers: "Array") -> None:
        import numpy

        for start in range(0, len(numbers), BLOCK):
            block = numpy.ascontiguousarray(numbers[start : start + BLOCK], numpy.int64)
            data, place = memoryview(block.data).cast("B"), self.count * WIDTH
            try:
                while data:
                    written = os.pwrite(self.file.fileno(), data, place)
                    data, place = data[written:], place + written
            except OSError as error:
                raise QueryError(
                    f"The rows found cannot be kept in {cache_folder()}: {error.strerror}; make "
                    "room there and search again."
                ) from error
            self.count += len(block)

    def restart(self) -> None:
        self.count = 0


@dataclass(frozen=True)
class Search:
    """What is looked for, and where the rows found go."""

    table: Table
    search: str
    where: str
    allowed: "Array | None"  # for each row whether it may be found; None: every one may
    view: View
    stopped: threading.Event
    tell: Tell

    def wait(self) -> None:
        """Until the table is read to its end."""
        table = self.table
        table.index(lambda _done, _total: self.tell(self.view.count, 0, table.count), self.stopped)
        if not table.complete:
            raise engine.Stopped


def find(
    table: Table,
    division: "Division | None",
    *,
    search: str,
    where: str,
    sort: str,
    descending: bool,
    side: Side,
    problem: "Array | None",
    view: View,
    stopped: threading.Event,
    tell: Tell,
) -> None:
    """Fill `view` with the rows that hold the text `search` in any column (whatever the case),
    that `where` is true of, that are on `side` and among `problem`; in the source's order, or by
    the column `sort`: what is missing last, ties in the source's order.

    Returns early, the view not complete, once `stopped` is set.

    Raises:
        QueryError: where the expression or a column is wrong; one sentence.
        SourceError: where the source cannot be read any more.
    """
    allowed = restricted(table, division, side, problem)
    wish = Search(table, search, where.strip(), allowed, view, stopped, tell)
    try:
        if sort:
            wish.wait()
            ordered(wish, sort, descending)
        elif not search and not wish.where:
            wish.wait()
            everything(wish)
        else:
            if wish.where:  # only the whole says of what types the columns are
                wish.wait()
            looked_at = list(table.columns)
            filtered(wish)
            wish.wait()
            if table.columns != looked_at:  # columns came to be known meanwhile
                view.restart()
                filtered(wish)
    except engine.Stopped:
        return
    view.complete = not stopped.is_set()


def restricted(
    table: Table, division: "Division | None", side: Side, problem: "Array | None"
) -> "Array | None":
    """For each row whether it may be in the view; None: every one may."""
    import numpy

    members: list[Array] = [] if problem is None else [problem]
    if side == "broken":
        members.append(table.broken_numbers())
    elif side != "all":
        if division is None:
            raise QueryError("The sides are not known yet; wait until the dataset is read.")
        if side == "evaluation" and division.evaluation_table is not table:
            raise QueryError(
                f"The evaluation rows are not in this split: they come from {division.words}."
                if division.words
                else "No rows are held out for evaluation; set evaluation_share of the dataset."
            )
        members.append(getattr(division, side))
    if not members:
        return None
    allowed = numpy.ones(table.count, bool)
    for numbers in members:
        mask = numpy.zeros(table.count, bool)
        mask[numbers] = True
        allowed &= mask
    return allowed


def everything(wish: Search) -> None:
    import numpy

    total, allowed = wish.table.count, wish.allowed
    for start in range(0, total, BLOCK):
        if wish.stopped.is_set():
            raise engine.Stopped
        stop = min(start + BLOCK, total)
        block = numpy.arange(start, stop)
        wish.view.extend(block if allowed is None else block[allowed[start:stop]])
        wish.tell(wish.view.count, stop, total)


def filtered(wish: Search) -> None:
    import numpy

    sql, columns = wanted(wish.table.columns, wish.search, wish.where)
    for start, batch in scans.scan(wish.table, columns, [sql], wish.stopped):
        flags = scans.numbers(batch.column(0))
        if wish.allowed is not None:
            flags = flags & wish.allowed[start : start + len(flags)]
        wish.view.extend(start + numpy.flatnonzero(flags))
        scanned = start + batch.num_rows
        wish.tell(wish.view.count, scanned, max(wish.table.count, scanned))


def ordered(wish: Search, sort: str, descending: bool) -> None:
    table = wish.table
    column = next((one for one in table.columns if one.name == sort), None)
    if column is None:
        raise QueryError(f'There is no column "{sort}" to sort by.')
    sql, columns = wanted(table.columns, wish.search, wish.where)
    keys = sort_keys(column)
    beginnings = [f"left({key}, {COMPARED})" for key in keys]
    ways = [(keys, THRIFTY), (beginnings, THRIFTY), (beginnings, scans.GENEROUS)]
    if column.type in SMALL:
        ways = [(keys, ""), (keys, scans.GENEROUS)]
    for way, settings in ways:
        try:
            wish.view.restart()
            in_order(wish, sql, [*columns, sort], way, descending=descending, settings=settings)
            return
        except scans.OutOfMemoryError:
            if settings == scans.GENEROUS:
                raise


def in_order(
    wish: Search,
    sql: str,
    columns: list[str],
    keys: list[str],
    *,
    descending: bool,
    settings: str = "",
) -> None:
    table, view, allowed = wish.table, wish.view, wish.allowed
    connection = engine.connect()
    try:
        with scans.reading(connection, wish.stopped):
            connection.execute(settings)
            source = scans.relation(table, connection, columns)
            way = "DESC" if descending else "ASC"
            order = ", ".join(f"{key} {way} NULLS LAST" for key in keys)
            row = engine.name(ROW)
            found = connection.sql(
                f"SELECT {row} FROM {source} WHERE {sql} ORDER BY {order}, {row}"
            )
            with scans.telling(
                connection,
                lambda share: wish.tell(view.count, int(share * table.count), table.count),
            ):
                for batch in found.to_arrow_reader(scans.BATCH):
                    numbers = scans.numbers(batch.column(0))
                    view.extend(numbers if allowed is None else numbers[allowed[numbers]])
    finally:
        connection.close()
    wish.tell(view.count, table.count, table.count)


def sort_keys(column: Column) -> list[str]:
    """SQL to sort by. Of values of several types numbers come before texts, by their size."""
    name, text = scans.reference(column.name), scans.as_text(column)
    if column.type == "mixed":
        number = f"TRY_CAST({text} AS DOUBLE)"
        return [f"CASE WHEN {text} IS NOT NULL THEN {number} IS NULL END", number, text]
    if SQL_TYPES[column.type] == "JSON":
        return [text]
    return [name]


def wanted(columns: Sequence[Column], search: str, where: str) -> tuple[str, list[str]]:
    """SQL that is true of the rows wanted, and the columns that it reads."""
    parts: list[str] = []
    names: list[str] = []
    if where.strip():
        condition = expressions.condition(where, columns)
        parts.append(f"({condition.sql})")
        names += condition.columns
    if search:
        held = [holds(column, search) for column in columns]
        parts.append(f"({' OR '.join(held) or 'false'})")
        names += [column.name for column in columns]
    return " AND ".join(parts) or "true", list(dict.fromkeys(names))


def holds(column: Column, search: str) -> str:
    """SQL: whether a column holds a text, whatever the case. In nested values it may be written
    with JSON's escapes."""
    texts = [search]
    if SQL_TYPES[column.type] == "JSON":
        texts = [json.dumps(search, ensure_ascii=ascii)[1:-1] for ascii in (False, True)]
        if "\\" not in search:  # as it is shown, too: with its quotes
            texts.append(search)
    shown = f"{scans.reference(column.name)}::VARCHAR"
    found = [
        f"{shown} ILIKE {engine.text(pattern(one))} ESCAPE '\\'" for one in dict.fromkeys(texts)
    ]
    return " OR ".join(found)


def pattern(text: str) -> str:
    """A pattern for LIKE that means this text literally, anywhere."""
    for sign in ("\\", "%", "_"):
        text = text.replace(sign, "\\" + sign)
    return f"%{text}%"
