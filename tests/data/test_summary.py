"""Summaries of columns, beside what numpy and plain Python say of the same values."""

import json
import random
import statistics
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.data.rows import Row, silent
from tests.data.tables import table, write
from workbench.catalogue import SourceError
from workbench.data import sketches, summary
from workbench.data.engine import Stopped
from workbench.data.memory import memory_table
from workbench.data.sketches import Distinct, Frequent, Numbers, Sizes, different
from workbench.data.summary import summarise
from workbench.data.table import Column, Table
from workbench.protocol import ColumnSummary


def summed_up(
    rows: list[Row] | Table, numbers: Any = None, names: list[str] | None = None
) -> dict[str, ColumnSummary]:
    shown = memory_table(rows) if isinstance(rows, list) else rows
    given = None if numbers is None else numpy.array(numbers)
    found = summarise(shown, given, names or [], threading.Event(), silent)
    return {one.name: one for one in found}


def lower_median(values: list[float]) -> float:
    return float(statistics.median_low(values))


def test_texts_are_summed_up_as_python_does() -> None:
    chance = random.Random(1)
    texts = [
        chance.choice([None, "", " \n", "é" * chance.randrange(1, 60), "good", "bad"])
        for _ in range(2000)
    ]
    one = summed_up([{"t": text} for text in texts])["t"]
    there = [text for text in texts if text is not None]
    lengths = [len(text) for text in there]
    assert (one.type, one.missing) == ("text", texts.count(None))
    assert one.empty == sum(not text.strip() for text in there)
    assert (one.distinct, one.distinct_exact) == (len(set(there)), True)
    assert (one.low, one.high) == (min(lengths), max(lengths))
    assert one.mean == pytest.approx(statistics.mean(lengths))
    assert one.median == lower_median(lengths)
    assert one.p95 == sorted(lengths)[int(0.95 * len(lengths) - 1e-9)]
    counts = Counter(there)
    assert len(one.frequent) == 10
    assert all(counts[text] == count for text, count in one.frequent)
    assert [n for _, n in one.frequent] == [n for _, n in counts.most_common(10)]
    assert one.histogram == numpy.histogram(lengths, 24, (min(lengths), max(lengths)))[0].tolist()


def test_numbers_are_summed_up_as_numpy_does() -> None:
    chance = random.Random(2)
    values = [chance.choice([None, chance.gauss(0, 5), 2.0]) for _ in range(3000)]
    rows = [{"x": value, "whole": None if value is None else int(value)} for value in values]
    found = summed_up(rows)
    for name, kind in (("x", "number"), ("whole", "integer")):
        one = found[name]
        there = [row[name] for row in rows if row[name] is not None]
        assert (one.type, one.missing, one.empty) == (kind, values.count(None), 0)
        assert (one.low, one.high) == (min(there), max(there))
        assert one.mean == pytest.approx(statistics.mean(there))
        assert one.median == lower_median(there)
        assert one.distinct == len(set(there))
        assert sum(one.histogram) == len(there)
        [(text, count), *_] = one.frequent
        assert count == max(Counter(there).values())
        assert float(text) == Counter(there).most_common(1)[0][0]


def test_a_column_of_lists_counts_elements_and_names_the_most_frequent() -> None:
    rows = [{"tags": ["a", "b"]}, {"tags": ["a"]}, {"tags": []}, {"tags": None}, {"tags": ["a", 3]}]
    one = summed_up([*rows, {"tags": [{"role": "user"}]}])["tags"]
    assert (one.type, one.missing, one.distinct) == ("list", 1, 5)
    assert (one.low, one.high, one.median) == (0, 2, 1)
    assert one.frequent[0] == ("a", 3)
    nothing = summed_up([{"tags": [None, "a"]}, {"tags": [None]}])["tags"]
    assert nothing.frequent == [("a", 1)]
    assert {("b", 1), ("3", 1), ('{"role": "user"}', 1)} <= set(one.frequent)


