"""What is in each column: types, what is missing, different values, lengths, the most frequent.

One pass over the rows for all columns together: DuckDB gives a hash and a length of each value, so
a cell of megabytes takes as little memory as a label.
"""

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.data import engine, scans
from workbench.data.memory import memory_table
from workbench.data.plain import plain_values
from workbench.data.sketches import PLACE, Distinct, Frequent, Numbers, Sizes, different
from workbench.data.table import SQL_TYPES, Column, Table
from workbench.protocol import ColumnSummary

if TYPE_CHECKING:
    import numpy
    import pyarrow

    Array = numpy.ndarray[Any, Any]

FEW = 20_000  # rows of a view that are looked at one by one
BESIDE = 10  # times as many rows as in the view are there: then looking at all is a waste
COLUMNS = 200  # looked at where none are named
FREQUENT = 10  # values that are named
TAKEN = 50  # rows read at a time for their values
SHOWN = 80  # characters of a value
JSON_TYPES = {  # of json_type: the word for it
    "VARCHAR": "text",
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "HUGEINT": "integer",
    "UHUGEINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "ARRAY": "list",
    "OBJECT": "object",
}
WORDS = ["text", "integer", "number", "boolean", "list", "object"]


def summarise(
    table: Table,
    numbers: "Array | None",
    names: list[str],
    stopped: threading.Event,
    advance: Callable[[float, float], None],
) -> list[ColumnSummary]:
    """A summary of each column of `names` (none: the first COLUMNS), over the rows of these sorted
    `numbers` (None: all). Broken rows are not looked at.

    Raises:
        Stopped: once `stopped` is set.
        SourceError: where the source cannot be read any more, or a column is not there.
    """
    import numpy

    names = names or [column.name for column in table.columns[:COLUMNS]]
    columns = [scans.known(table, name, "the summary") for name in names]
    if numbers is not None and len(numbers) < min(FEW, table.count / BESIDE):
        records = table.take([int(number) for number in numbers])
        good = [plain_values(one) for one in records if isinstance(one, dict)]
        table, numbers = memory_table(good, table.columns), None
    looks = [Look(column) for column in columns]
    mask = None
    if numbers is not None or len(table.broken_numbers()):
        mask = numpy.zeros(table.count, bool)
        mask[slice(None) if numbers is None else numbers] = True
        mask[table.broken_numbers()] = False
    expressions = [sql for look in looks for sql in look.expressions]
    for start, batch in scans.scan(table, names, expressions, stopped):
        rows = start + numpy.arange(batch.num_rows)
        kept = None if mask is None else mask[start : start + batch.num_rows]
        arrays = iter(batch.columns)
        for look in looks:
            look.add(rows, kept, [next(arrays) for _ in look.expressions])
        advance(start + batch.num_rows, max(table.count, start + batch.num_rows))
    values = named(table, looks)
    return [look.result(found) for look, found in zip(looks, values, strict=True)]


def named(table: Table, looks: "list[Look]") -> list[list[tuple[str, int]]]:
    """For each column the most frequent values, as they are in a row that has them."""
    most = [look.most() for look in looks]
    wanted = sorted({row for one in most for _, _, row in one})
    values: list[dict[int, Any]] = [{} for _ in looks]
    for start in range(0, len(wanted), TAKEN):
        part = wanted[start : start + TAKEN]
        for row, record in zip(part, table.take(part), strict=True):
            for look, one, found in zip(looks, most, values, strict=True):
                if isinstance(record, dict) and any(place == row for _, _, place in one):
                    found[row] = record.get(look.column.name)
    return [
        [(shown(look.value(found.get(row), code)), count) for code, count, row in one]
        for look, one, found in zip(looks, most, values, strict=True)
    ]


