"""Sequence to sequence: an encoder-decoder (T5, BART, Marian …) learns a text from a text.

The loss is on the target. Translations are measured by BLEU and chrF of what the model writes.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from functools import cached_property
from typing import Any

import torch
from msgspec.structs import replace
from torch import nn
from torch.nn import functional
from transformers import TrainingArguments
from typing_extensions import override

from workbench.data.formats import recognise_table
from workbench.data.pairing import Pair, Pairing
from workbench.data.prompting import ADVICE, IGNORED, PromptError
from workbench.data.selection import Selection
from workbench.inference.loaded import LoadedModel
from workbench.inference.source_states import pad_right, target_shifted
from workbench.training.completion import mixed_precision
from workbench.training.errors import TrainingError
from workbench.training.examples import EVERY, choose_rows, read
from workbench.training.measured import Measured
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder
from workbench.training.sft import Drawing, examples_of
from workbench.training.trainer import Watched

VIRTUAL = ("prompt_tuning", "prefix_tuning")


@dataclass
class Pairs:
    """Token ids of sources and targets; reads like a list of {source, target}, for a data loader.

    `left_out` are rows without a source or a target, or too long; `cut` those that are cut.
    """

    sources: list["array[int]"] = field(default_factory=list)
    targets: list["array[int]"] = field(default_factory=list)
    left_out: int = 0
    cut: int = 0

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"source": self.sources[index], "target": self.targets[index]}

    @property
    def lengths(self) -> list[int]:
        return [
            len(one) + len(other) for one, other in zip(self.sources, self.targets, strict=True)
        ]

    @property
    def tokens(self) -> int:
        return sum(self.lengths)


class SequenceToSequence(Recipe):
    task = "seq2seq"

    def prepare(self) -> None:
        work, settings = self.work, self.settings
        data = work.data
        if not len(data.train):
            raise TrainingError("There are no rows to train on; choose another dataset.split.")
        if settings.method in VIRTUAL:
            raise TrainingError(
                f"training.method {settings.method} is for models that write on; for an "
                "encoder-decoder set it to lora or full."
            )
        encoder = self.encoder()
        if "translation" in (encoder.found.format, encoder.found.recognised):
            self.measure_translations()
        chosen = choose_rows(len(data.train), settings.rows, settings.seed)

        def pause(done: int) -> None:
            work.pause("preparing", done, len(chosen))

        self.examples = prepare_pairs(data.train, chosen, encoder, pause=pause)
        if not len(self.examples):
            raise TrainingError(
                f"Of all {len(chosen)} rows none has a source and a target within "
                f"{encoder.training.max_length} tokens; correct the wording or the mapping, or "
                "raise training.max_length."
            )
        self.evaluation = Pairs()
        if data.evaluation is not None and settings.evaluation_rows:
            count = min(settings.evaluation_rows, len(data.evaluation))
            self.evaluation = prepare_pairs(data.evaluation, range(count), encoder, pause=pause)

    def encoder(self) -> Pairing:
        """What makes pairs of the dataset's rows, as the dataset pane shows them.

        Raises:
            TrainingError: when the session's format or mapping does not fit, or says no target.
        """
        work = self.work
        session, tokenizer = work.session, work.loaded.tokenizer
        found = recognise_table(work.data.train.table, session.dataset, session.prompt())
        if found.problem:
            raise TrainingError(found.problem)
        longest = min(self.settings.max_length, work.loaded.context_length)
        settings = replace(self.settings, max_length=longest)

        def report(what: str, done: float, total: float, _unit: str) -> None:
            work.pause(what, int(done), int(total))

        try:
            shown = examples_of(work.data, session, found, Drawing(work.folder, report))
            return Pairing(tokenizer, session.prompt(), found, settings, shown)
        except PromptError as error:
            raise TrainingError(str(error)) from error

    def measure_translations(self) -> None:
        """By chrF and BLEU, where the session names no metric."""
        session = self.work.session
        if not session.evaluation.metrics and not session.evaluation.labels:
            wanted = replace(session.evaluation, metrics=["chrf", "bleu"])
            self.work = replaced(self.work, session=replace(session, evaluation=wanted))

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "PairTrainer":
        return PairTrainer(self, args, recorder)

    @cached_property
    def measured(self) -> Measured:
        return Measured(self)

    def measure(self) -> dict[str, float]:
        return self.measured.figures()


def prepare_pairs(
    rows: Selection,
    indices: Sequence[int],
    encoder: Pairing,
    *,
    pause: Callable[[int], None],
) -> Pairs:
    """Encode those rows, in the order of `indices`.

    `pause(done)` is called now and then; what it raises ends the work.

    Raises:
        TrainingError: naming the row that the prompt cannot be filled from.
    """
    found: dict[int, list[Pair]] = {}
    made = Pairs()
    special = set(encoder.tokenizer.all_special_ids)
    for done, (index, number, values) in enumerate(read(rows, indices)):
        if done % EVERY == 0:
            pause(done)
        try:
            pairs = [one for one in encoder.encode(values) if isinstance(one, Pair)]
        except PromptError as error:
            raise TrainingError(f"Row {number + 1} of the dataset: {error} {ADVICE}") from error
        kept = [
            one
            for one in pairs
            if not (special.issuperset(one.source_ids) or special.issuperset(one.target_ids))
        ]
        made.left_out += not kept
        made.cut += any(one.cut for one in kept)
        found[index] = kept
    for index in indices:
        for one in found.pop(index):
            made.sources.append(array("i", one.source_ids))
            made.targets.append(array("i", one.target_ids))
    return made


class PairCollator:
    """Batches of input_ids and attention_mask [rows, longest source], labels and decoder_input_ids
    [rows, longest target], all padded on the right; `tokens` counts the text of both sides."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        ids, mask = pad_right([row["source"] for row in rows], self.loaded.pad_token)
        labels, there = pad_right([row["target"] for row in rows], IGNORED)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": labels,
            "decoder_input_ids": target_shifted(self.loaded.base, labels),
            "tokens": int(mask.sum() + there.sum()),
        }


