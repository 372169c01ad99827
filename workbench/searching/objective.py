"""What a search optimises: a prompt's figure on single development rows, each asked once.

Knows prompts, positions of rows and figures; knows nothing of models, metrics or datasets.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import msgspec

from workbench.measuring.statistics import NORMAL_95, wilson
from workbench.protocol import CandidateTried
from workbench.session import Prompt

OnCandidate = Callable[[CandidateTried], None]


@dataclass(frozen=True)
class Outcome:
    """How a prompt did on one row; `value` is of the metric, higher is better."""

    value: float
    question: str = ""  # the user's turn, filled: a reflector reads it
    answer: str = ""
    expected: str = ""
    problem: str = ""  # why there is no answer; `value` is the lowest there is


# The outcomes of a prompt on the development rows at these positions, in their order.
# Raises PromptError where the prompt cannot be used, ModelError where nothing can be asked any more
# and `data.engine.Stopped` once the search was given up.
Objective = Callable[[Prompt, Sequence[int]], Sequence[Outcome]]


def key_of(prompt: Prompt) -> bytes:
    """The same for prompts that ask the same."""
    return msgspec.json.encode(msgspec.structs.replace(prompt, name="-"))


@dataclass
class Ledger:
    """Asks an objective for what is not known yet, and counts what was asked."""

    objective: Objective
    spent: int = 0  # answers that were asked for
    known: dict[bytes, dict[int, Outcome]] = field(default_factory=dict)

    def outcomes(self, prompt: Prompt, positions: Sequence[int]) -> list[Outcome]:
        """
        Raises:
            PromptError, ModelError, Stopped: as the objective.
        """
        there = self.known.setdefault(key_of(prompt), {})
        if missing := [one for one in dict.fromkeys(positions) if one not in there]:
            found = self.objective(prompt, missing)
            self.spent += len(missing)
            there.update(zip(missing, found, strict=True))
        return [there[one] for one in positions]

    @property
    def lowest(self) -> float:
        """A value that no answer beats from below: 0, or the lowest so far."""
        values = (one.value for rows in self.known.values() for one in rows.values())
        return min(0.0, min(values, default=0.0))

    def values(self, prompt: Prompt, positions: Sequence[int]) -> list[float]:
        return [one.value for one in self.outcomes(prompt, positions)]


@dataclass(frozen=True)
class Found:
    """What a search came to: `prompt` is the starting one where nothing was better.

    The figures are of development rows, on which the best was chosen: they flatter it. What it is
    worth is measured on rows that the search never saw.
    """

    prompt: Prompt
    start: Prompt
    value: float
    start_value: float
    rows: int  # development rows that both were measured on
    tried: list[CandidateTried]
    spent: int
    words: str  # one sentence
    problem: str = ""  # why it ended early, but for being stopped
    stopped: bool = False


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the mean: Wilson's of a share, else by the normal distribution."""
    if all(value in (0, 1) for value in values):
        return wilson(int(sum(values)), len(values))
    middle, spread = mean(values), NORMAL_95 * standard_error(values)
    return middle - spread, middle + spread


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; of one value there is none: infinite."""
    count = len(values)
    if count < 2:
        return math.inf
    middle = mean(values)
    return math.sqrt(math.fsum((one - middle) ** 2 for one in values) / (count - 1) / count)


def verdict(start: Sequence[float], best: Sequence[float], tried: int) -> str:
    """One sentence on what was found, and how sure it is: the best of many looks good by chance, so
    its gain has to stand out among as many as were tried (Bonferroni)."""
    gain = [b - a for a, b in zip(start, best, strict=True)]
    if not any(gain) or mean(gain) <= 0:
        return f"None of {tried} prompts did better than the start on {len(start)} rows."
    far = NormalDist().inv_cdf(1 - 0.025 / max(1, tried))
    sure = mean(gain) > far * standard_error(gain)
    share = all(value in (0, 1) for value in (*start, *best))
    before, after = (
        (f"{100 * mean(start):.1f} %", f"{100 * mean(best):.1f} %")
        if share
        else (f"{mean(start):.3g}", f"{mean(best):.3g}")
    )
    said = f"The best of {tried} prompts went from {before} to {after} on {len(start)} rows"
    if sure:
        return f"{said}, on which it was chosen: see the rows that the search never saw."
    return f"{said}, which may be chance: see the rows that the search never saw."
