"""What is known of one measured row: what was expected, what came, how sure the model was.

Knows rows and answers; knows nothing of metrics or of who answered.
"""

import math
from collections.abc import Sequence

import msgspec

from workbench.protocol import Values

__all__ = ["Reply", "chosen", "confidence_of", "kept"]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one row.

    `label_logprobs` are aligned with the labels of the measurement; `logprob` is that of the
    expected answer (all its `tokens` together, natural logarithm). What is None was not asked for.
    """

    number: int  # of the row in its table, from 0
    expected: str
    answer: str = ""
    values: Values = {}  # the row: for metrics that look at it; not kept in the store
    key: str = ""  # names the row by number and content, see data.splits.row_key
    label_logprobs: list[float] | None = None
    confidence: float | None = None  # probability of the chosen label, or of the written answer
    logprob: float | None = None
    tokens: int = 0
    grade: float | None = None  # the judge's
    reward: float | None = None  # the reward model's
    preferred: float | None = None  # 1: of two answers the right one, 0: the other, 0.5: neither
    problem: str = ""  # why there is no answer, or none that can be measured
    cached: bool = False


def chosen(logprobs: Sequence[float]) -> int:
    """The position of the likeliest label, the first of equals.

    A probability that is no number is never the likeliest."""
    return max(
        range(len(logprobs)),
        key=lambda n: -math.inf if math.isnan(logprobs[n]) else logprobs[n],
    )


def confidence_of(logprobs: Sequence[float]) -> float | None:
    """The probability of the likeliest label among the labels (softmax over them); None where no
    label has a probability."""
    numbers = [one for one in logprobs if not math.isnan(one)]
    highest = max(numbers, default=-math.inf)
    if not math.isfinite(highest):
        return None
    return 1 / sum(math.exp(one - highest) for one in numbers)


def kept(reply: Reply) -> Reply:
    """What the store keeps of a reply: all but the row's values, which the dataset has."""
    return msgspec.structs.replace(reply, values={})
