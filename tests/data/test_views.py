"""Views of rows: searched, filtered, sorted, restricted; filled while others read."""

import json
import random
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.data.rows import Row, divided, found, source
from tests.data.tables import table, write
from workbench.catalogue import SourceError
from workbench.data import scans, views
from workbench.data.memory import memory_table
from workbench.data.views import QueryError, View, find

ROWS: list[Row] = [
    {"text": "A Good film", "n": 3, "turns": [{"role": "user", "content": "Say \"hi\"\n now"}]},
    {"text": "100% _bad_", "n": None, "turns": []},
    {"text": None, "n": 12, "turns": [{"role": "user", "content": "Größe é"}]},
    {"text": "back\\slash", "n": -1, "turns": None},
    {"text": "GRÖSSE", "n": 3, "turns": [{"content": "good"}]},
]  # fmt: skip


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("good", [0, 4]),
        ("GOOD FILM", [0]),
        ("%", [1]),
        ("_", [1]),
        ("\\", [3]),
        ("k\\s", [3]),
        ('say "hi"', [0]),
        ('"hi"\n now', [0]),
        ("größe", [2]),
        ("GRÖSSE", [4]),
        ("É", [2]),
        ("12", [2]),
        ("'; drop", []),
        ("", [0, 1, 2, 3, 4]),
    ],
)
def test_a_text_is_found_in_any_column_whatever_its_case(search: str, expected: list[int]) -> None:
    assert found(memory_table(ROWS), search=search) == expected


def test_escapes_of_json_do_not_hide_a_text(folder: Path) -> None:
    escaped = json.dumps({"turns": ["schöne Größe", 'a "b" \\ c']}, ensure_ascii=True)
    write(folder / "a.jsonl", f'{escaped}\n{{"turns": ["x"]}}\n')
    rows = table("a.jsonl", folder)
    for search in ("größe", "SCHÖNE", 'a "b"', "\\ c"):
        assert found(rows, search=search) == [0], search


def test_search_agrees_with_python_on_random_texts() -> None:
    chance = random.Random(3)
    rows = [{"a": "".join(chance.choices("aBé% _\\\"'", k=9)), "b": number} for number in range(80)]
    shown = memory_table(rows)
    for _ in range(40):
        search = "".join(chance.choices("AbÉ% _\\\"'1", k=2))
        expected = [n for n, row in enumerate(rows) if any(search.lower() in str(value).lower()
                                                           for value in row.values())]  # fmt: skip
        assert found(shown, search=search) == expected


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["number", "whole", "text", "flag", "list", "mixed"])
def test_sorting_is_stable_and_puts_what_is_missing_last(column: str, descending: bool) -> None:
    chance = random.Random(5)
    values: dict[str, list[Any]] = {
        "number": [1.5, -2.0, 1e300, 0.0],
        "whole": [3, 1, -7],
        "text": ["b", "", "B", "é", "a much longer text"],
        "flag": [True, False],
        "list": [[1], [0, 2]],
        "mixed": [2, "a", 10, "b"],
    }
    rows = [
        {name: chance.choice([*some, None]) for name, some in values.items()} for _ in range(200)
    ]
    order = {"mixed": [2, 10, "a", "b"], "list": [[0, 2], [1]]}

    def key(number: int) -> Any:
        value = rows[number][column]
        return order[column].index(value) if column in order else value

    there = [number for number in range(200) if rows[number][column] is not None]
    expected = sorted(there, key=key, reverse=descending)
    if descending:  # Python keeps the order of ties when it turns a list round; so do we
        expected = sorted(there, key=lambda n: n)
        expected.sort(key=key, reverse=True)
    expected += [number for number in range(200) if rows[number][column] is None]
    assert found(memory_table(rows), sort=column, descending=descending) == expected


