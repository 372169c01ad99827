"""Metrics of whole texts: an answer equals the expected one, or contains it."""

import unicodedata

from workbench.measuring.metrics.metric import RowMetric
from workbench.measuring.replies import Reply
from workbench.session import EvaluationSettings


class Comparison:
    """How texts are compared: spaces around them aside, and what the settings ignore."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self.ignore_case = settings.ignore_case
        self.ignore_punctuation = settings.ignore_punctuation

    def plain(self, text: str) -> str:
        """The text as it is compared: case folded as Unicode says, without characters of Unicode's
        punctuation classes and the spaces that these leave doubled."""
        if self.ignore_case:
            text = text.casefold()
        if self.ignore_punctuation:
            kept = (one for one in text if not unicodedata.category(one).startswith("P"))
            return " ".join("".join(kept).split())
        return text.strip()

    def equal(self, reply: Reply) -> bool:
        return self.plain(reply.answer) == self.plain(reply.expected)


class ExactMatch(RowMetric):
    """The share of answers that equal the expected one."""

    name = "exact_match"
    binary = True

    def __init__(self, settings: EvaluationSettings) -> None:
        self.comparison = Comparison(settings)

    def score(self, reply: Reply) -> float | None:
        return float(self.comparison.equal(reply))


class Contains(RowMetric):
    """The share of answers that contain the expected one. An expected answer of nothing is
    contained in an answer of nothing only."""

    name = "contains"
    binary = True

    def __init__(self, settings: EvaluationSettings) -> None:
        self.comparison = Comparison(settings)

    def score(self, reply: Reply) -> float | None:
        expected = self.comparison.plain(reply.expected)
        answer = self.comparison.plain(reply.answer)
        return float(expected in answer if expected else not answer)
