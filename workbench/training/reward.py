"""A reward model: gives an answer to a prompt a number, higher for the better of two.

The loss is that of Bradley and Terry (1952), through TRL: -log sigmoid(chosen - rejected). Made
from a model that writes or from an encoder, with one output in place of its head.
"""

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from torch.nn import functional
from transformers import TrainingArguments
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from typing_extensions import override

from workbench.data.examples import Encoder
from workbench.data.scored import scoring
from workbench.inference.heads import family_of
from workbench.training.answered import padded
from workbench.training.borrowed import Borrowed, mean, pad_token, preferred, usual
from workbench.training.preference import Preference, check_pairs, encoder_of
from workbench.training.reading import mixed
from workbench.training.recorder import Recorder

# Of TRL's figures, by the names of runs.METRICS.
FIGURES = {"accuracy": "reward_accuracy", "margin": "reward_margin"}


class RewardModel(Preference):
    task = "reward"

    @override
    def encoder(self) -> Encoder:
        encoder = encoder_of(self)
        check_pairs(self.task, encoder)
        both_ways = family_of(self.loaded.base.config) == "encoder"
        return scoring(encoder.tokenizer, encoder.given, encoder.found, encoder.training, both_ways)

    @override
    def arguments(self) -> tuple[type[TrainingArguments], dict[str, Any]]:
        return RewardConfig, usual(self.settings) | {"max_length": None}  # rows are cut already

    @override
    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "ScoreTrainer":
        return ScoreTrainer(self, args, recorder)

    @override
    def measure(self) -> dict[str, float]:
        return {}  # what there is to measure comes with the loss


class ScoreCollator:
    """TRL's batches: input_ids and attention_mask [2 × rows, longest], first the chosen answers."""

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        both = [row[name] for name in ("chosen", "rejected") for row in rows]
        batch = padded(both, self.pad_token)
        del batch["completion_mask"]
        return batch


class ScoreTrainer(Borrowed, RewardTrainer):  # type: ignore[misc]
    """Reward modelling on `recipe.examples`, which are `Pairs`."""

    figures_named = FIGURES

    def __init__(self, recipe: RewardModel, args: Any, recorder: Recorder) -> None:
        with self.made(recipe, recorder) as tokenizer:
            super().__init__(
                model=recipe.loaded.model,
                args=args,
                data_collator=ScoreCollator(pad_token(recipe.loaded)),
                train_dataset=Dataset.from_dict({"chosen_ids": [[0]], "rejected_ids": [[0]]}),
                processing_class=tokenizer,
            )

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    @override
    def precision(self) -> Any:
        return mixed(self.loaded)

    def evaluation_loss(self) -> dict[str, float]:
        losses: list[float] = []
        counts: list[int] = []
        rewards: list[torch.Tensor] = []  # of each batch [2, rows]

        def visit(rows: list[int], batch: Any) -> None:
            model: Any = self.model
            found = model(**batch).logits.float().view(2, -1)
            losses.append(float(-functional.logsigmoid(found[0] - found[1]).mean()))
            counts.append(len(rows))
            rewards.append(found)

        if not self.each_batch(visit):
            return {}
        return {"eval_loss": mean(losses, counts)} | preferred(*torch.cat(rewards, 1))
