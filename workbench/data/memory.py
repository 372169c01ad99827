"""Rows that are in memory, as a Table: small things, and tests."""

import hashlib
import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.data import census
from workbench.data.engine import name as named
from workbench.data.plain import plain_values
from workbench.data.table import ROW, SQL_TYPES, Advance, Broken, Column, Record

if TYPE_CHECKING:
    import duckdb
    import numpy


class MemoryTable:
    """Complete from the beginning."""

    complete = True
    size = 0

    def __init__(self, rows: list[dict[str, Any]], columns: list[Column] | None = None) -> None:
        self.rows = [plain_values(row) for row in rows]
        self.columns = columns or census.of_values(self.rows)
        self.count = len(self.rows)
        text = json.dumps(self.rows, sort_keys=True, ensure_ascii=False)
        self.fingerprint = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
        self.broken_count = 0
        self.broken: list[Broken] = []
        self.notes: list[str] = []

    def broken_numbers(self) -> "numpy.ndarray[Any, Any]":
        import numpy

        return numpy.empty(0, numpy.int64)

    def read(self, start: int, stop: int) -> list[Record]:
        return list(self.rows[max(0, start) : max(0, stop)])

    def take(self, numbers: Sequence[int]) -> list[Record]:
        if any(not 0 <= number < self.count for number in numbers):
            raise IndexError(f"there are {self.count} rows")
        return [self.rows[int(number)] for number in numbers]

    def index(self, advance: Advance, stopped: threading.Event) -> None:  # noqa: ARG002
        return None

    def relation(self, connection: "duckdb.DuckDBPyConnection", names: Sequence[str]) -> str:
        import pyarrow

        types = {column.name: SQL_TYPES[column.type] for column in self.columns}
        kinds = {
            "BIGINT": pyarrow.int64(),
            "DOUBLE": pyarrow.float64(),
            "BOOLEAN": pyarrow.bool_(),
        }
        arrays = [pyarrow.array(range(self.count), pyarrow.int64())]
        for name in names:
            values = [row.get(name) for row in self.rows]
            kind = types[name]
            if kind in kinds:
                arrays.append(pyarrow.array(values, kinds[kind]))
            else:
                texts = [in_sql(value, kind) for value in values]
                arrays.append(pyarrow.array(texts, pyarrow.string()))
        view = f"memory_{id(self)}_{hashlib.sha256(repr(names).encode()).hexdigest()[:16]}"
        labels = [f"c{place}" for place in range(len(arrays))]
        connection.register(view, pyarrow.Table.from_arrays(arrays, labels))
        fields = "".join(
            f", CAST({label} AS {types[name]}) AS {named(name)}"
            for label, name in zip(labels[1:], names, strict=True)
        )
        return f"(SELECT c0 AS {named(ROW)}{fields} FROM {view})"


def in_sql(value: Any, kind: str) -> str | None:
    if value is None or (isinstance(value, str) and kind != "JSON"):
        return value
    return json.dumps(value, ensure_ascii=False)


def memory_table(rows: list[dict[str, Any]], columns: list[Column] | None = None) -> MemoryTable:
    """A Table of these rows; the columns are found where they are not given."""
    return MemoryTable(rows, columns)
