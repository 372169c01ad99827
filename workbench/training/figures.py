"""Which figures the evaluations of a run give, as its settings say: known before it is loaded.

What only answers and rows can tell (a correlation of equal numbers, say) is seen at step 0.
"""

from typing import get_args

from workbench.relevance import ANSWERED
from workbench.runs import full_name
from workbench.session import Session, TrainingSettings
from workbench.settings import Metric
from workbench.training.errors import TrainingError

REWARDS = ("reward_accuracy", "reward_margin", "reward_chosen", "reward_rejected")
WITH_THE_LOSS: dict[str, tuple[str, ...]] = {
    "pretraining": ("perplexity", "bits_per_byte"),
    "masked_lm": ("masked_accuracy", "perplexity"),
    "dpo": REWARDS,
    "kto": REWARDS,
    "orpo": REWARDS,
    "reward": REWARDS,
    "grpo": ("reward", "reward_std", "completion_length", "completion_cut"),
}
OF_LABELS: dict[str, tuple[str, ...]] = {
    "single_label": ("accuracy", "macro_f1", "matthews"),
    "multi_label": ("micro_f1", "macro_f1", "subset_accuracy"),
    "regression": ("mae", "mse", "rmse", "pearson", "spearman"),
}
FEW = 8  # figures that are named one by one


def figures_of(session: Session) -> tuple[str, ...]:
    """Full names of all that may be among the figures. Task and kind of labels are chosen."""
    settings = session.training
    found = WITH_THE_LOSS.get(settings.task, ())
    if settings.task == "classification":
        found = OF_LABELS.get(settings.classification.problem_type, ())
    elif settings.task in ANSWERED and settings.metric_rows:
        found = tuple(session.evaluation.metrics) or get_args(Metric)
    return tuple(full_name(one) for one in ("loss", *found))


def check_metric(session: Session) -> None:
    """Raise TrainingError where no evaluation could say which checkpoint is the best."""
    settings = session.training
    metric, there = full_name(settings.metric_for_best_model), figures_of(session)
    if settings.evaluation_rows and metric not in there:
        raise TrainingError(not_given(settings, metric, there))


def not_given(settings: TrainingSettings, metric: str, there: tuple[str, ...]) -> str:
    """That a metric is none of the figures, and what to set."""
    few = len(there) <= FEW
    named = ", ".join(there) if few else "eval_loss, or eval_ and a metric of evaluation.metrics"
    answered = settings.task in (*ANSWERED, "auto") and not settings.metric_rows
    hint = ", or set training.metric_rows to measure answers" if answered else ""
    return (
        f"training.metric_for_best_model is {metric}, which no evaluation of this run gives (it "
        f"gives {named or 'none'}); set it to one of them{hint}."
    )
