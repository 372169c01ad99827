"""How good a classifier's answers are, from its logits.

The figures are those of scikit-learn and SciPy on the same answers, by the functions that
measurements use: a run and `workbench eval` tell the same.
"""

import numpy
import torch

from workbench.inference.heads import Head
from workbench.measuring.metrics.classes import matthews
from workbench.measuring.metrics.f1 import macro_f1, micro_f1
from workbench.measuring.metrics.numbers import correlation_of, of_ranks, of_values

Array = numpy.ndarray


def scores(
    head: Head, logits: torch.Tensor, labels: torch.Tensor, threshold: float
) -> dict[str, float]:
    """Figures by name, for logits [rows, outputs] and what is right.

    Of one label: accuracy, macro_f1, matthews. Of several: micro_f1, macro_f1 and subset_accuracy
    (all labels of a row right), each given from `threshold` on; the macro F1 is over labels that
    occur, see `metrics.f1`. Of numbers: pearson, spearman, mae, mse, rmse; without a correlation
    where all numbers are equal.
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
    return {
        "accuracy": float(hits.sum() / table.sum()),
        "macro_f1": float(macro_f1(hits, expected + given)),
        "matthews": float(matthews(hits, given, expected)),
    }


def of_several(answered: Array, right: Array) -> dict[str, float]:
    hits = (answered & right).sum(0)
    both = answered.sum(0) + right.sum(0)
    return {
        "micro_f1": float(micro_f1(hits, both)),
        "macro_f1": float(macro_f1(hits, both)),
        "subset_accuracy": float((answered == right).all(1).mean()),
    }


def of_numbers(answered: Array, right: Array) -> dict[str, float]:
    off = answered - right
    squared = float((off**2).mean())
    found = {"mae": float(numpy.abs(off).mean()), "mse": squared, "rmse": squared**0.5}
    if len(right) > 1 and numpy.ptp(answered) > 0 and numpy.ptp(right) > 0:
        found["pearson"] = float(correlation_of(of_values(answered, right).sum(0)))
        found["spearman"] = float(correlation_of(of_ranks(answered, right).sum(0)))
    return found