def test_several_types_in_a_column_are_told_by_their_shares() -> None:
    rows: list[Row] = [{"m": "x"} for _ in range(98)] + [{"m": 1}, {"m": None}, {"m": 2.5}]
    one = summed_up(rows)["m"]
    assert one.type == "mixed: text 98 %, number 1 %, integer 1 %"
    assert one.missing == 1
    assert one.frequent[0] == ("x", 98)


def test_objects_truth_values_and_empty_columns() -> None:
    rows = [{"o": {"a": n % 2}, "b": n % 3 == 0, "none": None} for n in range(30)]
    found = summed_up(rows)
    assert (found["o"].type, found["o"].distinct) == ("object", 2)
    assert found["b"].frequent == [("false", 20), ("true", 10)]
    empty = found["none"]
    assert (empty.type, empty.missing, empty.distinct, empty.frequent) == ("empty", 30, 0, [])
    assert (empty.low, empty.histogram) == (None, [])


def test_values_that_are_all_different_are_not_named() -> None:
    assert summed_up([{"id": f"row {n}"} for n in range(50)])["id"].frequent == []


def test_a_long_value_is_cut() -> None:
    [(text, _)] = summed_up([{"t": "x" * 500}])["t"].frequent
    assert text == "x" * 79 + "…"


def test_a_value_that_is_the_same_in_all_rows_has_one_bin() -> None:
    one = summed_up([{"n": 7}] * 5)["n"]
    assert (one.low, one.high, one.histogram) == (7, 7, [5, *[0] * 23])


def test_values_that_are_no_numbers_do_not_spoil_the_others() -> None:
    shown = memory_table([{"n": value} for value in (1.0, 2.0, 3.0, None)])
    shown.rows[1]["n"] = float("nan")
    shown.rows[2]["n"] = float("inf")
    one = summed_up(shown)["n"]
    assert (one.low, one.high, one.mean) == (1, 1, 1)


def test_only_the_rows_of_a_view_are_summed_up() -> None:
    rows = [{"n": n, "t": f"text {n % 7}", "m": n if n % 5 else "x"} for n in range(3000)]
    for numbers in (range(0, 3000, 100), range(0, 3000, 2)):
        found = summed_up(rows, list(numbers))
        alone = summed_up([rows[number] for number in numbers])
        assert {name: one for name, one in found.items() if name != "m"} == {
            name: one for name, one in alone.items() if name != "m"
        }
        assert found["m"].missing == 0
    assert summed_up(rows, [])["n"].distinct == 0


def test_broken_rows_are_not_taken_for_missing_values(folder: Path) -> None:
    lines = [json.dumps({"t": "a", "n": n}) for n in range(20)]
    lines[3] = '{"t": '
    write(folder / "a.jsonl", "\n".join(lines))
    found = summed_up(table("a.jsonl", folder))
    assert (found["t"].missing, found["n"].missing, found["n"].distinct) == (0, 0, 19)


def test_a_cell_of_ten_megabytes_is_summed_up(folder: Path) -> None:
    rows = [{"t": "é" * 5_000_000, "n": 1}, {"t": "short", "n": 2}, {"t": "x" * 70_000, "n": 2}]
    write(folder / "a.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    one = summed_up(table("a.jsonl", folder))["t"]
    assert (one.low, one.median, one.high, one.distinct) == (5, 70_000, 5_000_000, 3)


def test_of_many_columns_the_first_are_summed_up(folder: Path) -> None:
    rows = [{f"c{n}": n for n in range(5000)} for _ in range(3)]
    write(folder / "a.jsonl", "\n".join(map(json.dumps, rows)))
    shown = table("a.jsonl", folder)
    assert list(summed_up(shown)) == [f"c{n}" for n in range(summary.COLUMNS)]
    assert summed_up(shown, names=["c4999"])["c4999"].high == 4999


def test_names_of_columns_may_be_anything() -> None:
    names = ['q"uote', "dot.ted", "⟨row⟩ ", "Text", "text", "🎬", "'", "a b"]
    found = summed_up([{name: f"{number}" for number, name in enumerate(names)}])
    assert {name: one.frequent for name, one in found.items()} == {
        name: [(f"{number}", 1)] for number, name in enumerate(names)
    }


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(SourceError, match="did you mean"):
        summed_up([{"text": 1}], names=["tetx"])


def test_a_summary_that_is_given_up_stops() -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Stopped):
        summarise(memory_table([{"a": 1}]), None, [], stopped, silent)


