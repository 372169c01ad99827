"""Perplexity: how surprised the model is by the expected answers."""

from collections.abc import Sequence

import numpy

from workbench.measuring.metrics.metric import Metric, Row, divided
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array

MOST = 700.0  # beyond it the exponential is no finite number


class Perplexity(Metric):
    """exp of the mean negative log-likelihood of a token, over all tokens of the expected answers,
    the ones that end them included. A row's value is the perplexity of its own answer."""

    name = "perplexity"
    unit = "ratio"
    better = "lower"
    floor, ceiling = 1.0, None
    needs = "likelihood"

    def score(self, reply: Reply) -> float | None:
        if reply.logprob is None or not reply.tokens:
            return None
        return float(numpy.exp(min(-reply.logprob / reply.tokens, MOST)))

    def statistics(self, rows: Sequence[Row]) -> Array:
        """The negative log-likelihood and the number of tokens: (rows, 2). One of minus infinity
        (a token that cannot come) is as large as a figure can show."""
        pairs = [(-(reply.logprob or 0.0), float(reply.tokens)) for reply, _ in rows]
        found = numpy.array(pairs, float).reshape(-1, 2)
        found[:, 0] = numpy.minimum(found[:, 0], MOST * found[:, 1])
        return found

    def of(self, sums: Array) -> Array:
        return numpy.exp(numpy.minimum(divided(sums[..., 0], sums[..., 1]), MOST))
