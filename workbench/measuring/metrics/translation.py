"""BLEU, chrF and TER as sacrebleu has them: figures of the whole, not means of rows.

Counts come from sacrebleu, row by row; sums of them become the figure by the same formulas, for
thousands of draws at once. The value of a single row is sacrebleu's score of one sentence.
"""

from collections.abc import Sequence
from typing import Any

import numpy

from workbench.measuring.metrics.metric import Metric, Row, divided
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import Array

ORDER = 4  # of BLEU's n-grams
CHAR_ORDER = 6  # of chrF's
BETA = 2  # of chrF: recall counts twice as much as precision
# Characters that are looked at. sacrebleu's TER takes 7 s for a text of 300 words, 42 s for 1,000.
LONGEST = {"bleu": 100_000, "chrf": 100_000, "ter": 1_500}


class SacrebleuMetric(Metric):
    """A metric of sacrebleu with its default settings."""

    unit = "score"
    scored = False
    ceiling: float | None = 100.0

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer
        self.counted: dict[tuple[str, str], list[float]] = {}

    def counts_of(self, reply: Reply) -> list[float]:
        """What sacrebleu counts in one answer; counted once."""
        limit = LONGEST[self.name]
        pair = (clean(reply.answer[:limit]), clean(reply.expected[:limit]))
        if pair not in self.counted:
            # The only way to its counts, which its own significance tests take, too.
            found = self.scorer._extract_corpus_statistics([pair[0]], [[pair[1]]])
            self.counted[pair] = [float(one) for one in found[0]]
        return self.counted[pair]

    def score(self, reply: Reply) -> float | None:
        if reply.problem:
            return None
        return float(self.of(numpy.array(self.counts_of(reply))))

    def statistics(self, rows: Sequence[Row]) -> Array:
        return numpy.array([self.counts_of(reply) for reply, _ in rows], float)

    def notes(self, replies: Sequence[Reply]) -> list[str]:
        there = [reply for reply in replies if not reply.problem]
        if not there:
            return []
        limit = LONGEST[self.name]
        long = sum(max(len(reply.answer), len(reply.expected)) > limit for reply in there)
        cut = f"{self.words} looks at the first {limit:,} characters of {long:,} long texts."
        return [cut] if long else []

    def signature(self) -> str:
        return str(self.scorer.get_signature()) if self.counted else ""


class Bleu(SacrebleuMetric):
    """BLEU (Papineni et al., 2002) in the version of Post (2018). A row's value is that of one
    sentence, in which orders without a single n-gram do not count."""

    name = "bleu"

    def __init__(self) -> None:
        from sacrebleu.metrics.bleu import BLEU

        super().__init__(BLEU(force=True))

    def score(self, reply: Reply) -> float | None:
        if reply.problem:
            return None
        return float(bleu(numpy.array(self.counts_of(reply)), effective_order=True))

    def of(self, sums: Array) -> Array:
        return bleu(sums)

    def notes(self, replies: Sequence[Reply]) -> list[str]:
        unspaced = sum(without_spaces(reply.expected) for reply in replies)
        if 2 * unspaced <= len(replies) or not replies:
            return super().notes(replies)
        return [
            *super().notes(replies),
            "BLEU counts words between spaces, which most of these texts do not have: read chrF.",
        ]


class Chrf(SacrebleuMetric):
    """chrF (Popović, 2015): F2 of character n-grams of up to six characters."""

    name = "chrf"

    def __init__(self) -> None:
        from sacrebleu.metrics.chrf import CHRF

        super().__init__(CHRF(char_order=CHAR_ORDER, word_order=0, beta=BETA))

    def of(self, sums: Array) -> Array:
        parts = sums.reshape(*sums.shape[:-1], CHAR_ORDER, 3)
        answered, expected, both = parts[..., 0], parts[..., 1], parts[..., 2]
        counted = (answered > 0) & (expected > 0)
        orders = counted.sum(-1).astype(float)
        precision = divided((divided(both, answered) * counted).sum(-1), orders)
        recall = divided((divided(both, expected) * counted).sum(-1), orders)
        factor = BETA**2
        return 100 * divided((1 + factor) * precision * recall, factor * precision + recall)


class Ter(SacrebleuMetric):
    """The translation edit rate (Snover et al., 2006): edits for 100 expected words, moves of
    phrases among them. An empty expected answer costs 100 where anything was answered."""

    name = "ter"
    better = "lower"
    ceiling = None

    def __init__(self) -> None:
        from sacrebleu.metrics.ter import TER

        super().__init__(TER())

    def statistics(self, rows: Sequence[Row]) -> Array:
        """Edits and expected words. Where the value of a row is known they follow from it: to
        count edits again takes seconds for a long text."""
        limit, found = LONGEST[self.name], list[list[float]]()
        for reply, score in rows:
            text = self.scorer._preprocess_segment(clean(reply.expected[:limit]))
            words = len(text.split())
            if score is None or not words:
                found.append(self.counts_of(reply))
            else:
                found.append([round(score * words / 100), words])
        return numpy.array(found, float)

    def of(self, sums: Array) -> Array:
        edits, words = sums[..., 0], sums[..., 1]
        rate = divided(edits, words)
        return 100 * numpy.where(words > 0, rate, (edits > 0).astype(float))


def bleu(sums: Array, effective_order: bool = False) -> Array:
    """BLEU of sums of counts (length of the answers, of the expected ones, n-grams in both of each
    order, n-grams answered), smoothed exponentially as in sacrebleu."""
    length, expected = sums[..., 0], sums[..., 1]
    right, total = sums[..., 2 : 2 + ORDER], sums[..., 2 + ORDER :]
    missed = (right == 0) & (total > 0)
    smoothed = divided(numpy.ones_like(total), numpy.exp2(numpy.cumsum(missed, -1)) * total)
    precision = numpy.where(missed, smoothed, divided(right, total))
    there = total > 0
    logs = numpy.log(precision, out=numpy.zeros_like(precision), where=precision > 0)
    orders = there.sum(-1) if effective_order else numpy.full(there.shape[:-1], ORDER)
    score = numpy.exp(divided(logs.sum(-1), orders.astype(float)))
    if not effective_order:  # an order without n-grams makes it nothing
        score = numpy.where(there.all(-1), score, 0.0)
    ratio = divided(expected, length)
    brevity = numpy.where(length < expected, numpy.exp(1 - ratio), 1.0)
    return 100 * numpy.where(right.any(-1) & (length > 0), brevity * score, 0.0)


def clean(text: str) -> str:
    """The text without halves of characters (lone surrogates), which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def without_spaces(text: str) -> bool:
    """Whether a text is long for one that has no spaces, as in Chinese, Japanese and Thai."""
    return len(text) > 12 and len(text.split()) * 12 < len(text) and not text.isascii()
