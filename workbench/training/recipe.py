"""What differs between the tasks that a model is fine-tuned for, and what they all get.

A recipe is a file of its own (`sft.py`, `classification.py`, …): it prepares rows, says what the
Trainer is, and measures. All else (methods, steps, checkpoints, answers in between) is the same for
all and is in `loop.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from transformers import TrainingArguments

from workbench.data.sources import Dataset
from workbench.inference.answerers import answerer_for
from workbench.inference.answering import Answerer, Question
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.protocol import Values
from workbench.session import Session
from workbench.training.asking import Asking, Stop
from workbench.training.errors import StopRequested, TrainingError
from workbench.training.examples import Examples
from workbench.training.recorder import Recorder
from workbench.training.trainer import Watched


@dataclass(frozen=True)
class Work:
    """All that a recipe may know of a run. In `session.training` nothing is automatic any more.

    `pause(what, done, total)` is called now and then in long work: it serves others, shows
    progress, and raises StopRequested. `stopped` tells whether it was asked for.
    """

    session: Session
    loaded: LoadedModel
    data: Dataset
    folder: Path  # the workspace: relative names start here
    pause: Callable[[str, int, int], None] = field(default=lambda _what, _done, _total: None)
    stopped: Callable[[], bool] = field(default=lambda: False)

    def stop(self) -> Stop:
        """For work that looks at an event to know whether to go on."""
        return Stop(self.stopped)


class Recipe:
    """How one task is learnt from rows. Used in this order: prepare, trainer, measure.

    Attributes:
        examples: rows made ready, to train on; `evaluation`: those for the evaluation loss.
        rows_at_once: rows that are answered together in an evaluation; fewer where memory is short.
    """

    task: ClassVar[str]
    fewest_rows: ClassVar[int] = 1  # of a batch, where memory is short

    def __init__(self, work: Work) -> None:
        self.work = work
        self.settings = work.session.training
        self.loaded = work.loaded
        self.examples: Any = Examples()
        self.evaluation: Any = Examples()
        self.rows_at_once = 64

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

    # What is asked of a row at an evaluation, and who answers: for the pinned prompts.

    @cached_property
    def asking(self) -> Asking:
        return Asking(self.work)

    def answerer(self) -> Answerer | None:
        """Who answers with the weights as they are tuned now; None: nobody can."""
        loaded = self.loaded
        return answerer_for(loaded, "tuned", Prefixes(), self.work.folder, most=self.rows_at_once)

    def question(self, answerer: Answerer, values: Values, number: int = -1) -> Question:
        """What a row asks; `number` is its own where it stands among the rows trained on.

        Raises:
            PromptError: where it cannot be filled.
        """
        return self.asking.question(answerer, values, number)

    def expected(self, values: Values) -> str:
        """The right answer to a row; empty where it says none."""
        return self.asking.expected(values)

    def asked(self, values: Values) -> str:
        """What is asked of a row, as a person reads it."""
        return self.asking.words(values)

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
