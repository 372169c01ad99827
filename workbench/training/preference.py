"""Direct preference optimisation: of two answers to a prompt the better one becomes likelier.

DPO (Rafailov et al., 2023; arXiv 2305.18290) through TRL. The model is held to what it was before
the run: with an adapter that is the model without it, computed along; with all weights moving, its
log-probabilities of all rows are computed once before the first step, so that no second copy of the
model is in memory.
"""

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainingArguments
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from workbench.data.examples import Encoder
from workbench.training.answered import padded
from workbench.training.borrowed import Borrowed, mean, pad_token, preferred, usual
from workbench.training.errors import TrainingError
from workbench.training.examples import choose_rows
from workbench.training.pairs import TOO_LONG, Pause, prepare_pairs
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder
from workbench.training.sft import encoder_for
from workbench.training.untouched import stand_in

# Of TRL's figures, by the names of runs.METRICS.
FIGURES = {
    "rewards/accuracies": "reward_accuracy",
    "rewards/margins": "reward_margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
}


class Preference(Recipe):
    """Rows with a chosen and a rejected answer."""

    def prepare(self) -> None:
        work, settings = self.work, self.settings
        encoder = self.encoder()
        if not len(work.data.train):
            raise TrainingError("There are no rows to train on; choose another dataset.split.")
        chosen = choose_rows(len(work.data.train), settings.rows, settings.seed)

        def pause(done: int) -> None:
            work.pause("preparing", done, len(chosen))

        self.examples = self.rows(work.data.train, chosen, encoder, pause)
        if not len(self.examples):
            raise TrainingError(nothing_left(self.examples, len(chosen), encoder))
        if work.data.evaluation is not None and settings.evaluation_rows:
            count = min(settings.evaluation_rows, len(work.data.evaluation))
            self.evaluation = self.rows(work.data.evaluation, range(count), encoder, pause)

    def encoder(self) -> Encoder:
        """What makes tokens of the rows.

        Raises:
            TrainingError: where the rows are no such rows.
        """
        return preference_encoder(self)

    def rows(self, selection: Any, indices: Sequence[int], encoder: Encoder, pause: Pause) -> Any:
        """Those rows, made ready."""
        return prepare_pairs(selection, indices, encoder, pause=pause)

    def about(self) -> dict[str, Any]:
        why = {"why_left_out": dict(self.examples.reasons)} if self.examples.reasons else {}
        return super().about() | why


class DirectPreference(Preference):
    task = "dpo"

    def arguments(self) -> tuple[type[TrainingArguments], dict[str, Any]]:
        given = self.settings.preference
        return DPOConfig, usual(self.settings) | {
            "beta": given.beta,
            "loss_type": [given.loss_type],
            "label_smoothing": given.label_smoothing,
            "max_length": None,  # rows are cut already
        }

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "PairTrainer":
        made = PairTrainer(self, args, recorder)
        if not self.loaded.has_adapter:
            made.refer_beforehand()
        return made


class PairCollator:
    """TRL's batches: input_ids, attention_mask and completion_mask [2 × rows, longest], first the
    chosen answers; ref_chosen_logps and ref_rejected_logps [rows] where they are known."""

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        both = [row[name] for name in ("chosen", "rejected") for row in rows]
        batch = padded(both, self.pad_token)
        if "reference" in rows[0]:
            known = torch.tensor([row["reference"] for row in rows])
            batch |= {"ref_chosen_logps": known[:, 0], "ref_rejected_logps": known[:, 1]}
        return batch


class PairTrainer(Borrowed, DPOTrainer):  # type: ignore[misc]
    """DPO on `recipe.examples`, which are `Pairs`."""

    figures_named = FIGURES
    refers = True

    def __init__(self, recipe: Preference, args: Any, recorder: Recorder) -> None:
        with self.made(recipe, recorder) as tokenizer:
            super().__init__(
                model=recipe.loaded.model,
                ref_model=stand_in(recipe.loaded.model),
                args=args,
                data_collator=PairCollator(pad_token(recipe.loaded)),
                train_dataset=Dataset.from_dict({"prompt": [""]}),  # `made` puts the rows here
                processing_class=tokenizer,
            )
            self.ref_model = None

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def evaluation_loss(self) -> dict[str, float]:
        losses: list[float] = []
        counts: list[int] = []
        rewards: list[torch.Tensor] = []  # of each batch [2, rows]

        def visit(rows: list[int], batch: Any) -> None:
            losses.append(self.own_loss(batch))
            counts.append(len(rows))
            before = torch.stack([batch["ref_chosen_logps"], batch["ref_rejected_logps"]])
            rewards.append(self.beta * (self.log_probs.last.view(2, -1) - before))

        if not self.each_batch(visit):
            return {}
        return {"eval_loss": mean(losses, counts)} | preferred(*torch.cat(rewards, 1))


def preference_encoder(recipe: Recipe) -> Encoder:
    """What makes tokens of rows with a chosen and a rejected answer.

    Raises:
        TrainingError: where the rows are no such rows.
    """
    encoder = encoder_of(recipe)
    check_pairs(recipe.task, encoder)
    return encoder


def check_pairs(task: str, encoder: Encoder) -> None:
    """Raise TrainingError where the rows are not taken for preferences."""
    if encoder.found.format != "preference":
        raise TrainingError(
            f"{task} learns from rows with a chosen and a rejected answer, and these are "
            f"taken for {encoder.found.format}; {how_to_be(encoder)}."
        )


def encoder_of(recipe: Recipe) -> Encoder:
    """What makes tokens of the rows, whatever they are."""
    work = recipe.work
    longest = min(recipe.settings.max_length, work.loaded.context_length)
    return encoder_for(work.loaded, work.data, work.session, longest)


def how_to_be(encoder: Encoder) -> str:
    """What to set for rows to be taken for preferences."""
    if encoder.found.format == "wording" and encoder.found.recognised == "preference":
        return "set dataset.format to preference, or empty the prompt's completion"
    return "name the columns as dataset.mapping.chosen and rejected, or choose another task"


def nothing_left(rows: Any, count: int, encoder: Encoder) -> str:
    """Why no row can be learnt from, and what to do."""
    said = "; ".join(f"{number:,}: {why}" for why, number in rows.reasons.most_common())
    hint = "correct the rows"
    if TOO_LONG in rows.reasons:
        hint += f", or raise training.max_length ({encoder.training.max_length})"
    return (
        f"Of all {count:,} rows nothing is left to learn from ({said or 'none was read'}); {hint}."
    )
