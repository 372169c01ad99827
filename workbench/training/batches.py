"""How large the batches of a run are, and how large they may be.

Rows are encoded as the run will encode them, or as many as tell the rest.
"""

import math
from collections.abc import Callable
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import psutil
import torch
from msgspec.structs import replace

from workbench.data.sources import Dataset
from workbench.inference.heads import Head
from workbench.inference.loaded import LoadedModel
from workbench.inference.model import model_config
from workbench.session import Session, TrainingSettings
from workbench.training.activations import Batch
from workbench.training.estimate import Counted, Estimate, estimate, millions, part
from workbench.training.flat import common
from workbench.training.methods import lay, reserve
from workbench.training.outline import outline
from workbench.training.recipe import Recipe, Work
from workbench.training.rewarding import scorer_beside
from workbench.training.tasks import head_of, recipe_of

Report = Callable[[str, float, float, str], None]
FEW = 256  # rows that tell how long rows are, where only a batch is chosen
USED = 0.9  # of the memory that is free


class Batches:
    """`held` are bytes of a model in memory that goes before the run's comes, or is the run's."""

    def __init__(
        self,
        data: Dataset,
        folder: Path,
        report: Report,
        counted: Counted | None = None,
        held: int = 0,
    ) -> None:
        self.data, self.folder, self.report = data, folder, report
        self.counted = counted or Counted()
        self.held = held

    def laid(self, session: Session, head: Head) -> LoadedModel:
        """An outline of the session's model with its method over it.

        Raises:
            TrainingError, ModelError: where the method does not fit the model.
        """
        settings = session.training
        model = replace(session.model, adapter="")
        loaded = outline(model, self.folder, self.report, head, settings.attn_implementation)
        loaded.quantise = lambda *_: None  # type: ignore[method-assign]  # 4 bits are counted, not laid out
        lay_out(loaded, session)
        return loaded

    def prepared(
        self, session: Session, loaded: LoadedModel, rows: int, pause: Callable[..., None]
    ) -> Recipe:
        """The recipe with its rows made ready, no more than so many of them.

        Raises:
            TrainingError: where there is nothing to learn from.
        """
        settings = session.training
        wanted = min(settings.rows or len(self.data.train), rows)
        few = replace(settings, rows=wanted, evaluation_rows=min(settings.evaluation_rows, rows))
        work = Work(replace(session, training=few), loaded, self.data, self.folder, pause)
        recipe = recipe_of(settings.task)(work)
        recipe.prepare()
        return recipe

    def estimate(self, session: Session, loaded: LoadedModel, batch: Batch) -> Estimate:
        kept = self.counted.kept(loaded, session.training, batch)
        made = estimate(loaded, session, batch, kept)
        if (scorer := scorer_beside(session, self.folder)) is not None:
            count, width = scorer.memory()
            words = f"{millions(count)} × {width} bytes: {scorer.name}"
            made.parts.append(part("reward model", count * width, words))
        return made

    def free(self, device: torch.device) -> int:
        """Bytes that a run could take; -1 where nobody can say."""
        return free(device, self.held)

    def fitting(self, session: Session, rows: int) -> int:
        """The largest batch up to so many rows, halved as often as needed, that fits: 1 where none
        does. Rows as they are long in this dataset."""
        config = model_config(session.model, self.folder, self.report)
        head = head_of(session.training.task, config, session.training)
        loaded = self.laid(session, head)
        if head.kind == "classifier":
            longest = min(session.training.max_length, loaded.context_length)
            batch = Batch(rows, longest, 0)
        else:
            batch = shape(
                self.prepared(session, loaded, FEW, lambda *_: None), session.training, rows
            )
        there = self.free(loaded.device)
        while batch.rows > 1 and there >= 0:
            if self.estimate(session, loaded, batch).total <= USED * there:
                break
            batch = replaced(batch, rows=batch.rows // 2)
        return batch.rows


def lay_out(loaded: LoadedModel, session: Session) -> None:
    """Lay the session's method over an outline.

    Raises:
        TrainingError: where it does not fit.
    """
    settings = session.training
    reserve(loaded, settings, session)
    if settings.method in ("prompt_tuning", "prefix_tuning"):
        virtual(loaded, settings)
        return
    device, loaded.device = (
        loaded.device,
        torch.device("cuda" if settings.method == "qlora" else loaded.device),
    )
    try:
        lay(loaded, settings, session)
    finally:
        loaded.device = device


def virtual(loaded: LoadedModel, settings: TrainingSettings) -> None:
    """Virtual tokens as far as their size goes; what they begin from needs the weights."""
    from torch import nn

    text = loaded.model.config.get_text_config()
    size = text.hidden_size
    if settings.method == "prefix_tuning":
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        size = 2 * text.num_hidden_layers * heads * width
    with torch.device("meta"):
        loaded.model.prompt_encoder = nn.Embedding(loaded.reserved, size)
    loaded.model.get_input_embeddings().weight.requires_grad_(False)


def free(device: torch.device, held: int = 0) -> int:
    """Bytes that are free on a device; -1 where nobody can say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + held
    if device.type in ("cpu", "mps"):
        return int(psutil.virtual_memory().available) + held
    return -1


def shape(recipe: Recipe, settings: TrainingSettings, rows: int) -> Batch:
    """The largest batch that may come: of the longest rows."""
    examples: Any = recipe.examples
    lengths = list(examples.lengths)
    rows = max(1, min(rows, len(lengths)))
    top = sorted(range(len(lengths)), key=lambda one: -lengths[one])[:rows]
    longest = max((lengths[one] for one in top), default=1)
    found = [examples[one] for one in top] if lengths else []
    task = settings.task
    if task in ("classification", "reward", "masked_lm"):
        guessed = settings.masking.mlm_probability if task == "masked_lm" else 0.0
        return Batch(rows, longest, math.ceil(longest * guessed))
    if task == "seq2seq":
        answer = max((len(one["target"]) for one in found), default=1)
        return Batch(rows, max((len(one["source"]) for one in found), default=1), answer, answer)
    if task == "grpo":
        answer = settings.reinforcement.max_completion_length
        return Batch(rows, longest + answer, answer)
    if task in ("dpo", "kto", "orpo"):
        each = sum(map(asked, found)) / max(1, len(found))
        if task == "orpo":  # the prompt of the chosen answer is learnt, too
            each += longest / 2
        return Batch(rows, longest, max(1, min(longest, math.ceil(each))))
    virtual = settings.method in ("prompt_tuning", "prefix_tuning")
    if settings.packing == "off" or virtual:
        kept = max((tail(one) for one in found), default=longest) + 1
        return Batch(rows, longest, min(kept, longest))
    return one_after_another(found, settings) if found else Batch(1, 1, 1)


def one_after_another(examples: list[dict[str, Any]], settings: TrainingSettings) -> Batch:
    """A flat batch of them. Rows of one length stand for rows of about one length."""
    sequences = [one for row in examples for one in row.get("sequences", (row,))]
    shared = 0 if settings.lora_dropout else common(sequences)
    count = len(examples)
    tokens = sum(len(one["input_ids"]) for one in sequences) - shared * len(sequences)
    learnt = sum(sum(one["trained"][1::2]) - sum(one["trained"][::2]) for one in sequences)
    return Batch(
        count,
        math.ceil(tokens / count),
        max(1, math.ceil(learnt / count)),
        shared=shared,
        flat=True,
    )


def asked(row: dict[str, Any]) -> float:
    """Tokens of a sequence whose likelihood is asked for, on average of the row's."""
    answers = [row[name] for name in ("chosen", "rejected", "answer") if name in row]
    return sum(sum(one.mask) for one in answers) / len(answers)


def tail(example: dict[str, Any]) -> int:
    """Tokens from the first with a loss to the end."""
    trained = example["trained"]
    return len(example["input_ids"]) - (trained[0] if len(trained) else 0)
