"""A race against the best prompt so far: a challenger is measured on more and more rows, and
dropped as soon as it is probably worse.

After ROAR's intensification (Hutter, Hoos and Leyton-Brown, "Sequential Model-Based Optimization
for General Algorithm Configuration", 2011): the best so far has been measured on all rows, so at
every moment there is one to keep. A look compares the same rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workbench.searching.objective import Ledger, mean, standard_error
from workbench.session import Prompt

FIRST = 20  # rows of the first look
# How many standard errors the challenger's difference may lie below zero, look by look: a good one
# is seldom dropped early for bad luck, and a middling one does not see all rows.
SLACK = (1.5, 0.75, 0.0)


@dataclass(frozen=True)
class Heat:
    """What a race came to."""

    values: list[float]  # of the challenger, on the first rows of the order
    dropped: bool  # before all rows were seen, or it is no better on all of them


def looks(rows: int) -> Iterator[int]:
    """Numbers of rows after which one looks: doubling, the last is all."""
    seen = FIRST
    while seen < rows * 0.75:
        yield seen
        seen *= 2
    yield rows


def race(
    ledger: Ledger,
    challenger: Prompt,
    best: Sequence[float],
    order: Sequence[int],
    seen: Callable[[list[float]], None],
) -> Heat:
    """Measure a challenger against the best, whose values are in the `order` of the rows; `seen` is
    told what is known after each look.

    Raises:
        PromptError, ModelError, Stopped: as the objective.
    """
    values: list[float] = []
    for look, rows in enumerate(looks(len(order))):
        values = ledger.values(challenger, order[:rows])
        seen(values)
        gain = [new - old for new, old in zip(values, best, strict=False)]
        slack = SLACK[min(look, len(SLACK) - 1)]
        if rows < len(order) and mean(gain) + slack * standard_error(gain) < 0:
            return Heat(values, dropped=True)
    return Heat(values, dropped=mean(values) <= mean(best))
