"""Which rows stand before a row as examples."""

from collections import Counter
from typing import Any

import numpy
import pytest
from msgspec.structs import replace

from tests.prompting.pools import PROMPT, CountingTable, pool_of, review_pool, shots
from workbench.data import prompting
from workbench.data.selection import Selection
from workbench.data.splits import row_key
from workbench.session import ExampleSettings, Prompt

CHOICES: list[Any] = ["first", "random", "balanced"]
OTHER = {"text": "A film that is not among them.", "label": "positive"}


def numbers(found: list[tuple[int, Any]]) -> list[int]:
    return [number for number, _ in found]


def test_the_first_are_the_pools_first_in_order() -> None:
    pool = pool_of([{"text": f"t{n}", "label": "x"} for n in range(20)], [3, 5, 8, 13])
    assert numbers(shots(pool, ExampleSettings(choose="first", count=3)).for_row(OTHER)) == [
        3,
        5,
        8,
    ]


@pytest.mark.parametrize("choose", CHOICES)
def test_the_same_seed_gives_the_same_examples_and_another_others(choose: Any) -> None:
    one = ExampleSettings(choose=choose, count=8, seed=3)
    again = [numbers(shots(review_pool(), one).for_row(OTHER)) for _ in range(2)]
    assert again[0] == again[1]
    other = shots(review_pool(), replace(one, seed=4)).for_row(OTHER)
    assert (numbers(other) != again[0]) == (choose != "first")


def test_what_is_drawn_for_few_begins_what_is_drawn_for_many() -> None:
    few = shots(review_pool(), ExampleSettings(choose="random", count=4)).for_row(OTHER)
    many = shots(review_pool(), ExampleSettings(choose="random", count=16)).for_row(OTHER)
    assert numbers(many)[:4] == numbers(few)


def test_random_draws_reach_every_row_alike() -> None:
    pool = pool_of([{"text": f"t{n}", "label": "x"} for n in range(30)])
    drawn = Counter(
        number
        for seed in range(300)
        for number in numbers(shots(pool, ExampleSettings(count=5, seed=seed)).for_row(OTHER))
    )
    assert set(drawn) == set(range(30))
    # 50 expected of each; five standard deviations of a binomial of 300 and 1/6
    assert all(abs(count - 50) < 33 for count in drawn.values())


@pytest.mark.parametrize("count", [2, 7, 16])
def test_balanced_examples_have_as_many_of_each_answer(count: int) -> None:
    rows = [{"text": f"t{n}", "label": "rare" if n % 10 == 0 else "usual"} for n in range(400)]
    found = shots(pool_of(rows), ExampleSettings(choose="balanced", count=count)).for_row(OTHER)
    answers = Counter(row["label"] for _, row in found)
    assert sum(answers.values()) == count
    assert max(answers.values()) - min(answers.values()) == count % 2


def test_balanced_examples_stand_in_a_random_order() -> None:
    rows = [{"text": f"t{n}", "label": "ab"[n % 2]} for n in range(200)]
    orders = {
        "".join(
            row["label"]
            for _, row in shots(
                pool_of(rows), ExampleSettings(choose="balanced", count=8, seed=seed)
            ).for_row(OTHER)
        )
        for seed in range(12)
    }
    assert len(orders) > 6


def test_more_answers_than_examples_gives_each_another_answer() -> None:
    rows = [{"text": f"t{n}", "label": f"class {n % 10}"} for n in range(300)]
    made = shots(pool_of(rows), ExampleSettings(choose="balanced", count=4))
    assert len({row["label"] for _, row in made.for_row(OTHER)}) == 4
    assert "each with another answer" in made.describe()


def test_free_text_cannot_be_balanced_and_is_said_to_be_drawn() -> None:
    rows = [{"text": f"t{n}", "label": f"answer {n}"} for n in range(100)]
    made = shots(pool_of(rows), ExampleSettings(choose="balanced", count=4))
    assert len(made.for_row(OTHER)) == 4
    assert "free text" in made.describe()


def test_an_answer_that_is_rare_is_filled_up_and_said() -> None:
    rows = [{"text": f"t{n}", "label": "rare" if n == 7 else "usual"} for n in range(100)]
    made = shots(pool_of(rows), ExampleSettings(choose="balanced", count=6))
    assert len(made.for_row(OTHER)) == 6
    assert "“rare”" in made.describe() or '"rare"' in made.describe()


@pytest.mark.parametrize("choose", CHOICES)
def test_a_row_is_never_an_example_for_itself(choose: Any) -> None:
    pool = review_pool(40)
    made = shots(pool, ExampleSettings(choose=choose, count=6))
    usual = numbers(made.for_row(OTHER))
    for number, row in enumerate(pool):
        by_number = numbers(made.for_row({"text": "changed since", "label": "x"}, number))
        by_content = numbers(made.for_row(row))
        for found in (by_number, by_content):
            assert number not in found
            assert len(found) == 6
            if number not in usual:
                assert found == usual


def test_another_row_that_asks_the_same_is_no_example_either() -> None:
    rows = [
        {"id": n, "text": "the same" if n in (2, 5) else f"t{n}", "label": "x"} for n in range(9)
    ]
    made = shots(pool_of(rows), ExampleSettings(choose="first", count=9))
    assert numbers(made.for_row(rows[2], 2)) == [0, 1, 3, 4, 6, 7, 8]
    # and of two alike only one is shown
    assert len([one for one in numbers(made.for_row(OTHER)) if one in (2, 5)]) == 1


