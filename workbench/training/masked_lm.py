"""Masked language modelling (Devlin et al., 2019): an encoder guesses words that are hidden.

Which tokens are hidden comes from the seed, the epoch and the row alone: a run that is resumed goes
on with the same, and an evaluation always hides the same.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import nn
from torch.nn import functional
from transformers import TrainingArguments
from typing_extensions import override

from workbench.data.prompting import IGNORED
from workbench.inference.model import LoadedModel
from workbench.training.errors import TrainingError
from workbench.training.reading import (
    Readings,
    RightCollator,
    by_length,
    found_in,
    mixed,
    pad_token,
    precision,
    prepare,
    reading_of,
    words_read,
)
from workbench.training.recipe import Recipe, Work
from workbench.training.recorder import Recorder
from workbench.training.trainer import Watched

EVALUATION = 2**31  # stands for the epoch when an evaluation hides words
MASKED, RANDOM = 0.8, 0.1  # of the tokens to guess: replaced by the mask, by any token; else kept


class MaskedLanguageModelling(Recipe):
    task = "masked_lm"

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self.examples, self.evaluation = Readings(), Readings()

    def prepare(self) -> None:
        if self.loaded.tokenizer.mask_token_id is None:
            raise TrainingError(
                f"{self.loaded.settings.name} has no mask token, so no word can be hidden from it; "
                "choose an encoder such as BERT, or another training.task."
            )
        encoder = reading_of(self, found_in(self), "words")
        self.examples, self.evaluation = prepare(
            self, encoder, lambda _row, _values: True, lambda _row, _values: True
        )

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "MaskedTrainer":
        return MaskedTrainer(self, args, recorder)

    @override
    def asked(self, values: dict[str, Any]) -> str:
        return words_read(self, values)

    @override
    def about(self) -> dict[str, Any]:
        return {**super().about(), "precision": precision(self.loaded)}


class Masking:
    """Hides tokens of rows, whole words or single ones."""

    def __init__(self, tokenizer: Any, share: float, whole_words: bool, seed: int) -> None:
        self.mask_token = int(tokenizer.mask_token_id)
        special = set(tokenizer.all_special_ids)
        self.random_tokens = numpy.array([n for n in range(len(tokenizer)) if n not in special])
        self.share, self.whole_words, self.seed = share, whole_words, seed

    def hide(
        self, ids: Sequence[int], words: Sequence[int], epoch: int, row: int
    ) -> tuple["numpy.ndarray", "numpy.ndarray"]:
        """The row as it is shown, and where what is to be guessed stands, in order.

        Words are taken in a random order while they do not exceed the share, at least one.
        """
        random = numpy.random.default_rng((self.seed, epoch, row))
        shown, places = numpy.array(ids), self.places(numpy.array(words), random)
        dice = random.random(len(places))
        shown[places[dice < MASKED]] = self.mask_token
        changed = places[(dice >= MASKED) & (dice < MASKED + RANDOM)]
        shown[changed] = random.choice(self.random_tokens, len(changed))
        return shown, places

    def places(self, words: "numpy.ndarray", random: numpy.random.Generator) -> "numpy.ndarray":
        possible = numpy.flatnonzero(words >= 0)
        wanted = max(1, round(len(possible) * self.share))
        if not self.whole_words:
            return numpy.sort(random.permutation(possible)[:wanted])
        pieces: dict[int, list[int]] = {}
        for place in possible.tolist():
            pieces.setdefault(int(words[place]), []).append(place)
        chosen: list[int] = []
        for word in random.permutation(numpy.array(list(pieces))).tolist():
            if len(chosen) + len(pieces[word]) <= wanted or not chosen:
                chosen += pieces[word]
            if len(chosen) >= wanted:
                break
        return numpy.array(sorted(chosen))


class MaskedTrainer(Watched):
    def __init__(
        self, recipe: MaskedLanguageModelling, args: TrainingArguments, recorder: Recorder
    ) -> None:
        self.task, settings = recipe, recipe.settings
        self.pad = RightCollator(pad_token(recipe.loaded))
        self.masking = Masking(
            recipe.loaded.tokenizer,
            settings.masking.mlm_probability,
            settings.masking.whole_words,
            settings.seed,
        )
        super().__init__(
            model=recipe.loaded.model,
            args=args,
            data_collator=self.collate,
            train_dataset=recipe.examples,
        )
        self.watch(recipe, recorder)
        self.loss_is_scaled_for_ga = True  # by the hidden tokens of all accumulated batches

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        assert self.sampler is not None
        return self.hidden(rows, self.sampler.epoch)

    def hidden(self, rows: list[dict[str, Any]], epoch: int) -> dict[str, Any]:
        """A batch with words hidden: `labels` [rows, longest], -100 where nothing is guessed."""
        made = [self.masking.hide(r["input_ids"], r["learnt"], epoch, r["index"]) for r in rows]
        batch = self.pad([{"input_ids": shown} for shown, _ in made])
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for index, (row, (_, places)) in enumerate(zip(rows, made, strict=True)):
            there = torch.from_numpy(places)
            labels[index, there] = torch.tensor(row["input_ids"], dtype=torch.long)[there]
        return {**batch, "labels": labels}

    def count(self, inputs: dict[str, Any]) -> int:
        return int(inputs.pop("tokens"))

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Hidden tokens in all batches of one optimiser step."""
        if not batch_samples:
            return None
        return sum(batch["labels"].ne(IGNORED).sum() for batch in batch_samples).to(device)

    @override
    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean loss over the hidden tokens of one optimiser step, this batch's share of it."""
        logits, labels = self.guesses(model, inputs)
        items = len(labels) if num_items_in_batch is None else num_items_in_batch
        return functional.cross_entropy(logits, labels, reduction="sum") / items

    def guesses(
        self, model: nn.Module, inputs: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [hidden tokens, words] in float32, and what was there [hidden tokens]."""
        labels = inputs["labels"]
        places = labels.flatten().ne(IGNORED).nonzero()[:, 0]
        given = {name: one for name, one in inputs.items() if name not in ("labels", "tokens")}
        with mixed(self.loaded), head_only_at(self.loaded, places):
            found = model(**given).logits
        if found.shape[:2] != (1, len(places)):  # a head of a kind that has to see all
            found = found.flatten(0, 1)[places][None]
        return found[0].float(), labels.flatten()[places]

    def evaluation_loss(self) -> dict[str, float]:
        """The loss, the share of hidden tokens guessed and the perplexity."""
        total, right, count = 0.0, 0, 0
        for rows in by_length(self.task.evaluation, self.args.eval_batch_size):
            if self.interrupted():
                return {}
            made = self.hidden([self.task.evaluation[row] for row in rows], EVALUATION)
            batch: Any = self._prepare_inputs(made)
            with self.loaded.answering("tuned"):
                logits, labels = self.guesses(self.loaded.model, batch)
            total += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(-1) == labels).sum())
            count += len(labels)
        loss = total / count
        perplexity = math.exp(loss) if loss < 700 else math.inf
        return {
            "eval_loss": loss,
            "eval_masked_accuracy": right / count,
            "eval_perplexity": perplexity,
        }


@contextmanager
def head_only_at(loaded: LoadedModel, places: torch.Tensor) -> Iterator[None]:
    """Have the head computed for these places of a batch alone, counted over all its rows.

    It is half of a small encoder's work, and one token in seven is hidden. The first module after
    the encoder gets [1, places, size] in place of [rows, tokens, size].
    """
    base: Any = loaded.base
    after = [
        module
        for name, module in base.named_children()
        if name != base.base_model_prefix and any(True for _ in module.parameters())
    ]

    def pick(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        first = inputs[0]
        if not isinstance(first, torch.Tensor) or first.dim() != 3:
            return None
        return (first.flatten(0, 1)[places][None], *inputs[1:])

    hook = after[0].register_forward_pre_hook(pick) if after else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()
