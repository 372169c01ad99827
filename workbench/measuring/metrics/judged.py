"""The grades that a judge gave, and the scores of a reward model."""

from workbench.data.prompting import PromptError
from workbench.measuring.metrics.metric import RowMetric
from workbench.measuring.replies import Reply
from workbench.session import EvaluationSettings, JudgeSettings


class Judged(RowMetric):
    """The mean grade, on the judge's scale."""

    name = "judge"
    unit = "score"
    needs = "grade"
    against = False

    def __init__(self, settings: JudgeSettings) -> None:
        self.floor, self.ceiling = float(settings.lowest), float(settings.highest)

    def score(self, reply: Reply) -> float | None:
        return reply.grade


def reward_model_of(settings: EvaluationSettings) -> str:
    """The reward model that the settings name.

    Raises:
        PromptError: where they name none.
    """
    if not (name := settings.reward_model.strip()):
        raise PromptError(
            "The metric reward has no model; set evaluation.reward_model to a run of the task "
            "reward, or a folder of a reward model."
        )
    return name


class Rewarded(RowMetric):
    """The mean of the numbers that a reward model gives; they have no limits."""

    name = "reward"
    unit = "score"
    needs = "reward"
    against = False
    floor = ceiling = None

    def score(self, reply: Reply) -> float | None:
        return reply.reward
