"""Kahneman-Tversky optimisation: answers found good become likelier, those found bad less likely.

KTO (Ethayarajh et al., 2024; arXiv 2402.01306) through TRL. It needs no pairs: a thumb up or down
at each answer. How far the model has moved in all is measured on answers to other prompts of the
same batch, so the rows keep their batches: they are in one order, drawn by the seed, in all epochs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainingArguments
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer
from typing_extensions import override

from workbench.data.examples import Encoder
from workbench.training.answered import padded
from workbench.training.borrowed import Borrowed, mean, pad_token, parted, preferred, usual, won
from workbench.training.errors import TrainingError
from workbench.training.pairs import Judged, Pause, prepare_judged
from workbench.training.preference import FIGURES, Preference, encoder_of
from workbench.training.recorder import Recorder
from workbench.training.untouched import stand_in


class ThumbsUpAndDown(Preference):
    task = "kto"
    fewest_rows = 2

    def encoder(self) -> Encoder:
        encoder = encoder_of(self)
        found = encoder.found
        if found.format == "preference" or "label" in found.mapping:
            return encoder
        raise TrainingError(
            "kto learns from answers with a thumb up or down, or from pairs, and these rows are "
            f"taken for {found.format}; set dataset.format to prompt_completion and name the "
            "column that says which answers are good as dataset.mapping.label, or to preference."
        )

    def prepare(self) -> None:
        self.check_batch()
        super().prepare()

    def check_batch(self) -> None:
        if self.settings.per_device_train_batch_size < 2:
            raise TrainingError(
                "kto compares the rows of a batch with each other; set "
                "training.per_device_train_batch_size to 2 or more."
            )

    def check_kinds(self) -> None:
        """Not part of `prepare`: a plan prepares some of the rows, which may be of one kind."""
        good, count = sum(self.examples.good), len(self.examples)
        if good in (0, count):
            raise TrainingError(
                f"All {count:,} answers were found {'good' if good else 'bad'}, and kto learns "
                "from both kinds: choose other rows (training.rows, dataset.split) or the label's "
                "column in dataset.mapping, or learn good answers with training.task sft."
            )

    def rows(self, selection: Any, indices: Sequence[int], encoder: Encoder, pause: Pause) -> Any:
        made = prepare_judged(selection, indices, encoder, pause=pause)
        made.shuffled(self.settings.seed)
        made.acquainted(self.settings.per_device_train_batch_size, encoder.training.max_length)
        return made

    def arguments(self) -> tuple[type[TrainingArguments], dict[str, Any]]:
        return KTOConfig, usual(self.settings) | {
            "beta": self.settings.preference.beta,
            "max_length": None,  # rows are cut already
            "train_sampling_strategy": "sequential",
        }

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "ThumbTrainer":
        self.check_batch()  # memory may have run out since
        self.check_kinds()
        made = ThumbTrainer(self, args, recorder)
        if not self.loaded.has_adapter:
            made.refer_beforehand()
        return made

    def about(self) -> dict[str, Any]:
        good = sum(self.examples.good)
        return super().about() | {"rows_good": good, "rows_bad": len(self.examples) - good}


class ThumbCollator:
    """TRL's batches: the answers' input_ids, attention_mask and completion_mask [rows, longest],
    those of strangers with KL_ before the name, and label [rows]: which were found good."""

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = padded([row["answer"] for row in rows], self.pad_token)
        strangers = padded([row["stranger"] for row in rows], self.pad_token)
        batch |= {f"KL_{name}": one for name, one in strangers.items()}
        if "reference" in rows[0]:
            known = torch.tensor([row["reference"] for row in rows])
            batch |= {"ref_logps": known[:, 0], "ref_KL_logps": known[:, 1]}
        return batch | {"label": torch.tensor([row["good"] for row in rows])}


class ThumbTrainer(Borrowed, KTOTrainer):  # type: ignore[misc]
    """KTO on `recipe.examples`, which are `Judged`."""

    figures_named = FIGURES
    refers = True

    def __init__(self, recipe: ThumbsUpAndDown, args: Any, recorder: Recorder) -> None:
        with self.made(recipe, recorder) as tokenizer:
            super().__init__(
                model=recipe.loaded.model,
                ref_model=stand_in(recipe.loaded.model),
                args=args,
                data_collator=ThumbCollator(pad_token(recipe.loaded)),
                train_dataset=Dataset.from_dict({"prompt": [""]}),  # `made` puts the rows here
                processing_class=tokenizer,
            )
            self.ref_model = None
        self.sampler = None  # the rows are in order already, and their strangers with them

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    @override
    def count(self, inputs: dict[str, Any]) -> int:
        return int(inputs["attention_mask"].sum())

    def batches(self, rows: Any) -> list[list[int]]:
        """In order: rows of a batch are each other's strangers."""
        return parted(range(len(rows)), self.args.per_device_eval_batch_size)

    def evaluation_loss(self) -> dict[str, float]:
        losses: list[float] = []
        counts: list[int] = []
        rewards: list[torch.Tensor] = []

        def visit(rows: list[int], batch: Any) -> None:
            losses.append(self.own_loss(batch))
            counts.append(len(rows))
            rewards.append(self.beta * (self.log_probs.last - batch["ref_logps"]))

        if not self.each_batch(visit):
            return {}
        found = {"eval_loss": mean(losses, counts)}
        return found | judged(self.recipe.evaluation, torch.cat(rewards))


def judged(rows: Judged, rewards: torch.Tensor) -> dict[str, float]:
    """Figures over the rewards [rows]: of pairs each pair is compared, else every good answer with
    every bad one; none where all are good or all are bad."""
    good = torch.tensor(rows.good, device=rewards.device)
    if not good.any() or good.all():
        return {}
    pairs = torch.tensor(rows.pairs, device=rewards.device)
    if int(pairs.min()) >= 0:
        better, worse = (rewards[side][pairs[side].argsort()] for side in (good, ~good))
        return preferred(better, worse)
    better, worse = rewards[good], rewards[~good]
    return {
        "eval_reward_accuracy": won(better[:, None], worse[None]),
        "eval_reward_margin": float(better.mean() - worse.mean()),
        "eval_reward_chosen": float(better.mean()),
        "eval_reward_rejected": float(worse.mean()),
    }
