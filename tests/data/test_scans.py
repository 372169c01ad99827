"""Looking at all rows: in order, once each, whatever DuckDB's memory."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.data.rows import found
from tests.data.tables import table, write
from workbench.catalogue import SourceError
from workbench.data import scans
from workbench.data.memory import memory_table
from workbench.data.syntax import QueryError
from workbench.data.table import Table


def scanned(shown: Table, column: str) -> list[Any]:
    values: list[Any] = []
    sql = [scans.reference(column)]
    for start, batch in scans.scan(shown, [column], sql, threading.Event()):
        assert start == len(values)
        values += batch.column(0).to_pylist()
    return values


def test_values_come_in_order_in_batches(folder: Path) -> None:
    write(
        folder / "a.jsonl", "\n".join(json.dumps({"n": n, "t": "x" * 99}) for n in range(150_000))
    )
    assert scanned(table("a.jsonl", folder), "n") == list(range(150_000))


def test_what_takes_too_much_memory_is_asked_again_from_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = memory_table([{"n": n} for n in range(9000)])
    real, settings = scans.attempt, []

    def short(*given: Any) -> Iterator[Any]:
        settings.append(given[-1])
        first = given[-1] == ""
        for start, batch in real(*given):
            # The batches of the second try are not those of the first.
            for part in range(0, batch.num_rows, 700 if first else 1000):
                if first and part > 1400:
                    raise scans.OutOfMemoryError("too much")
                yield start + part, batch.slice(part, 700 if first else 1000)

    monkeypatch.setattr(scans, "attempt", short)
    assert scanned(shown, "n") == list(range(9000))
    assert settings == ["", scans.GENEROUS]


def test_rows_of_thousands_of_columns_are_looked_at(folder: Path) -> None:
    rows = [{f"column {n}": n * number % 7 for n in range(1200)} for number in range(50)]
    write(folder / "a.jsonl", "\n".join(map(json.dumps, rows)))
    shown = table("a.jsonl", folder)
    assert found(shown, where="`column 1199` == 3") == [
        number for number, row in enumerate(rows) if row["column 1199"] == 3
    ]
    assert found(shown, search="6") == [
        number for number, row in enumerate(rows) if 6 in row.values()
    ]


def test_a_source_that_was_changed_is_not_taken_for_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = memory_table([{"n": 1}, {"n": 2}])
    whole = shown.relation
    monkeypatch.setattr(shown, "relation", lambda *given: f"(FROM {whole(*given)} LIMIT 1)")
    with pytest.raises(SourceError, match="was changed while it was read: it had 2 rows"):
        scanned(shown, "n")


def test_what_cannot_be_computed_is_one_sentence() -> None:
    shown = memory_table([{"t": "x"}])
    with pytest.raises(QueryError, match="cannot be computed") as error:
        list(scans.scan(shown, ["t"], ["t::INTEGER"], threading.Event()))
    assert "\n" not in str(error.value)


def test_numbers_of_a_mask_are_found_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "AT_ONCE", 7)
    mask = numpy.random.default_rng(0).random(100) < 0.3
    assert scans.places(mask).tolist() == numpy.flatnonzero(mask).tolist()
    assert scans.places(mask).dtype == numpy.int32
    assert scans.places(mask[:0]).tolist() == []
