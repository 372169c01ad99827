"""How good a classifier's answers are, from its logits.

The figures are those of scikit-learn and SciPy on the same answers.
"""

import numpy
import torch

from workbench.inference.heads import Head

Array = numpy.ndarray


def scores(
    head: Head, logits: torch.Tensor, labels: torch.Tensor, threshold: float
) -> dict[str, float]:
    """Figures by name, for logits [rows, outputs] and what is right.

    Of one label: accuracy, macro_f1, matthews. Of several: micro_f1, macro_f1 and subset_accuracy
    (all labels of a row right), each given from `threshold` on. Of numbers: pearson, spearman, mae,
    mse; without a correlation where all numbers are equal.
    """
    match head.problem:
        case "regression":
            return of_numbers(logits[:, 0].double().numpy(), labels.double().numpy())
        case "multi_label":
            return of_several(logits.sigmoid().numpy() >= threshold, labels.numpy() > 0.5)
    return of_one(logits.argmax(-1).numpy(), labels.numpy(), head.outputs)


def of_one(answered: Array, right: Array, count: int) -> dict[str, float]:
    table = numpy.zeros((count, count))
    numpy.add.at(table, (right, answered), 1)
    hits, expected, given = numpy.diag(table), table.sum(1), table.sum(0)
    rows = table.sum()
    there = (expected + given) > 0
    covariance = hits.sum() * rows - (expected * given).sum()
    spread = (rows**2 - (given**2).sum()) * (rows**2 - (expected**2).sum())
    return {
        "accuracy": float(hits.sum() / rows),
        "macro_f1": float((2 * hits[there] / (expected + given)[there]).mean()),
        "matthews": float(covariance / spread**0.5) if spread > 0 else 0.0,
    }


def of_several(answered: Array, right: Array) -> dict[str, float]:
    hits = (answered & right).sum(0)
    both = answered.sum(0) + right.sum(0)
    each = numpy.where(both > 0, 2 * hits / numpy.maximum(both, 1), 0.0)
    return {
        "micro_f1": float(2 * hits.sum() / max(both.sum(), 1)),
        "macro_f1": float(each.mean()),
        "subset_accuracy": float((answered == right).all(1).mean()),
    }


def of_numbers(answered: Array, right: Array) -> dict[str, float]:
    off = answered - right
    found = {"mae": float(numpy.abs(off).mean()), "mse": float((off**2).mean())}
    if len(right) > 1 and numpy.ptp(answered) > 0 and numpy.ptp(right) > 0:
        found["pearson"] = correlation(answered, right)
        found["spearman"] = correlation(ranks(answered), ranks(right))
    return found


def correlation(one: Array, other: Array) -> float:
    return float(numpy.corrcoef(one, other)[0, 1])


def ranks(values: Array) -> Array:
    """Places in order, equal values sharing the mean of theirs."""
    _, where, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (ends - (counts - 1) / 2)[where]
