"""Few-shot sets against a model's leaning: many a small model answers what it saw last or most, and
so gives one answer to nearly every row, whatever the examples teach it otherwise.

Zhao et al. (2021), "Calibrate Before Use", describe the leaning; here it is met with the prompt's
own means: which answers the examples have, and which stand last. Knows answers and keys of rows.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.searching.objective import Outcome

MUCH = 0.12  # of the rows, that an answer is given too often


@dataclass(frozen=True)
class Leaning:
    """`over` was answered to `amount` (0 … 1) more of the rows than it is right for, `under` is the
    answer that came too seldom."""

    over: str
    under: str
    amount: float


def leaning(outcomes: Sequence[Outcome], labels: Sequence[str]) -> Leaning | None:
    """How answers lean; None where they do not much, or are no labels."""
    if not labels or not outcomes:
        return None
    given = Counter(one.answer for one in outcomes)
    right = Counter(one.expected for one in outcomes)
    excess = {label: (given[label] - right[label]) / len(outcomes) for label in labels}
    over, under = max(labels, key=lambda one: excess[one]), min(labels, key=lambda one: excess[one])
    return Leaning(over, under, excess[over]) if excess[over] >= MUCH else None


def against(
    keys: Sequence[str], answers: dict[str, str], leans: Leaning, dice: random.Random
) -> list[str]:
    """The same examples, some of the answer that comes too seldom nearer to the end."""
    behind = [key for key in keys if answers.get(key) == leans.under]
    moved = dice.sample(behind, dice.randint(1, len(behind))) if behind else []
    moved = moved[: max(1, len(keys) // 4)]
    rest = [key for key in keys if key not in moved]
    place = dice.randint(max(0, len(rest) - 2), len(rest))
    return [*rest[:place], *moved, *rest[place:]]


def shares(
    labels: Sequence[str], count: int, leans: Leaning | None, dice: random.Random
) -> list[str]:
    """Answers of so many examples in shares that are drawn, not equal: more of `leans.under` where
    it is known what comes too seldom."""
    weights = [dice.gammavariate(2.0, 1.0) for _ in labels]  # a Dirichlet draw, once normalised
    if leans is not None:
        most = max(weights)
        weights = [
            most * 1.5 if label == leans.under else one
            for label, one in zip(labels, weights, strict=True)
        ]
    return dice.choices(list(labels), weights, k=count)
