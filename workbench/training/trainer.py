"""transformers' Trainer, open between its steps: what all tasks' Trainers have in common."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PrinterCallback, ProgressCallback, Trainer
from typing_extensions import override

from workbench.inference.errors import reason
from workbench.inference.model import LoadedModel
from workbench.training.checkpoints import has_broken_weights
from workbench.training.errors import BrokenNumbersError, TrainingError
from workbench.training.evaluating import Evaluating
from workbench.training.recorder import Recorder
from workbench.training.sampler import EpochSampler

if TYPE_CHECKING:
    from workbench.training.recipe import Recipe


class Watched(Trainer):
    """Trains the weights in memory; what it does between steps is the recorder's.

    A mixin, too: `class WatchedDPO(Watched, DPOTrainer)`. `watch` is called once it is made.
    """

    recipe: "Recipe"
    recorder: Recorder
    loaded: LoadedModel
    evaluating: Evaluating
    sampler: EpochSampler | None = None

    def watch(self, recipe: "Recipe", recorder: Recorder) -> None:
        """Have the recorder hear of each step, and take the order of the rows from the seed."""
        self.recipe, self.recorder, self.loaded = recipe, recorder, recipe.loaded
        for printing in (PrinterCallback, ProgressCallback):
            self.remove_callback(printing)
        self.add_callback(recorder)
        self.evaluating = Evaluating(self)
        recorder.saves = self.save_now
        recorder.checks = self.evaluating.check
        if self.evaluating.wanted:
            recorder.evaluates, recorder.steering.can_evaluate = self.evaluate, True
        settings, args = recipe.settings, self.args
        grouped = settings.train_sampling_strategy == "group_by_length"
        self.sampler = EpochSampler(
            len(recipe.examples),
            args.train_batch_size * args.gradient_accumulation_steps,
            args.seed,
            recipe.examples.lengths if grouped else (),
        )

    @override
    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.sampler or super()._get_train_sampler(train_dataset)

    @override
    def floating_point_ops(self, inputs: Any) -> int:
        return 0  # counting them walks over all parameters at every step, and nobody looks

    def count(self, inputs: dict[str, Any]) -> int:
        """Tokens of text in a batch; what only says so is taken out of it."""
        if "tokens" in inputs:
            return int(inputs.pop("tokens"))
        masks = [value for name, value in inputs.items() if name.endswith("attention_mask")]
        return int(sum(mask.sum() for mask in masks))

    # --- steps -------------------------------------------------------------------------------

    @override
    def _run_epoch(self, *arguments: Any, **named: Any) -> None:
        """No step where the last one is done: a run that was killed after it goes on from there."""
        if self.recorder.is_over:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*arguments, **named)  # type: ignore[no-untyped-call]

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        self.recorder.tokens += self.count(inputs)
        return super().training_step(model, inputs, num_items_in_batch)

    @override
    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """The length of the step's gradient; what is no number ends the run before it can reach
        the weights. Looked at once a step: a look makes a GPU wait."""
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[no-untyped-call]
        length = torch.as_tensor(norm, device=self._tr_loss.device)
        scaled = getattr(self.accelerator, "scaler", None) is not None  # it leaves such a step out
        numbers = torch.stack((self._tr_loss, torch.zeros_like(length) if scaled else length))
        loss, gradient = torch.isfinite(numbers.detach()).tolist()
        if not (loss and gradient):
            what = "gradient is" if loss else "loss is"
            raise BrokenNumbersError(what, self.state.global_step, bool(self.recorder.saved))
        return norm

    @override
    def _maybe_log_save_evaluate(self, *arguments: Any, **named: Any) -> None:
        act = super()._maybe_log_save_evaluate
        act(*arguments, **named)

        def log_alone() -> None:
            self.control.should_log = True
            self.control.should_evaluate = self.control.should_save = False
            act(*arguments, **named)

        self.recorder.hold(self.control, log_alone)

    # --- evaluations -------------------------------------------------------------------------

    def evaluate(self, *_arguments: Any, **_named: Any) -> dict[str, float]:
        """Figures over the evaluation rows, by names that begin with eval_, and answers to the
        pinned prompts; where a stop cuts them short, no figures."""
        metrics = self.recorder.paused_while(self.evaluating.all, "evaluating")
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        if self.recorder.stopped:
            self.control.should_save = self.control.should_training_stop = True
        return metrics

    def evaluation_loss(self) -> dict[str, float]:
        """{"eval_loss": mean loss, …}; empty where a stop cuts it short.

        Calls `interrupted` before each batch of at most `self.args.eval_batch_size` rows.
        """
        raise NotImplementedError

    def interrupted(self) -> bool:
        """Give others their turn in the middle of an evaluation; whether to give it up."""
        return self.evaluating.interrupted()

    # --- checkpoints -------------------------------------------------------------------------

    @override
    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """What is tuned and the tokenizer; not the pickled arguments, which are in the session."""
        self.loaded.save_tuned(output_dir or str(self.args.output_dir))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """A checkpoint, or none: what was written of one that fails is taken away, and a whole one
        is not written over."""
        step = self.state.global_step
        if step in self.recorder.saved:
            return
        if has_broken_weights(self.loaded.model):
            raise BrokenNumbersError("weights are", step, bool(self.recorder.saved))
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{step}"
        save: Callable[[], None] = lambda: Trainer._save_checkpoint(self, model, trial)  # noqa: E731
        try:
            self.recorder.paused_while(save, "saving")
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            again = "resume the run" if self.recorder.saved else "start the run again"
            raise TrainingError(
                f"The checkpoint of step {step} cannot be written to {folder.parent} "
                f"({reason(error)}); make room, then {again}."
            ) from error

    def save_now(self) -> None:
        """A checkpoint of the last step."""
        self._save_checkpoint(self.loaded.model, None)
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)
