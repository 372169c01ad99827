"""Which step was the best so far, by a metric of the evaluations, and whether to go on hoping.

Knows figures and steps; knows nothing of checkpoints. What it knows it has from the evaluations
alone, so that it is made again from the lines of a run.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.runs import full_name, greater_is_better
from workbench.session import TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.figures import not_given


class Best:
    """The best evaluation after step 0, in which nothing is learnt yet.

    Of equals, as there are among shares of few rows, the one of the lower loss is the better.
    `worse` counts the regular evaluations since the last that was better by more than
    early_stopping_threshold.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.metric = full_name(settings.metric_for_best_model)
        self.greater = greater_is_better(self.metric)
        self.settings = settings
        self.step, self.value, self.worse = -1, math.nan, 0
        self.loss = math.nan  # there
        self.before = math.nan  # the metric at step 0

    def take(self, step: int, figures: Mapping[str, Any], regular: bool = True) -> bool:
        """An evaluation; whether it is the best so far."""
        value = number(figures.get(self.metric))
        if step == 0:
            self.before = value
            return False
        gain = value - self.value if self.greater else self.value - value
        first = self.step < 0 and math.isfinite(value)
        if first or gain > self.settings.early_stopping_threshold:
            self.worse = 0
        elif regular and self.metric in figures:
            self.worse += 1
        loss = number(figures.get("eval_loss"))
        if first or gain > 0 or (gain == 0 and loss < self.loss):
            self.step, self.value, self.loss = step, value, loss
            return True
        return False

    def take_all(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """The evaluations among the lines of a run, in order."""
        seen = set[int]()
        for line in lines:
            if any(key.startswith("eval_") for key in line):
                step = int(line.get("step") or 0)
                self.take(step, line, self.is_regular(step) and step not in seen)
                seen.add(step)

    def is_regular(self, step: int) -> bool:
        """Whether an evaluation comes after this step without being asked for."""
        return self.settings.eval_steps > 0 and step % self.settings.eval_steps == 0

    def check(self, figures: Mapping[str, Any]) -> None:
        """Raise TrainingError where the metric that is to decide is not among the figures, and
        never was: one evaluation may lack it, where a measurement failed."""
        chosen = self.metric != "eval_loss" or self.settings.early_stopping_patience
        known = math.isfinite(self.before) or self.step >= 0
        if chosen and not known and self.metric not in figures:
            raise TrainingError(not_given(self.settings, self.metric, tuple(sorted(figures))))

    @property
    def no_gain(self) -> str:
        """A sentence where no evaluation was better than that before the first step."""
        gain = self.value - self.before if self.greater else self.before - self.value
        if not math.isfinite(gain) or gain > 0:
            return ""
        return (
            f"No evaluation was better than before training: {self.metric} was {self.before:.4g} "
            f"then, and {self.value:.4g} at best; try another learning rate, or more rows."
        )

    @property
    def hopeless(self) -> bool:
        """Whether to stop: so many evaluations were no better."""
        patience = self.settings.early_stopping_patience
        return 0 < patience <= self.worse

    def in_words(self) -> str:
        """Why it is given up."""
        count = self.settings.early_stopping_patience
        times = "evaluation" if count == 1 else f"{count} evaluations"
        by = self.settings.early_stopping_threshold
        much = f" by more than {by:g}" if by else ""
        return (
            f"Stopped early: {self.metric} was not better{much} in the last {times} than "
            f"{self.value:.4g}, the best, at step {self.step}."
        )


def number(value: Any) -> float:
    """A figure, or not a number where there is none."""
    return float(value) if isinstance(value, int | float) else math.nan
