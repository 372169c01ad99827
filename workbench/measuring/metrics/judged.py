"""The grades that a judge gave."""

from workbench.measuring.metrics.metric import RowMetric
from workbench.measuring.replies import Reply
from workbench.session import JudgeSettings


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
