"""A Trainer with a loss on the answers only: nothing is computed that no loss depends on."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from transformers import TrainingArguments
from typing_extensions import override

from workbench.data.prompting import IGNORED
from workbench.inference.abilities import abilities
from workbench.inference.model import LoadedModel
from workbench.inference.states import base_model
from workbench.settings import TrainingSettings
from workbench.training.collator import LeftCollator
from workbench.training.flat import FlatCollator
from workbench.training.flat_attention import flat, flat_works
from workbench.training.losses import flat_loss, mixed_precision, plain_head, summed_loss
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder
from workbench.training.trainer import Watched

__all__ = ["CompletionTrainer", "collator_for", "loss_of", "mixed_precision", "summed_loss"]

Collator = LeftCollator | FlatCollator


class CompletionTrainer(Watched):
    """Learns the stretches with a loss of `recipe.examples`."""

    def __init__(self, recipe: Recipe, args: TrainingArguments, recorder: Recorder) -> None:
        longest = max([0, *recipe.examples.lengths, *recipe.evaluation.lengths])
        self.collator: Any = collator_for(recipe.loaded, recipe.settings, longest)
        super().__init__(
            model=recipe.loaded.model,
            args=args,
            data_collator=self.collator,
            train_dataset=recipe.examples,
        )
        self.watch(recipe, recorder)
        self.evaluation = recipe.evaluation
        self.loss_is_scaled_for_ga = True  # by the tokens of all accumulated batches

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Tokens with a loss in all batches of one optimiser step."""
        if not batch_samples:
            return None
        return torch.as_tensor(sum(learnt(batch) for batch in batch_samples), device=device)

    @override
    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        with attention_for(self.loaded, inputs):
            return super().training_step(model, inputs, num_items_in_batch)

    @override
    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean loss over the tokens of one optimiser step, this batch's share of it."""
        if num_items_in_batch is None:
            num_items_in_batch = learnt(inputs)
        return loss_of(model, inputs, self.loaded) / num_items_in_batch

    def evaluation_loss(self) -> dict[str, float]:
        order = sorted(range(len(self.evaluation)), key=lambda row: -self.evaluation.lengths[row])
        size = self.args.eval_batch_size
        total, count = 0.0, 0
        lengths_sorted = [order[at : at + size] for at in range(0, len(order), size)]
        for rows in lengths_sorted:
            if self.interrupted():
                return {}
            batch = self._prepare_inputs(self.collator([self.evaluation[row] for row in rows]))
            count += int(learnt(batch))
            with self.loaded.answering("tuned"), attention_for(self.loaded, batch):
                total += float(loss_of(self.loaded.model, batch, self.loaded))
        return {"eval_loss": total / count}


def collator_for(loaded: LoadedModel, settings: TrainingSettings, longest: int) -> Collator:
    """What makes batches of rows of at most `longest` tokens: flat where the model can be computed
    so and `packing` is not off, else padded. With dropout a common beginning is not the same for
    all rows."""
    if settings.packing == "off" or longest > abilities(loaded).limit or not flat_works(loaded):
        return LeftCollator(loaded.pad_token)
    plain_head(loaded)  # tried now, by the model's own attention
    return FlatCollator(share=not has_dropout(loaded))


def has_dropout(loaded: LoadedModel) -> bool:
    """Whether the model in memory, adapter included, leaves anything out at random in training."""
    config = vars(base_model(loaded).config.get_text_config())
    said = [
        value for name, value in config.items() if name.endswith(("dropout", "pdrop", "drop_rate"))
    ]
    layers = [one.p for one in loaded.model.modules() if isinstance(one, nn.Dropout)]
    return any(isinstance(one, float) and one > 0 for one in (*said, *layers))


def attention_for(loaded: LoadedModel, batch: dict[str, Any]) -> AbstractContextManager[None]:
    """What forward and backward of a batch are computed in."""
    return flat(base_model(loaded)) if "lengths" in batch else nullcontext()


def loss_of(model: nn.Module, batch: dict[str, Any], loaded: LoadedModel) -> torch.Tensor:
    """The loss of a batch, summed over its tokens with one."""
    with mixed_precision(loaded):
        if "lengths" in batch:
            return flat_loss(model, batch, loaded)
        return summed_loss(model, batch, loaded.accepts)


def learnt(batch: dict[str, Any]) -> Any:
    """How many tokens of a batch have a loss."""
    return len(batch["targets"]) if "targets" in batch else batch["labels"].ne(IGNORED).sum()
