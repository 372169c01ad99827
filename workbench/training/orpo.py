"""Odds ratio preference optimisation: learns the better answer and to prefer it, in one.

ORPO (Hong et al., 2024; arXiv 2403.07691) through TRL, in which it is experimental. It needs no
model to be held to: the loss is that of the chosen answer with its prompt, and `beta` times that of
the odds between both answers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import TrainingArguments
from trl.import_utils import suppress_experimental_warning

from workbench.data.prompting import IGNORED
from workbench.training.answered import padded
from workbench.training.borrowed import Borrowed, mean, pad_token, preferred, usual
from workbench.training.preference import FIGURES, Preference
from workbench.training.recorder import Recorder

with suppress_experimental_warning():  # type: ignore[no-untyped-call]
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer


class OddsRatio(Preference):
    task = "orpo"

    def arguments(self) -> tuple[type[TrainingArguments], dict[str, Any]]:
        return ORPOConfig, usual(self.settings) | {
            "beta": self.settings.preference.beta,
            "max_length": self.settings.max_length,
        }

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "OddsTrainer":
        return OddsTrainer(self, args, recorder)


class OddsCollator:
    """TRL's batches: input_ids, attention_mask and labels [rows, longest], of chosen and rejected
    answers each."""

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch: dict[str, torch.Tensor] = {}
        for name in ("chosen", "rejected"):
            made = padded([row[name] for row in rows], self.pad_token)
            mask = made.pop("completion_mask")
            made["labels"] = made["input_ids"].masked_fill(mask == 0, IGNORED)
            batch |= {f"{name}_{key}": one for key, one in made.items()}
        return batch


class Unmapped(list[Any]):
    """Rows that TRL takes for prepared: it maps them three times, and nothing changes."""

    def map(self, *_: Any, **__: Any) -> "Unmapped":
        return self


class OddsTrainer(Borrowed, ORPOTrainer):
    """ORPO on `recipe.examples`, which are `Pairs`."""

    figures_named = FIGURES

    def __init__(self, recipe: OddsRatio, args: Any, recorder: Recorder) -> None:
        with self.made(recipe, recorder) as tokenizer:
            super().__init__(
                model=recipe.loaded.model,
                args=args,
                data_collator=OddsCollator(pad_token(recipe.loaded)),
                train_dataset=Unmapped([{}]),  # `made` puts the rows here
                processing_class=tokenizer,
            )

    def concatenated_forward(self, model: Any, batch: dict[str, Any]) -> tuple[Any, ...]:
        """As TRL's, with the head computed only where a token counts: all of the chosen answer and
        its prompt, of the rejected one the answer alone."""
        if self.aux_loss_enabled:
            return tuple(super().concatenated_forward(model, batch))
        both = self.concatenated_inputs(
            batch, padding_value=self.padding_value, device=self.accelerator.device
        )
        count = len(batch["chosen_labels"])
        ids, attention = both["concatenated_input_ids"], both["concatenated_attention_mask"]
        answers = both["concatenated_labels"].ne(IGNORED)
        asked = torch.where(attention == 1, ids, IGNORED)
        asked[count:] = both["concatenated_labels"][count:]
        found = model(ids, attention_mask=attention, labels=asked, fused_lm_head=True)
        log_probs = found.log_probs[:, -(ids.shape[1] - 1) :]  # virtual tokens come first
        read = asked[:count, 1:].ne(IGNORED)
        answers = answers[:, 1:]
        means = (log_probs * answers).sum(-1) / answers.sum(-1)
        self.means = means.detach()
        logits = found.mean_logits.detach()
        loss = -(log_probs[:count] * read).sum() / read.sum()
        return means[:count], means[count:], logits[:count], logits[count:], loss

    def evaluation_loss(self) -> dict[str, float]:
        losses: list[float] = []
        counts: list[int] = []
        rewards: list[torch.Tensor] = []  # of each batch [2, rows]

        def visit(rows: list[int], batch: Any) -> None:
            loss, _ = self.get_batch_loss_metrics(self.model, batch, train_eval="eval")
            losses.append(float(loss))
            counts.append(len(rows))
            rewards.append(self.beta * self.means.view(2, -1))

        if not self.each_batch(visit):
            return {}
        return {"eval_loss": mean(losses, counts)} | preferred(*torch.cat(rewards, 1))