class Look:
    """A look at one column, batch by batch."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.sql = SQL_TYPES[column.type]
        name, text = scans.reference(column.name), scans.as_text(column)
        # A blank text's length is below 0, so that one number says both.
        size = f"length({text})::INTEGER"
        blank = f"CASE WHEN {scans.is_blank(text)} THEN -1 - {size} ELSE {size} END"
        self.expressions = [f"hash({text if self.sql == 'JSON' else name})"]
        if self.sql == "VARCHAR":
            self.expressions.append(blank)
        elif self.sql == "JSON":
            kinds = " ".join(
                f"WHEN '{kind}' THEN {WORDS.index(word)}" for kind, word in JSON_TYPES.items()
            )
            self.expressions.append(f"(CASE json_type({name}) {kinds} END)::TINYINT")
            self.expressions.append(
                f"CASE json_type({name}) WHEN 'ARRAY' THEN json_array_length({name})::INTEGER "
                f"WHEN 'VARCHAR' THEN {blank} END"
            )
            # The elements of lists, because that is where several labels are.
            self.expressions.append(
                f"CASE WHEN json_type({name}) = 'ARRAY' THEN "
                f"list_transform({name} ->> '$[*]', lambda one: "
                "CASE WHEN one IS NOT NULL THEN hash(one) END) END"
            )
        else:
            self.expressions.append(
                f"{name}::DOUBLE" if column.type in ("integer", "number") else f"{name} IS NULL"
            )
        self.missing = self.empty = 0
        self.kinds = [0] * len(WORDS)
        self.frequent, self.distinct = Frequent(), Distinct()
        self.sizes, self.numbers = Sizes(), Numbers()

    def add(self, rows: "Array", kept: "Array | None", arrays: "list[pyarrow.Array]") -> None:
        """Take in a batch: the rows' numbers, which of them count (None: all), and the values."""
        import numpy

        # What is missing has a type or a length of NULL, but a hash of its own.
        told = arrays[1]
        if self.column.type not in ("boolean", "time", "bytes"):
            there = told.is_valid().to_numpy(zero_copy_only=False)
        else:
            there = ~scans.numbers(told)
        if kept is not None:
            self.missing += int((kept & ~there).sum())
            there &= kept
        else:
            self.missing += len(rows) - int(there.sum())
        whole = bool(there.all())
        rows = rows if whole else rows[there]
        hashes = scans.numbers(arrays[0])
        hashes = hashes if whole else hashes[there]
        values = scans.numbers(told)
        values = values if whole else values[there]
        if self.sql == "JSON":
            for kind, count in zip(*numpy.unique(values, return_counts=True), strict=True):
                self.kinds[int(kind)] += int(count)
            if self.column.type == "list":
                self.distinct.add(different(hashes)[0] if len(hashes) else hashes)
                self.elements(rows, arrays[3] if whole else arrays[3].filter(as_arrow(there)))
            else:
                self.distinct.add(self.frequent.add(hashes, rows))
            sized = arrays[2].is_valid().to_numpy(zero_copy_only=False) & there
            self.measure(scans.numbers(arrays[2])[sized])
            return
        self.distinct.add(self.frequent.add(hashes, rows))
        if self.sql == "VARCHAR":
            self.measure(values)
        elif self.column.type in ("integer", "number"):
            self.numbers.add(values)

    def measure(self, sizes: "Array") -> None:
        import numpy

        blank = sizes < 0
        self.empty += int(blank.sum())
        self.sizes.add(numpy.where(blank, -1 - sizes, sizes))

    def elements(self, rows: "Array", lists: "pyarrow.Array") -> None:
        import numpy

        lengths = numpy.asarray(lists.value_lengths().fill_null(0))
        found = lists.flatten()
        there = found.is_valid().to_numpy(zero_copy_only=False)
        self.frequent.add(scans.numbers(found)[there], numpy.repeat(rows, lengths)[there])

    def result(self, frequent: list[tuple[str, int]]) -> ColumnSummary:
        numbers = self.column.type in ("integer", "number")
        return ColumnSummary(
            name=self.column.name,
            type=self.spoken_type(),
            missing=self.missing,
            empty=self.empty,
            distinct=self.distinct.count(),
            distinct_exact=self.distinct.exact,
            frequent=frequent,
            **(self.numbers if numbers else self.sizes).statistics(),
        )

    def spoken_type(self) -> str:
        total = sum(self.kinds)
        if self.column.type != "mixed" or not total:
            return self.column.type
        there = sorted(zip(self.kinds, WORDS, strict=True), reverse=True)
        parts = [f"{word} {percent(count, total)}" for count, word in there if count]
        return f"mixed: {', '.join(parts)}"

    def most(self) -> list[tuple[int, int, int]]:
        """The most frequent values: hash, count, a row; none where all are different."""
        most = self.frequent.most(FREQUENT)
        return [] if most and most[0][1] == 1 and self.distinct.count() > FREQUENT else most

    def value(self, value: Any, code: int) -> Any:
        """What was counted, of the value that a row has."""
        if self.column.type == "list" and isinstance(value, list):
            return element(value, code)
        return value


def element(values: list[Any], code: int) -> Any:
    """The one of these values that has this hash."""
    with engine.connect() as connection:
        for value in values:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            for one in dict.fromkeys((text, compact)):
                if (
                    engine.ask(connection, "SELECT hash(?::VARCHAR)", [one])[0][0] >> PLACE << PLACE
                    == code
                ):
                    return value
    return values[0]


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def percent(count: int, total: int) -> str:
    share = 100 * count / total
    if share < 0.1:
        return "< 0.1 %"
    return f"{share:.1f} %" if share < 10 and share % 1 else f"{min(share, 99.9):.3g} %"


def as_arrow(mask: "Array") -> "pyarrow.Array":
    import pyarrow

    return pyarrow.array(mask)
