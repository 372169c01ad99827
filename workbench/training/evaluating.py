"""An evaluation of the weights while they are trained: the loss, the task's metrics, answers.

Changes nothing of the training: random numbers are put back. Knows a Trainer and its recipe; when
to evaluate is the recorder's to say.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from workbench.training.errors import BrokenNumbersError, StopRequested, TrainingError
from workbench.training.out_of_memory import give_back, is_out_of_memory
from workbench.training.pinned import PinnedPrompts
from workbench.training.randomness import undisturbed

if TYPE_CHECKING:
    from workbench.training.trainer import Watched

Made = TypeVar("Made")
TRIED = 2  # batches that are evaluated before the first step
Figures = dict[str, float]


class Evaluating:
    def __init__(self, trainer: "Watched") -> None:
        self.trainer, self.recipe, self.recorder = trainer, trainer.recipe, trainer.recorder
        self.pinned = PinnedPrompts(self.recipe)
        self.batches = -1  # that may still be evaluated; -1: all

    @property
    def wanted(self) -> bool:
        """Whether there is anything to evaluate."""
        return bool(len(self.recipe.evaluation) or self.pinned.rows)

    def check(self) -> None:
        """Two batches, a measured row and a pinned answer, before the first step: what is wrong
        with the evaluation is found now, not after an hour.

        Raises:
            TrainingError, PromptError, ModelError: what is wrong, in one sentence.
        """
        if self.wanted:
            self.recorder.paused_while(self.checked, "evaluating", whole=False)

    def checked(self) -> None:
        settings = self.recipe.settings
        try:
            with undisturbed(self.recorder.device):
                self.batches = TRIED
                if len(self.recipe.evaluation):
                    self.fitting(self.trainer.evaluation_loss)
                self.batches = -1
                if settings.metric_rows:
                    self.recipe.settings = replace(settings, metric_rows=1)
                    self.fitting(self.recipe.measure)
                self.fitting(lambda: list(self.pinned.answer(1)))
        except StopRequested:  # the next step stops
            pass
        finally:
            self.batches, self.recipe.settings = -1, settings
        for problem in self.pinned.problems:
            self.recorder.run.event("problem", step=self.recorder.step, message=problem)

    def all(self) -> Figures:
        """The figures by names that begin with eval_; none where a stop cuts them short. Answers
        to pinned prompts are written down."""
        figures: Figures = {}
        with undisturbed(self.recorder.device):
            try:
                figures = self.figures()
                self.answers()
            except StopRequested:
                self.recorder.stop_requested()
        return figures

    def figures(self) -> Figures:
        """Loss and the task's own metrics."""
        found: Figures = {}
        if len(self.recipe.evaluation):
            found = self.fitting(self.trainer.evaluation_loss)
            if not found:
                raise StopRequested
        if self.recipe.settings.metric_rows:
            measured: Figures = {}
            found |= self.later(self.recipe.measure, measured)
        return {f"eval_{name.removeprefix('eval_')}": one for name, one in found.items()}

    def answers(self) -> None:
        """What the tuned weights say now to the pinned prompts."""
        step = self.recorder.step
        none: list[dict[str, Any]] = []
        for sample in self.later(lambda: list(self.pinned.answer()), none):
            self.recorder.run.sample(step=step, weights="tuned", pinned=True, **sample)

    def later(self, work: Callable[[], Made], nothing: Made) -> Made:
        """Do it; once training has begun, what goes wrong is noted, and the run goes on."""
        try:
            return self.fitting(work)
        except (StopRequested, BrokenNumbersError):
            raise
        except Exception as error:
            if not self.recorder.step or is_out_of_memory(error):
                raise
            why = f"The evaluation is not whole: {error}"
            self.recorder.run.event("problem", step=self.recorder.step, message=why)
            return nothing

    def fitting(self, work: Callable[[], Made]) -> Made:
        """Do it, in smaller batches where there is not enough memory."""
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                why = str(error)
            self.take_fewer(why)

    def take_fewer(self, why: str) -> None:
        args: Any = self.trainer.args
        rows = max(args.per_device_eval_batch_size, self.recipe.rows_at_once)
        if rows == 1:
            raise TrainingError(
                "There is not enough memory to evaluate one row at a time; lower "
                "training.max_length, or set training.evaluation_rows to 0."
            )
        args.per_device_eval_batch_size = max(1, args.per_device_eval_batch_size // 2)
        self.recipe.rows_at_once = max(1, self.recipe.rows_at_once // 2)
        give_back(self.recorder.device)
        self.recorder.run.event(
            "out_of_memory",
            step=self.recorder.step,
            message="There was not enough memory to evaluate; it is evaluated in smaller batches.",
            per_device_eval_batch_size=args.per_device_eval_batch_size,
            why=why[:200],
        )

    def interrupted(self) -> bool:
        """Give others their turn; whether to give it up."""
        self.recorder.serve()
        if self.batches == 0:
            return True
        self.batches -= self.batches > 0
        return self.recorder.stop_requested()
