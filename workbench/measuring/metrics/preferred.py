"""Whether the right one of a row's two answers is preferred."""

from workbench.measuring.metrics.metric import RowMetric
from workbench.measuring.replies import Reply


class Preferred(RowMetric):
    """The share of rows whose chosen answer is preferred to the rejected one; where neither is, a
    row counts as half of one."""

    name = "preferred"
    needs = "pair"
    binary = True

    def score(self, reply: Reply) -> float | None:
        return reply.preferred
