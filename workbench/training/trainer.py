"""transformers' Trainer, open between its steps: what all tasks' Trainers have in common."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PrinterCallback, ProgressCallback, Trainer
from typing_extensions import override

from workbench.inference.errors import reason
from workbench.inference.model import LoadedModel
from workbench.training.errors import TrainingError
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
    sampler: EpochSampler | None = None

    def watch(self, recipe: "Recipe", recorder: Recorder) -> None:
        """Have the recorder hear of each step, and take the order of the rows from the seed."""
        self.recipe, self.recorder, self.loaded = recipe, recorder, recipe.loaded
        for printing in (PrinterCallback, ProgressCallback):
            self.remove_callback(printing)
        self.add_callback(recorder)
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

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        self.recorder.tokens += self.count(inputs)
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The loss is no number any more after step {self.state.global_step} "
                f"({float(loss)}); resume from the last checkpoint with a lower "
                "training.learning_rate, or start anew."
            )
        return loss

    def evaluate(self, *_arguments: Any, **_named: Any) -> dict[str, float]:
        """Figures over the evaluation rows, by names that begin with eval_; none where a stop cuts
        it short."""
        metrics = self.recorder.paused_while(self.figures, "evaluating")
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        if not metrics:
            self.control.should_save = self.control.should_training_stop = True
        return metrics

    def figures(self) -> dict[str, float]:
        """Loss and the task's own metrics."""
        found = self.evaluation_loss()
        if found and self.recipe.settings.metric_rows:
            found |= {f"eval_{name}": one for name, one in self.recipe.measure().items()}
        return found

    def evaluation_loss(self) -> dict[str, float]:
        """{"eval_loss": mean loss, …}; empty where a stop cuts it short."""
        raise NotImplementedError

    def interrupted(self) -> bool:
        """Give others their turn in the middle of an evaluation; whether to give it up."""
        self.recorder.serve()
        return self.recorder.stop_requested()

    @override
    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The adapter and the tokenizer; not the pickled arguments, which are in the session."""
        folder = output_dir or str(self.args.output_dir)
        # "auto" asks the hub whether the vocabulary was resized; no adapter here does that
        self.loaded.model.save_pretrained(folder, save_embedding_layers=False)
        self.loaded.tokenizer.save_pretrained(folder)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """A checkpoint, or none: what was written of one that fails is taken away."""
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        try:
            self.recorder.paused_while(
                lambda: Trainer._save_checkpoint(self, model, trial), "saving"
            )
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise TrainingError(
                f"The checkpoint of step {self.state.global_step} cannot be written to "
                f"{folder.parent} ({reason(error)}); make room, then resume the run from its "
                "last checkpoint."
            ) from error
