"""Which metrics a measurement has: those that are asked for, else as the answers are."""

import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.prompting import PromptError
from workbench.measuring.metrics.calibration import Calibration
from workbench.measuring.metrics.classes import Accuracy, MacroF1, Matthews
from workbench.measuring.metrics.function import Own
from workbench.measuring.metrics.judged import Judged, Rewarded, reward_model_of
from workbench.measuring.metrics.likelihood import Perplexity
from workbench.measuring.metrics.metric import Metric
from workbench.measuring.metrics.numbers import AbsoluteError, Pearson, RootSquaredError, Spearman
from workbench.measuring.metrics.patterns import Matches, check_pattern
from workbench.measuring.metrics.preferred import Preferred
from workbench.measuring.metrics.rouge import Rouge
from workbench.measuring.metrics.schema import OfSchema
from workbench.measuring.metrics.several import MeanF1, MicroF1, SubsetAccuracy
from workbench.measuring.metrics.texts import Comparison, Contains, ExactMatch
from workbench.measuring.metrics.translation import Bleu, Chrf, Ter
from workbench.session import EvaluationSettings
from workbench.session import Metric as MetricName

if TYPE_CHECKING:
    from workbench.inference.heads import Problem

SENTENCE = 5  # words from which on an answer is worded freely: it is hardly ever met exactly
TEXT = 60  # words from which on it is a text


def choose_metrics(
    settings: EvaluationSettings,
    labels: Sequence[str],
    expected: Sequence[str],
    folder: Path = Path(),
    problem: "Problem" = "single_label",
) -> list[Metric]:
    """The metrics of a measurement, the one that decides first.

    Where none is asked for: accuracy, macro F1, Matthews and calibration for `labels`; errors and
    correlations for a classifier's numbers, and where all `expected` answers are numbers and some
    have decimals; F1 and all labels right for its several labels; exact match for short answers;
    chrF, BLEU and exact match for sentences; ROUGE-L, chrF and exact match for texts, by the median
    number of words of the expected answers. Files are seen from `folder`.

    Raises:
        PromptError: when a metric lacks what it takes, see `make`.
    """
    names = list(dict.fromkeys(settings.metrics)) or usual(labels, expected, problem)
    return [make(name, settings, labels, folder) for name in names]


def usual(
    labels: Sequence[str], expected: Sequence[str], problem: "Problem" = "single_label"
) -> list[MetricName]:
    if labels:
        return ["accuracy", "macro_f1", "matthews", "calibration"]
    if problem == "multi_label":
        return ["multilabel_micro_f1", "multilabel_macro_f1", "subset_accuracy"]
    if problem == "regression" or are_measures(expected):
        return ["mae", "rmse", "pearson", "spearman"]
    words = statistics.median([len(one.split()) for one in expected] or [0])
    if words < SENTENCE:
        return ["exact_match"]
    return ["chrf", "bleu", "exact_match"] if words < TEXT else ["rougeL", "chrf", "exact_match"]


def are_measures(expected: Sequence[str]) -> bool:
    """Whether all of them are numbers, and some with decimals: whole numbers may be right or wrong,
    as the results of sums are."""
    if not expected or not all(re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", one) for one in expected):
        return False
    return any(float(one) % 1 for one in expected)


# Metrics that need nothing but the answers.
PLAIN: dict[str, Callable[[], Metric]] = {
    "bleu": Bleu,
    "chrf": Chrf,
    "ter": Ter,
    "mae": AbsoluteError,
    "rmse": RootSquaredError,
    "pearson": Pearson,
    "spearman": Spearman,
    "multilabel_micro_f1": MicroF1,
    "multilabel_macro_f1": MeanF1,
    "subset_accuracy": SubsetAccuracy,
    "perplexity": Perplexity,
    "preferred": Preferred,
}


def make(  # noqa: PLR0911, PLR0912 - one case a metric
    name: MetricName, settings: EvaluationSettings, labels: Sequence[str], folder: Path
) -> Metric:
    """A metric by its name.

    Raises:
        PromptError: when it has no labels, pattern, schema or function, or none that can be used.
    """
    match name:
        case "accuracy":
            return Accuracy(labels)
        case "macro_f1" | "matthews":
            if not labels:
                raise PromptError(
                    f"The metric {name} needs labels to choose among; set evaluation.labels, or "
                    "leave it out of evaluation.metrics."
                )
            return MacroF1(labels) if name == "macro_f1" else Matthews(labels)
        case "exact_match":
            return ExactMatch(settings)
        case "contains":
            return Contains(settings)
        case "regex":
            return Matches(settings.pattern)
        case "json_schema":
            return OfSchema(settings.json_schema, folder)
        case "function":
            return Own(settings.function, folder)
        case "rouge1" | "rouge2" | "rougeL":
            return Rouge(name)
        case "calibration":
            # Of labels what accuracy calls right, else what exact match does.
            return Calibration(Comparison(EvaluationSettings() if labels else settings).equal)
        case "judge":
            return Judged(settings.judge)
        case "reward":
            reward_model_of(settings)
            return Rewarded()
        case _:
            return PLAIN[name]()


def check(settings: EvaluationSettings, columns: Sequence[str], folder: Path = Path()) -> None:
    """Whether all that the metrics asked for take is there, before the first row is asked: the
    pattern and its variables, the schema, the function.

    Raises:
        PromptError: a sentence that says what is wrong, and where.
    """
    for name in settings.metrics:
        if name in ("macro_f1", "matthews"):  # labels may be found in the rows
            continue
        metric = make(name, settings, (), folder)
        try:
            if name == "regex":
                check_pattern(settings.pattern, list(columns))
            if isinstance(metric, Own):
                metric.start()
        finally:
            metric.close()
    if "judge" in settings.metrics and settings.judge.lowest >= settings.judge.highest:
        raise PromptError(
            f"The judge's scale goes from {settings.judge.lowest} to {settings.judge.highest}; "
            "set evaluation.judge.lowest below evaluation.judge.highest."
        )
