"""Development rows: apart from examples, each answer in its share."""

from collections import Counter

import numpy
import pytest

from tests.searching.made_up import START, development, pool
from workbench.catalogue import SourceError
from workbench.data.formats import WORDING
from workbench.data.selection import Selection
from workbench.data.sources import memory_table
from workbench.searching.development import develop


def test_rows_and_pool_share_nothing_and_are_all_there_is() -> None:
    made = development(100)
    rows, rest = set(made.rows.numbers.tolist()), set(made.pool.numbers.tolist())
    assert not rows & rest
    assert rows | rest == set(range(400))
    assert len(rows) == 100
    assert sorted(made.order) == list(range(100))


def test_every_beginning_of_the_order_has_the_answers_in_their_shares() -> None:
    made = development(100)
    answers = [made.rows[position]["label"] for position in made.order]
    for count in (8, 20, 40, 100):
        share = Counter(answers[:count])["positive"] / count
        assert abs(share - 0.25) <= 1 / count + 0.03


def test_a_rare_answer_is_among_them() -> None:
    rows = [{"text": f"t{n}", "label": "rare" if n % 200 == 7 else "usual"} for n in range(1000)]
    table = memory_table(rows)
    for seed in range(5):
        made = develop(START, WORDING, Selection(table, numpy.arange(1000)), 50, seed)
        labels = Counter(row["label"] for row in made.rows)
        assert labels["rare"] == 1
        assert made.labels == ["rare", "usual"]


def test_of_few_rows_at_most_half_are_taken() -> None:
    made = develop(START, WORDING, pool(20), 150, 0)
    assert (len(made.rows), len(made.pool)) == (10, 10)


def test_too_few_rows_are_a_sentence() -> None:
    with pytest.raises(SourceError, match="at least 8 rows"):
        develop(START, WORDING, pool(5), 150, 0)


def test_the_seed_decides() -> None:
    one, again, other = (development(50, seed).rows.numbers.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_free_text_answers_are_no_labels() -> None:
    rows = [{"text": f"t{n}", "label": f"answer {n}"} for n in range(100)]
    made = develop(START, WORDING, Selection(memory_table(rows), numpy.arange(100)), 30, 0)
    assert made.labels == []
    assert len(made.rows) == 30
