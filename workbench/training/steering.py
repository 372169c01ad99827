"""What a person changes of a run under way, and when it takes effect.

Commands come between two pieces of work on the thread that trains. Each is an event of the run, and
those that change what is learnt are read back from there: a run that was killed goes on as it was
steered, at the same steps.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.runs import Run
from workbench.session import TrainingSettings
from workbench.training.errors import TrainingError

HIGHEST = 10.0  # as the setting training.learning_rate


class Steering:
    """`rates` are the learning rates asked for: (step, rate), to be used from the step after on.

    `evaluate` and `checkpoint` are to be done after this step; `again` are the steps after which
    the person had asked for an evaluation, before a kill.
    """

    def __init__(self, settings: TrainingSettings, run: Run) -> None:
        self.settings, self.run = settings, run
        self.can_evaluate = False  # there is something to evaluate
        self.step = 0  # optimiser steps done
        self.rates: list[tuple[int, float]] = []
        self.rate = settings.learning_rate  # the one in force
        self.evaluate = self.checkpoint = self.paused = False
        self.again: set[int] = set()
        # (step, threads): to compute with from the step after on
        self.computes: list[tuple[int, int]] = []

    def ask(self, action: str, value: float = 0.0) -> None:
        """A command of the person's.

        Raises:
            TrainingError: where it cannot be done; one sentence.
        """
        match action:
            case "learning_rate":
                self.change_rate(value)
            case "evaluate" if not self.can_evaluate:
                raise TrainingError(
                    "This run has no evaluation rows and no pinned prompts; set "
                    "training.evaluation_rows for the next one."
                )
            case "evaluate":
                self.evaluate = True
            case "checkpoint":
                self.checkpoint = True
            case "pause" | "resume" if self.paused != (action == "pause"):
                self.paused = action == "pause"
                self.run.event("paused" if self.paused else "unpaused", step=self.step)

    @property
    def last_rate(self) -> float:
        """The learning rate that was asked for last."""
        return self.rates[-1][1] if self.rates else self.rate

    def change_rate(self, value: float, why: str = "") -> None:
        if not 0 < value <= HIGHEST:  # not a number is not, either
            raise TrainingError(
                f"A learning rate is above 0 and at most {HIGHEST:g}, not {value:g}; give another."
            )
        self.rates = [one for one in self.rates if one[0] < self.step]
        self.rates.append((self.step, value))
        more = {"message": why} if why else {}
        self.run.event("learning_rate", step=self.step, value=value, **more)

    @property
    def threads(self) -> int:
        """Processor threads to compute the next step with; 0: as it is."""
        due = [threads for step, threads in self.computes if step <= self.step]
        return due[-1] if due else self.settings.threads

    @property
    def computes_as_before(self) -> bool:
        """Whether it goes over steps again, before a kill, after which the threads changed."""
        return any(step > self.step for step, _ in self.computes)

    def compute_with(self, threads: int) -> None:
        """Compute with so many from here on: fewer leave a processor to another program."""
        many = f"{threads} thread{'s' if threads > 1 else ''} from here on"
        message = (
            f"Another program computes, too: {many}; more would wait for each other."
            if threads < self.threads
            else f"The processors are free again: {many}."
        )
        self.computes.append((self.step, threads))
        self.run.event("threads", step=self.step, value=threads, message=message)

    def apply(self, scheduler: Any) -> None:
        """Before an optimiser step: scale the schedule to the rate that was asked for last."""
        due = [rate for step, rate in self.rates if step <= self.step]
        if not due or due[-1] == self.rate:
            return
        factor = due[-1] / self.rate
        self.rate = due[-1]
        inner = getattr(scheduler, "scheduler", scheduler)  # accelerate's holds the schedule's own
        inner.base_lrs = [one * factor for one in inner.base_lrs]
        for group in inner.optimizer.param_groups:
            group["lr"] *= factor
            if "initial_lr" in group:
                group["initial_lr"] *= factor
        inner._last_lr = [group["lr"] for group in inner.optimizer.param_groups]

    def read_back(self, events: Iterable[Mapping[str, Any]], step: int) -> None:
        """Go on from a checkpoint of `step`: what was asked for before it is in it already."""
        self.step, self.rates, self.again, self.computes = step, [], set(), []
        self.rate = self.settings.learning_rate
        for event in events:
            at = int(event.get("step") or 0)
            if event.get("event") == "learning_rate" and math.isfinite(float(event["value"])):
                self.rates = [one for one in self.rates if one[0] < at]
                self.rates.append((at, float(event["value"])))
            elif event.get("event") == "threads":
                self.computes.append((at, int(event["value"])))
            elif event.get("event") == "evaluated" and at > step:
                self.again.add(at)
        before = [rate for at, rate in self.rates if at < step]
        self.rate = before[-1] if before else self.rate
