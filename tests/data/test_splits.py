"""Sides of a dataset: fixed by content, and nothing is on two of them."""

import hashlib
import json
import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows import Row, divided, silent, source
from tests.data.tables import table, write
from workbench.catalogue import SourceError
from workbench.data import holdout, scans
from workbench.data.engine import Stopped
from workbench.data.memory import memory_table
from workbench.data.splits import Division, divide, row_key
from workbench.session import DatasetSettings


def many(count: int, seed: int = 0) -> list[Row]:
    chance = random.Random(seed)
    return [
        {
            "text": f"{seed} {chance.random()}",
            "label": chance.choice(["a"] * 8 + ["b"]),
            "author": chance.randrange(count // 5 + 1),
            "n": chance.choice([1, 2.5, None]),
            "tags": [chance.choice("xyz")],
        }
        for _ in range(count)
    ]


def held(rows: list[Row], division: Division) -> set[str]:
    return {repr(rows[int(number)]) for number in division.evaluation}


def complaint(rows: Any, **settings: Any) -> str:
    with pytest.raises(SourceError) as error:
        divided(rows, **settings)
    assert str(error.value).endswith((".", "?"))
    return str(error.value)


def test_each_row_is_on_one_side() -> None:
    division = divided(many(500), evaluation_share=0.3)
    assert sorted([*division.train.tolist(), *division.evaluation.tolist()]) == list(range(500))
    assert 110 < len(division.evaluation) < 190
    assert division.evaluation_table is division.table
    assert division.words == "30 % of the rows of train, held out by content"


def test_rows_that_are_added_move_none_across() -> None:
    rows, more = many(400), many(400, seed=1)
    before = held(rows, divided(rows))
    mixed = [row for pair in zip(more, rows, strict=True) for row in pair]
    # The column n has 2.5 in it: without those rows it would be of whole numbers.
    assert held(mixed, divided(mixed)) & set(map(repr, rows)) == before
    whole = [row for row in rows if row["n"] != 2.5]
    assert held(whole, divided(whole)) == before & set(map(repr, whole))


def test_a_column_that_comes_later_moves_no_row_that_lacks_it() -> None:
    rows = many(400)
    before = divided(rows).evaluation.tolist()
    after = divided([*rows, {"text": "late", "0new": 1}]).evaluation.tolist()
    assert [number for number in after if number < 400] == before


def test_membership_is_the_documented_hash_of_the_content() -> None:
    rows = [{"b": f"value {number}", "a": None, "ä": number / 2} for number in range(300)]
    expected = []
    for number, row in enumerate(rows):
        amount = f"{row['ä']:g}" if row["ä"] % 1 == 0 else repr(row["ä"])
        text = "0:" + "".join(
            f"{name}\x1f{len(value.encode())}:{value}\x1e"
            for name, value in (("b", row["b"]), ("ä", amount))
        )
        digest = hashlib.md5(text.encode()).digest()
        if int.from_bytes(digest[8:], "little") < 0.2 * 2**64:
            expected.append(number)
    assert divided(rows, evaluation_share=0.2).evaluation.tolist() == expected


def test_equal_rows_are_on_one_side() -> None:
    rows = [row for row in many(100) for _ in range(3)]
    division = divided(rows, evaluation_share=0.3)
    assert Counter(int(number) // 3 for number in division.evaluation).most_common()[-1][1] == 3


def test_another_seed_holds_out_others() -> None:
    rows = many(400)
    assert held(rows, divided(rows)) != held(rows, divided(rows, split_seed=1))


def test_of_a_few_rows_one_is_held_out_unless_they_are_the_same() -> None:
    for count in range(2, 12):
        division = divided(many(count, seed=count))
        assert len(division.evaluation) >= 1
        assert len(division.train) >= 1
    same = divided([{"a": 1}] * 30)
    assert (len(same.train), len(same.evaluation), same.evaluation_table) == (30, 0, None)
    assert same.words == ""


def test_a_large_share_leaves_something_to_train_on() -> None:
    for count in range(2, 8):
        assert len(divided(many(count), evaluation_share=0.99).train) >= 1


def test_no_share_holds_nothing_out() -> None:
    division = divided(many(50), evaluation_share=0)
    assert len(division.train) == 50
    assert division.evaluation_table is None


def test_a_count_takes_the_smallest_hashes() -> None:
    rows = many(300)
    sides = {
        count: set(divided(rows, evaluation_count=count).evaluation.tolist())
        for count in (1, 7, 100, 299)
    }
    assert [len(one) for one in sides.values()] == [1, 7, 100, 299]
    assert sides[1] < sides[7] < sides[100] < sides[299]
    assert len(divided(rows, evaluation_count=5000).train) == 1


def test_a_count_is_exact_where_candidates_are_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = many(3000)
    whole = divided(rows, evaluation_count=40).evaluation.tolist()
    monkeypatch.setattr(scans, "BATCH", 2048)
    monkeypatch.setattr(holdout, "BATCHES_AT_ONCE", 0)
    assert divided(rows, evaluation_count=40).evaluation.tolist() == whole
    assert len(whole) == 40


def test_strata_are_held_out_in_the_same_share() -> None:
    rows = many(3000)
    division = divided(rows, evaluation_share=0.2, stratify_by="label")
    sizes = Counter(row["label"] for row in rows)
    out = Counter(rows[int(number)]["label"] for number in division.evaluation)
    for label, size in sizes.items():
        assert abs(out[label] / size - 0.2) < 0.06


def test_each_class_that_has_two_rows_is_on_both_sides() -> None:
    rows = many(200)
    rows += [{"text": f"rare {number}", "label": f"r{number // 2}"} for number in range(40)]
    rows += [{"text": "alone", "label": "one"}]
    for settings in ({"evaluation_share": 0.05}, {"evaluation_share": 0.9}):
        division = divided(rows, stratify_by="label", **settings)
        train = {rows[int(number)]["label"] for number in division.train}
        out = {rows[int(number)]["label"] for number in division.evaluation}
        assert out | {"one"} == train | {"one"} == {row["label"] for row in rows}


def test_a_count_is_shared_among_the_classes() -> None:
    rows = many(900)
    division = divided(rows, evaluation_count=90, stratify_by="label")
    sizes = Counter(row["label"] for row in rows)
    out = Counter(rows[int(number)]["label"] for number in division.evaluation)
    assert sum(out.values()) == 90
    assert all(abs(out[label] - size / 10) < 1 for label, size in sizes.items())


def test_a_group_is_on_one_side_only() -> None:
    rows = many(600)
    for settings in (
        {"evaluation_share": 0.2},
        {"evaluation_count": 60},
        {"evaluation_share": 0.2, "stratify_by": "label"},
        {"evaluation_count": 60, "stratify_by": "label"},
    ):
        division = divided(rows, group_by="author", **settings)
        train = {rows[int(number)]["author"] for number in division.train}
        out = {rows[int(number)]["author"] for number in division.evaluation}
        assert out
        assert train
        assert not train & out


def test_groups_stay_where_they_are_when_rows_are_added() -> None:
    rows = many(600)
    before = {rows[int(n)]["author"] for n in divided(rows, group_by="author").evaluation}
    more = [*rows, *({"text": f"new {n}", "author": n} for n in range(60))]
    after = {more[int(n)]["author"] for n in divided(more, group_by="author").evaluation}
    assert before == after & {row["author"] for row in rows}


def test_a_column_that_is_not_there_is_named_with_its_like() -> None:
    assert 'no column "lable" for stratify_by; did you mean "label"?' in complaint(
        many(20), stratify_by="lable"
    )
    assert "for group_by" in complaint(many(20), group_by="writer")


def test_strata_of_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "CLASSES", 50)
    assert "more than 50 different values" in complaint(many(200), stratify_by="text")


def test_the_sources_own_split_is_measured_on() -> None:
    given = source(train=many(20), test=many(5, 1), validation=many(6, 2), empty=[])
    division = divided(given)
    assert division.words == "split validation"
    assert division.evaluation_table is given.tables["validation"]
    assert (len(division.train), len(division.evaluation)) == (20, 6)
    assert divided(given, evaluation_split="test").words == "split test"
    assert divided(given, evaluation_split="train").words == (
        "split train: the rows trained on, so the measure flatters"
    )
    assert 'no split "tset"' in complaint(given, evaluation_split="tset")
    assert 'The split "empty"' in complaint(given, evaluation_split="empty")


def test_nothing_is_asked_of_the_rows_where_nothing_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = source(train=many(20), test=many(5, 1))
    monkeypatch.setattr(scans, "scan", None)
    assert len(divided(given).train) == 20


def test_a_split_that_lacks_a_column_is_refused() -> None:
    given = source(train=many(20), test=[{"text": "x"}])
    assert 'lacks the column "label"' in complaint(given)


def test_a_source_without_rows_is_refused() -> None:
    assert "has no rows" in complaint(source(train=[]))


def test_rows_that_the_condition_is_not_true_of_are_left_out() -> None:
    rows = many(200)
    division = divided(rows, where="label == 'b' or n > 2")
    left = [i for i, row in enumerate(rows) if not (row["label"] == "b" or (row["n"] or 0) > 2)]
    assert division.left_out.tolist() == left
    used = sorted([*division.train.tolist(), *division.evaluation.tolist()])
    assert used == sorted(set(range(200)) - set(left))


def test_leaving_out_moves_none_of_the_others() -> None:
    rows = many(400)
    before = set(divided(rows, evaluation_share=0.3).evaluation.tolist())
    division = divided(rows, evaluation_share=0.3, where="label == 'a'")
    assert set(division.evaluation.tolist()) == before - set(division.left_out.tolist())


def test_the_condition_counts_in_the_split_to_measure_on_too() -> None:
    rows, others = many(50), many(50, 1)
    division = divided(source(train=rows, test=others), where="label == 'a'")
    assert {others[int(n)]["label"] for n in division.evaluation} == {"a"}
    assert "true of no row" in complaint(source(train=[{"a": 1}], test=[{"a": 2}]), where="a == 1")


def test_a_wrong_condition_is_one_sentence() -> None:
    assert complaint(many(9), where="lable == 'a'").startswith("dataset.where: At character 1")
    assert "all are left out" in complaint(many(9), where="label == 'none'")


def test_single_rows_are_left_out_while_they_are_what_they_were() -> None:
    rows = many(30)
    keys = [row_key(3, rows[3]), row_key(7, rows[7])]
    division = divided(rows, leave_out_rows=keys)
    assert (division.left_out.tolist(), division.notes) == ([3, 7], [])
    rows[7] = {"text": "another"}
    division = divided(rows[:10], leave_out_rows=[*keys, "99:0123456789abcdef", "x"])
    assert division.left_out.tolist() == [3]
    [note] = division.notes
    assert "rows 100, 'x', 8, which are not there any more or hold something else now" in note


def test_a_rows_key_is_of_what_it_holds() -> None:
    assert row_key(3, {"a": 1, "b": None}) == row_key(3, {"a": 1.0})
    assert row_key(3, {"a": 1}) != row_key(3, {"a": "1"})
    assert row_key(3, {"a": "\ud800"}).startswith("3:")
    assert len(row_key(12, {}).partition(":")[2]) == 16


def test_problems_are_left_out_by_their_kind() -> None:
    rows = many(60)
    rows[9] = dict(rows[2])
    rows[10] = {**rows[3], "text": ""}
    division = divided(rows, leave_out=["duplicates", "empty"])
    assert division.left_out.tolist() == [9, 10]


def test_what_is_measured_on_is_left_out_of_training_where_asked() -> None:
    rows, others = [{"text": f"the text {n}"} for n in range(50)], [{"text": "THE text: 7!"}]
    division = divided(source(train=rows, test=others), leave_out=["overlap"])
    assert division.left_out.tolist() == [7]
    assert 7 not in division.train
    assert division.evaluation.tolist() == [0]


def test_broken_lines_are_on_no_side(folder: Path) -> None:
    lines = [json.dumps(row) for row in many(40)]
    lines[5] = '{"text": '
    write(folder / "a.jsonl", "\n".join(lines))
    division = divided(table("a.jsonl", folder), where="label == 'a'", evaluation_share=0.5)
    for numbers in (division.train, division.evaluation, division.left_out):
        assert 5 not in numbers


def test_a_division_that_is_given_up_stops() -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Stopped):
        divide(source(train=memory_table(many(10))), DatasetSettings(), stopped, silent)


def test_keys_of_rows_that_are_no_keys_are_named_and_leave_nothing_out() -> None:
    keys = ["x", "9" * 5000 + ":a", "٣:aa", "1" * 30 + ":b", "-1:c", ""]
    division = divided([{"a": number} for number in range(9)], leave_out_rows=keys)
    assert len(division.left_out) == 0
    [note] = division.notes
    assert "are not left out" in note
    assert len(note) < 300


def test_a_group_of_all_rows_is_said_to_hold_none_out() -> None:
    division = divided([{"a": number, "who": "one"} for number in range(9)], group_by="who")
    assert (len(division.train), len(division.evaluation)) == (9, 0)
    assert any("the same who" in note for note in division.notes)
