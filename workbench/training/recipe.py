"""What differs between the tasks that a model is fine-tuned for, and what they all get.

A recipe is a file of its own (`sft.py`, `classification.py`, …): it prepares rows, says what the
Trainer is, and measures. All else (methods, steps, checkpoints, answers in between) is the same for
all and is in `loop.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from transformers import TrainingArguments

from workbench.data.sources import Dataset
from workbench.inference.model import LoadedModel
from workbench.session import Session
from workbench.training.errors import StopRequested, TrainingError
from workbench.training.examples import Examples
from workbench.training.recorder import Recorder
from workbench.training.trainer import Watched


@dataclass(frozen=True)
class Work:
    """All that a recipe may know of a run. In `session.training` nothing is automatic any more.

    `pause(what, done, total)` is called now and then in long work: it serves others, shows
    progress, and raises StopRequested.
    """

    session: Session
    loaded: LoadedModel
    data: Dataset
    folder: Path  # the workspace: relative names start here
    pause: Callable[[str, int, int], None] = field(default=lambda _what, _done, _total: None)


class Recipe:
    """How one task is learnt from rows. Used in this order: prepare, trainer, measure.

    Attributes:
        examples: rows made ready, to train on; `evaluation`: those for the evaluation loss.
    """

    task: ClassVar[str]

    def __init__(self, work: Work) -> None:
        self.work = work
        self.settings = work.session.training
        self.loaded = work.loaded
        self.examples: Any = Examples()
        self.evaluation: Any = Examples()

    def prepare(self) -> None:
        """Make examples of the rows.

        Raises:
            TrainingError: where there is nothing to learn from; the text says what to set.
            StopRequested: when it was asked for.
        """
        raise NotImplementedError

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> Watched:
        """The Trainer of this task over the model in memory, on which the method lies already."""
        raise NotImplementedError

    def arguments(self) -> tuple[type[TrainingArguments], dict[str, Any]]:
        """The class of the Trainer's arguments and what this task adds to the usual ones."""
        return TrainingArguments, {}

    def measure(self) -> dict[str, float]:
        """The task's own metrics on evaluation rows, by their names (accuracy, chrf, …); the
        weights are as they are at this step. Called at evaluations where `metric_rows` is not 0."""
        return {}

    def about(self) -> dict[str, Any]:
        """What the run's first event says of the rows."""
        examples = self.examples
        return {
            "rows": len(examples),
            "rows_left_out": examples.left_out,
            "rows_cut": examples.cut,
            "tokens": examples.tokens,
            "evaluation_rows": len(self.evaluation),
        }


__all__ = ["Recipe", "StopRequested", "TrainingError", "Work"]