def test_a_sort_that_takes_too_much_compares_beginnings(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = memory_table([{"text": one} for one in ("c", "aB", "aA", "b")])
    real, calls = views.in_order, []

    def short(*given: Any, **more: Any) -> None:
        calls.append(more)
        if len(calls) == 1:
            given[0].view.extend(numpy.array([3]))
            raise scans.OutOfMemoryError("too much")
        real(*given, **more)

    monkeypatch.setattr(views, "in_order", short)
    monkeypatch.setattr(views, "COMPARED", 1)
    assert found(rows, sort="text") == [1, 2, 3, 0]


def test_wishes_are_joined() -> None:
    rows = [{"t": f"word {n % 3}", "n": n} for n in range(60)]
    shown = memory_table(rows)
    assert found(shown, search="word 1", where="n > 50", sort="n", descending=True) == [58, 55, 52]
    only = numpy.array([1, 4, 55, 58])
    assert found(shown, search="WORD 1", problem=only) == [1, 4, 55, 58]
    assert found(shown, where="n > 50", problem=only, sort="t") == [55, 58]
    assert found(shown, problem=only) == [1, 4, 55, 58]


def test_a_side_shows_its_rows() -> None:
    rows = [{"t": f"word {n}"} for n in range(200)]
    division = divided(rows, where="t != 'word 7'", evaluation_share=0.2)
    shown = division.table
    assert found(shown, division, side="train") == division.train.tolist()
    assert found(shown, division, side="evaluation") == division.evaluation.tolist()
    assert found(shown, division, side="left_out") == [7]
    assert found(shown, division, side="broken") == []
    assert found(shown, division, side="left_out", search="8") == []


def test_a_side_that_is_not_there_is_said() -> None:
    rows = [{"t": "a"}, {"t": "b"}]
    with pytest.raises(QueryError, match="not known yet"):
        found(memory_table(rows), side="train")
    other = divided(source(train=rows, test=rows))
    with pytest.raises(QueryError, match="they come from split test"):
        found(other.table, other, side="evaluation")
    none = divided(rows, evaluation_share=0)
    with pytest.raises(QueryError, match="No rows are held out"):
        found(none.table, none, side="evaluation")


def test_broken_lines_keep_their_numbers(folder: Path) -> None:
    lines = [json.dumps({"t": f"word {n}", "n": n}) for n in range(30)]
    lines[4] = lines[20] = '{"t": "word 4'
    write(folder / "a.jsonl", "\n\n".join(lines))
    rows = table("a.jsonl", folder)
    division = divided(rows)
    assert found(rows, division, side="broken") == [4, 20]
    assert found(rows, search="word 2") == [2, *range(21, 30)]
    assert found(rows, where="n >= 28") == [28, 29]
    assert found(rows, sort="n", descending=True)[-3:] == [0, 4, 20]
    assert found(rows, where="not n < 29") == [4, 20, 29]


def test_a_table_that_is_not_read_yet_is_searched_whole(folder: Path) -> None:
    rows = [{"t": f"word {n}"} for n in range(70_000)]
    rows.append({"t": "x", "late": "WORD 5"})
    write(folder / "a.jsonl", "\n".join(map(json.dumps, rows)))
    shown = table("a.jsonl", folder, index=False)
    assert not shown.complete
    assert [column.name for column in shown.columns] == ["t"]
    expected = [
        n for n, row in enumerate(rows) if "word 5" in f"{row['t']} {row.get('late')}".lower()
    ]
    assert found(shown, search="word 5") == expected
    assert expected[-1] == 70_000


def test_hits_come_while_the_search_goes_on(folder: Path) -> None:
    write(
        folder / "a.jsonl", "\n".join(json.dumps({"t": "x" * 200, "n": n}) for n in range(200_000))
    )
    shown = table("a.jsonl", folder)
    view, told, early = View(), [], []

    def tell(rows: int, scanned: int, total: int) -> None:
        told.append((rows, scanned, total))
        early.append(view.numbers(0, 3).tolist())

    find(shown, None, search="XX", where="", sort="", descending=False, side="all", problem=None,
         view=view, stopped=threading.Event(), tell=tell)  # fmt: skip
    counted = [one for one in told if one[1]]
    assert len(counted) > 1
    assert counted == sorted(counted)
    assert counted[-1] == (200_000, 200_000, 200_000)
    assert early[0] == [0, 1, 2]


@pytest.mark.parametrize("wish", [{"search": "x"}, {"sort": "t"}, {"where": "n > 0"}, {}])
def test_a_search_that_is_given_up_ends_without_being_complete(
    folder: Path, wish: dict[str, Any]
) -> None:
    write(
        folder / "a.jsonl", "\n".join(json.dumps({"t": "x" * 99, "n": n}) for n in range(150_000))
    )
    shown = table("a.jsonl", folder)
    stopped, view = threading.Event(), View()
    asked = {"search": "", "where": "", "sort": "", "descending": False, "side": "all"} | wish
    if not wish:
        stopped.set()
    find(shown, None, **asked, problem=None, view=view, stopped=stopped,
         tell=lambda *_: stopped.set())  # type: ignore[arg-type]  # fmt: skip
    assert not view.complete or "sort" in wish


def test_a_view_gives_any_part_of_itself() -> None:
    view = View()
    assert view.numbers(0, 10).tolist() == []
    view.extend(numpy.array([5, 3], numpy.int32))
    view.extend(numpy.arange(10, 20)[::2])
    assert view.numbers(0, 99).tolist() == [5, 3, 10, 12, 14, 16, 18]
    assert view.numbers(2, 4).tolist() == [10, 12]
    assert view.numbers(-3, 1).tolist() == [5]
    assert view.numbers(9, 12).tolist() == []
    assert view.numbers(0, 1).dtype == numpy.int64
    view.restart()
    assert view.numbers(0, 99).tolist() == []


def test_a_large_view_keeps_its_numbers_on_disk() -> None:
    view = View()
    view.extend(numpy.arange(3_000_000)[::-1])
    assert view.count == 3_000_000
    assert view.numbers(2_999_998, 3_000_000).tolist() == [1, 0]
    assert sum(getattr(value, "nbytes", 0) for value in vars(view).values()) == 0


def test_no_room_for_a_view_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(views.os, "pwrite", full)
    with pytest.raises(QueryError, match=r"cannot be kept in .*: No space left on device; make"):
        found(memory_table(ROWS), search="good")


def test_a_column_that_is_not_there_cannot_be_sorted_by() -> None:
    with pytest.raises(QueryError, match='no column "x"'):
        found(memory_table(ROWS), sort="x")


def test_a_source_that_disappears_is_one_sentence(folder: Path) -> None:
    path = write(folder / "a.jsonl", "\n".join(json.dumps({"n": n}) for n in range(100)))
    shown = table("a.jsonl", folder)
    path.unlink()
    with pytest.raises(SourceError) as error:
        found(shown, search="5")
    assert str(error.value).endswith(".")


def test_names_that_differ_in_case_only_are_two_columns() -> None:
    shown = memory_table([{"Text": "one", "text": "two"}, {"Text": "two", "text": "three"}])
    assert found(shown, where="Text == 'two'") == [1]
    assert found(shown, where="text == 'two'") == [0]
    assert found(shown, search="two") == [0, 1]
    assert found(shown, sort="text") == [1, 0]
    assert found(shown, sort="Text") == [0, 1]


def test_telling_goes_on_while_a_query_sorts() -> None:
    told: list[tuple[int, int, int]] = []
    view = View()
    find(memory_table(ROWS), None, search="", where="", sort="n", descending=False, side="all",
         problem=None, view=view, stopped=threading.Event(),
         tell=lambda *one: told.append(one))  # fmt: skip
    assert told[-1] == (5, 5, 5)