class PairTrainer(Watched):
    """Learns the targets of `recipe.examples`."""

    def __init__(
        self, recipe: SequenceToSequence, args: TrainingArguments, recorder: Recorder
    ) -> None:
        collator = PairCollator(recipe.loaded)
        super().__init__(
            model=recipe.loaded.model,
            args=args,
            data_collator=collator,
            train_dataset=recipe.examples,
        )
        self.collator, self.evaluation = collator, recipe.evaluation
        self.watch(recipe, recorder)
        self.loss_is_scaled_for_ga = True  # by the tokens of all accumulated batches

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Tokens with a loss in all batches of one optimiser step."""
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
        """Mean loss over the target tokens of one optimiser step, this batch's share of it."""
        if num_items_in_batch is None:
            num_items_in_batch = inputs["labels"].ne(IGNORED).sum()
        smoothing = self.recipe.settings.label_smoothing_factor
        with mixed_precision(self.loaded):
            return summed_loss(model, inputs, smoothing) / num_items_in_batch

    def evaluation_loss(self) -> dict[str, float]:
        rows = self.evaluation
        lengths = rows.lengths
        order = sorted(range(len(rows)), key=lambda row: -lengths[row])
        size = self.args.eval_batch_size
        total, count = 0.0, 0
        for at in range(0, len(order), size):
            if self.interrupted():
                break
            batch = self.collator([rows[row] for row in order[at : at + size]])
            batch = self._prepare_inputs(batch)
            count += int(batch["labels"].ne(IGNORED).sum())
            with self.loaded.answering("tuned"), mixed_precision(self.loaded):
                total += float(summed_loss(self.loaded.model, batch))
        else:
            return {"eval_loss": total / max(count, 1)}
        return {}


def summed_loss(model: nn.Module, inputs: dict[str, Any], smoothing: float = 0.0) -> torch.Tensor:
    """Cross-entropy summed over the labels that are not -100, in float32; `smoothing` is the share
    of each label that goes to all words (Szegedy et al., 2016)."""
    names = ("input_ids", "attention_mask", "decoder_input_ids")
    logits = model(**{name: inputs[name] for name in names}, use_cache=False).logits
    return functional.cross_entropy(
        logits.float().flatten(0, 1),
        inputs["labels"].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=smoothing,
    )