def test_times_have_no_lengths() -> None:
    rows = [{"when": f"2024-01-0{n % 9 + 1} 00:00:00"} for n in range(40)]
    one = summed_up(memory_table(rows, [Column("when", "time")]))["when"]
    assert (one.type, one.distinct, one.missing, one.low) == ("time", 9, 0, None)
    assert one.frequent[0][1] == 5


# --- sketches ------------------------------------------------------------------------------------


def hashed(values: Any) -> Any:
    return numpy.array(values, numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)


def test_different_hashes_are_counted_with_their_first_place() -> None:
    values = hashed([5, 3, 5, 5, 9])
    codes, counts, first = different(values)
    found = {
        int(values[place]) >> 17: int(count) for place, count in zip(first, counts, strict=True)
    }
    assert {int(code) >> 17 for code in codes} == set(found)
    assert found == {int(values[0]) >> 17: 3, int(values[1]) >> 17: 1, int(values[4]) >> 17: 1}


def test_many_different_values_are_estimated_within_a_percent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sketches, "SMALLEST", 20_000)
    rng = numpy.random.default_rng(0)
    count, seen = Distinct(), set()
    for _ in range(20):
        values = rng.integers(0, 1 << 63, 20_000, numpy.uint64) * numpy.uint64(2)
        seen.update((values >> numpy.uint64(17)).tolist())
        count.add(different(values)[0])
        count.add(different(values)[0])
    assert not count.exact
    assert abs(count.count() / len(seen) - 1) < 0.03


def test_frequent_values_stay_among_many_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "KEPT", 1000)
    rng = numpy.random.default_rng(0)
    found, start = Frequent(), 0
    often = hashed([7, 8, 9])
    for _ in range(30):
        rare = rng.integers(0, 1 << 63, 3000, numpy.uint64)
        block = numpy.concatenate([rare, numpy.repeat(often, [300, 200, 100])])
        found.add(block, numpy.arange(start, start + len(block)))
        start += len(block)
    assert not found.exact
    most = found.most(3)
    assert [code >> 17 for code, _, _ in most] == [int(code) >> 17 for code in often]
    assert [count for _, count, _ in most] == [9000, 6000, 3000]


def test_sizes_are_exact_also_where_they_are_large() -> None:
    rng = numpy.random.default_rng(1)
    values = numpy.concatenate([rng.integers(0, 300, 999), rng.integers(60_000, 900_000, 50)])
    sizes = Sizes()
    for block in numpy.array_split(values, 7):
        sizes.add(block)
    found = sizes.statistics()
    ordered = sorted(values.tolist())
    assert found["median"] == lower_median(ordered)
    assert found["p95"] == ordered[int(0.95 * len(ordered))]
    assert (found["low"], found["high"]) == (ordered[0], ordered[-1])
    assert found["mean"] == pytest.approx(values.mean())


def test_quantiles_of_a_sample_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketches, "SAMPLE", 20_000)
    rng = numpy.random.default_rng(2)
    values = rng.normal(size=200_000)
    numbers = Numbers()
    for block in numpy.array_split(values, 20):
        numbers.add(block)
    found = numbers.statistics()
    assert (found["low"], found["high"]) == (values.min(), values.max())
    assert found["mean"] == pytest.approx(values.mean())
    assert abs((values < found["median"]).mean() - 0.5) < 0.02
    assert abs((values < found["p95"]).mean() - 0.95) < 0.01
    assert abs(sum(found["histogram"]) - len(values)) <= 24
