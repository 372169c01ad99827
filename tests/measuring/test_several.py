"""F1 of several labels beside scikit-learn, on the same answers."""

import random

import pytest
import sklearn.metrics
from sklearn.preprocessing import MultiLabelBinarizer

from tests.measuring.made import figures_of, measurement, replies_of
from workbench.measuring.comparison import compare
from workbench.measuring.metrics.several import labels_in

LABELS = ["art", "film", "music", "sport", "war"]
NAMES = ["multilabel_micro_f1", "multilabel_macro_f1", "subset_accuracy"]


def told(count: int, right: float, seed: int = 0) -> tuple[list[set[str]], list[set[str]]]:
    """Labels expected, and those answered: each is right with that probability."""
    draw = random.Random(seed)
    expected = [set(draw.sample(LABELS[:4], draw.randint(0, 3))) for _ in range(count)]
    answered = [
        {one for one in LABELS if (one in row) == (draw.random() < right)} for row in expected
    ]
    return expected, answered


def written(rows: list[set[str]], by: str = ", ") -> list[str]:
    return [by.join(sorted(row)) for row in rows]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("right", [0.5, 0.9, 1.0])
def test_figures_of_several_labels_are_scikit_learns(seed: int, right: float) -> None:
    expected, answered = told(80, right, seed)
    there = sorted(set().union(*expected, *answered))
    binary = MultiLabelBinarizer(classes=there).fit([there])
    truth, given = binary.transform(expected), binary.transform(answered)
    found = figures_of(replies_of(written(expected), written(answered)), NAMES)
    for name, average in zip(NAMES, ("micro", "macro"), strict=False):
        value = sklearn.metrics.f1_score(truth, given, average=average)
        assert found[name].value == pytest.approx(value, abs=1e-12)
        assert found[name].low <= found[name].value <= found[name].high
    assert found[NAMES[2]].value == pytest.approx(sklearn.metrics.accuracy_score(truth, given))


def test_labels_are_separated_by_commas_semicolons_bars_and_lines() -> None:
    assert labels_in(" art ,film;music|sport\n war,,") == set(LABELS)
    assert labels_in(" ") == set()


def test_better_labels_are_found_to_be_better() -> None:
    expected, bad = told(80, 0.6)
    _, good = told(80, 0.95)
    a = measurement(replies_of(written(expected), written(bad)), NAMES)
    b = measurement(replies_of(written(expected), written(good, " | ")), NAMES, name="second")
    for name in NAMES:
        made = compare(a, b, name)
        assert made.verdict.startswith("second is better")
        assert len(made.gained) > len(made.lost)
