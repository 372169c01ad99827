"""ROUGE as rouge-score has it: the overlap of words, or of their longest common subsequence."""

import re
from collections.abc import Sequence
from typing import Literal

from workbench.measuring.metrics.metric import RowMetric
from workbench.measuring.replies import Reply

# Characters that are looked at: the time of ROUGE-L grows with their square.
LONGEST = {"rouge1": 100_000, "rouge2": 100_000, "rougeL": 10_000}
READ = re.compile("[a-zA-Z0-9]")


class Rouge(RowMetric):
    """The mean over rows of ROUGE's F (Lin, 2004), without stemming."""

    def __init__(self, name: Literal["rouge1", "rouge2", "rougeL"]) -> None:
        from rouge_score.rouge_scorer import RougeScorer

        self.name = name
        self.scorer = RougeScorer([name], use_stemmer=False)

    def score(self, reply: Reply) -> float | None:
        if reply.problem:
            return None
        longest = LONGEST[self.name]
        found = self.scorer.score(reply.expected[:longest], reply.answer[:longest])
        return float(found[self.name].fmeasure)

    def notes(self, replies: Sequence[Reply]) -> list[str]:
        there = [reply for reply in replies if not reply.problem]
        notes, longest = [], LONGEST[self.name]
        if unread := sum(not READ.search(reply.expected[:longest]) for reply in there):
            notes.append(
                f"{self.words} reads the letters a to z and digits only: {unread:,} expected "
                "answers have none of them and count as 0; use chrF for other scripts."
            )
        if long := sum(max(len(one.answer), len(one.expected)) > longest for one in there):
            notes.append(
                f"{self.words} looks at the first {longest:,} characters of {long:,} long texts."
            )
        return notes
