"""The figures of a run's evaluation and those of a measurement, of the same answers."""

import numpy
import pytest
import sklearn.metrics
import torch

from tests.measuring.made import figures_of, replies_of
from workbench.inference.heads import Head
from workbench.training.scores import scores

LABELS = ("art", "film", "music", "sport", "war")


def assert_same(run: dict[str, float], measured: dict[str, float], names: set[str]) -> None:
    assert run.keys() & measured.keys() == names
    for name in names:
        assert run[name] == pytest.approx(measured[name], abs=1e-12), name


@pytest.mark.parametrize("among", [1, 3, 5])
def test_of_one_label(among: int) -> None:
    """Of labels that all occur, and of some that are neither right nor answered in any row."""
    random = torch.Generator().manual_seed(among)
    logits = torch.randn(70, 5, generator=random)
    logits[:, among:] -= 100
    right = torch.randint(0, among, (70,), generator=random)
    run = scores(Head("classifier", LABELS), logits, right, 0.5)
    answered = [LABELS[one] for one in logits.argmax(-1)]
    names = ["accuracy", "macro_f1", "matthews"]
    found = figures_of(replies_of([LABELS[one] for one in right], answered), names, LABELS)
    assert_same(run, {name: one.value for name, one in found.items()}, set(names))


@pytest.mark.parametrize("among", [0, 1, 4, 5])
def test_of_several_labels(among: int) -> None:
    random = torch.Generator().manual_seed(among)
    logits = torch.randn(70, 5, generator=random)
    logits[:, among:] -= 100
    right = (torch.rand(70, 5, generator=random) > 0.7).float()
    right[:, among:] = 0
    run = scores(Head("classifier", LABELS, "multi_label"), logits, right, 0.4)

    def written(table: torch.Tensor) -> list[str]:
        return [
            ", ".join(one for one, there in zip(LABELS, row, strict=True) if there)
            for row in table.tolist()
        ]

    given = logits.sigmoid() >= 0.4
    names = ["multilabel_micro_f1", "multilabel_macro_f1", "subset_accuracy"]
    found = figures_of(replies_of(written(right > 0), written(given)), names)
    measured = {name.removeprefix("multilabel_"): one.value for name, one in found.items()}
    assert_same(run, measured, {"micro_f1", "macro_f1", "subset_accuracy"})
    if among:
        undefined = sklearn.metrics.f1_score(right, given, average="macro", zero_division=numpy.nan)
        assert run["macro_f1"] == pytest.approx(undefined)


@pytest.mark.parametrize("count", [2, 50, 900])
def test_of_numbers(count: int) -> None:
    """With one decimal, so that some are equal; of many rows `spearman` keeps their ranks."""
    random = torch.Generator().manual_seed(count)
    right = torch.randn(count, generator=random, dtype=torch.float64).round(decimals=1)
    off = torch.randn(count, generator=random, dtype=torch.float64)
    answered = (right + off).round(decimals=1)
    run = scores(Head("classifier", (), "regression"), answered[:, None], right, 0.5)
    names = ["mae", "rmse", "pearson", "spearman"]
    replies = replies_of(*([str(one) for one in side.tolist()] for side in (right, answered)))
    found = figures_of(replies, names)
    assert_same(run, {name: one.value for name, one in found.items()}, set(names))