def test_the_row_that_takes_its_place_has_the_same_answer() -> None:
    rows = [{"text": f"t{n}", "label": "ab"[n % 2]} for n in range(60)]
    made = shots(pool_of(rows), ExampleSettings(choose="balanced", count=6))
    for number, row in made.for_row(OTHER):
        again = Counter(one["label"] for _, one in made.for_row(row, number))
        assert again == {"a": 3, "b": 3}


def test_rows_without_an_answer_or_that_fill_no_template_are_passed_over() -> None:
    rows: list[dict[str, Any]] = [
        {"text": "no answer", "label": ""},
        {"text": "none", "label": None},
        {"label": "no text"},
        {"text": "good", "label": "x"},
        {"text": "fine", "label": "y"},
    ]
    made = shots(pool_of(rows), ExampleSettings(choose="first", count=4))
    assert numbers(made.for_row(OTHER)) == [3, 4]
    assert "Only 2 of 4" in made.describe()


def test_picked_rows_stand_in_the_persons_order() -> None:
    pool = review_pool(20)
    keys = [row_key(number, pool[number]) for number in (11, 4, 7)]
    made = shots(pool, ExampleSettings(choose="picked", count=0, rows=keys))
    assert numbers(made.for_row(OTHER)) == [11, 4, 7]
    assert numbers(made.for_row(pool[4], 4)) == [11, 7]


def test_a_picked_row_that_is_gone_or_changed_or_measured_on_is_said() -> None:
    rows = [{"text": f"t{n}", "label": "x"} for n in range(20)]
    pool = pool_of(rows, list(range(10)))  # the others are measured on
    keys = [row_key(2, rows[2]), row_key(3, rows[4]), "99:abcdef", "x", row_key(15, rows[15])]
    made = shots(pool, ExampleSettings(choose="picked", rows=keys))
    assert numbers(made.for_row(OTHER)) == [2]
    words = made.describe()
    assert "row" in words
    assert "4" in words  # number 3, as a person counts
    assert "100" in words
    assert "16 is not among those to train on" in words


def test_keys_name_rows_as_those_that_are_left_out_are_named() -> None:
    pool = review_pool(8)
    made = shots(pool, ExampleSettings(choose="random", count=3))
    keys = [made.key(*one) for one in made.for_row(OTHER)]
    again = shots(pool, ExampleSettings(choose="picked", rows=keys))
    assert again.for_row(OTHER) == made.for_row(OTHER)


def test_without_a_completion_or_a_template_it_is_said_why_there_are_none() -> None:
    some = ExampleSettings(count=4)
    without = shots(review_pool(), some, replace(PROMPT, completion=""))
    assert without.for_row(OTHER) == []
    assert "no completion" in without.describe()
    empty = shots(review_pool(), some, Prompt(completion="{{ label }}"))
    assert empty.for_row(OTHER) == []
    assert "no template" in empty.describe()


def test_no_examples_read_nothing() -> None:
    table = CountingTable(1_000_000)
    pool = Selection(table, numpy.arange(1_000_000))  # type: ignore[arg-type]
    assert shots(pool, ExampleSettings(count=0)).for_row(OTHER) == []
    assert table.read_rows == 0


@pytest.mark.parametrize(("choose", "most"), [("first", 100), ("random", 100), ("balanced", 2_100)])
def test_of_a_million_rows_only_a_few_are_read(choose: Any, most: int) -> None:
    table = CountingTable(1_000_000)
    pool = Selection(table, numpy.arange(1_000_000, dtype=numpy.int32))  # type: ignore[arg-type]
    made = shots(pool, ExampleSettings(choose=choose, count=16))
    assert len(made.for_row(OTHER)) == 16
    for number in range(200):
        made.for_row({"text": f"review {number}", "label": "x"}, number)
    assert table.read_rows <= most
    # A prompt is worded anew with every key: its rows are not read anew.
    before = table.read_rows
    again = shots(
        pool, ExampleSettings(choose=choose, count=16), replace(PROMPT, template="{{text}}")
    )
    assert numbers(again.for_row(OTHER)) == numbers(made.for_row(OTHER))
    assert table.read_rows == before


def test_a_pool_without_a_usable_row_is_given_up_early() -> None:
    table = CountingTable(1_000_000)
    pool = Selection(table, numpy.arange(1_000_000))  # type: ignore[arg-type]
    made = shots(pool, ExampleSettings(count=4), replace(PROMPT, completion="{{ missing }}"))
    assert made.for_row(OTHER) == []
    assert table.read_rows < 3_000


def test_a_template_that_never_ends_is_tried_once() -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    made = shots(review_pool(), ExampleSettings(count=4), replace(PROMPT, template=endless))
    with pytest.raises(prompting.PromptError, match="runs for more than"):
        made.for_row(OTHER)


def test_examples_make_the_prompt_that_the_model_gets() -> None:
    made = shots(review_pool(), ExampleSettings(count=2))
    found = made.for_row(OTHER)
    turns = prompting.messages(PROMPT, OTHER, [row for _, row in found])
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2 + ["user"]
    assert [turn["content"] for turn in turns[1::2]] == [row["label"] for _, row in found]
