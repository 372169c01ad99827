"""The memory that a run will take: part by part, each with its formula, before a weight is loaded.

Parameters, gradients and the optimizer's state are exact: they are counted on an outline of the
model with its method laid over it. What a step keeps is counted on a step without numbers
(`activations`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import torch
from msgspec.structs import replace
from torch import nn
from transformers.pytorch_utils import Conv1D

from workbench.inference.loaded import LoadedModel
from workbench.inference.model import NF4
from workbench.protocol import MemoryPart
from workbench.session import Session, TrainingSettings
from workbench.training.activations import Amount, Batch, Kept, count
from workbench.training.checks import layers_of
from workbench.training.dry_step import is_fused, sequences

STATES = {"adamw_torch_fused": 2, "adamw_torch": 2, "sgd": 0}  # numbers of a trained number
# What a process needs beside, mostly the gaps that the allocator leaves. On a CPU a share of what a
# step keeps and computes logits from, the same whatever moves: `benchmarks/memory.py` measures it,
# with SmolLM2-135M, MiniLM and a T5. On a GPU a guess; its context is there once it is used.
GAPS = 0.08
GAPS_CPU = 0.55
CONTEXT = 500 << 20


@dataclass(frozen=True)
class Estimate:
    parameters: int
    trainable: int
    parts: list[MemoryPart] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(part.bytes for part in self.parts)


def estimate(loaded: LoadedModel, session: Session, batch: Batch, kept: Kept | None) -> Estimate:
    """`loaded` is an outline on which the session's method lies, `kept` what a step of that batch
    keeps (None: by a rule of thumb)."""
    settings = session.training
    tensors = {id(one): one for one in loaded.model.parameters()}.values()
    new = {id(one): one for name, one in loaded.model.named_parameters() if is_new(name)}
    moving = [one for one in tensors if one.requires_grad]
    base = [one for one in tensors if id(one) not in new]
    trained, size = sum(one.numel() for one in moving), sum(one.numel() for one in base)
    parts = [weights(loaded, base, settings)]
    if new:
        added = list(new.values())
        parts.append(part("adapter", bytes_of(added), of_numbers(added)))
    gradients = bytes_of(moving)
    parts.append(part("gradients", gradients, of_numbers(moving)))
    parts.append(optimizer(moving, settings))
    if settings.method == "full" and settings.keep_base:
        words = f"{millions(trained)} × {loaded.dtype.itemsize} bytes: the weights from before"
        parts.append(part("base copy", trained * loaded.dtype.itemsize, words))
    kept = kept or by_rule(loaded, batch, sequences(settings.task), settings)
    parts += of_step(loaded, settings, batch, kept, gradients)
    parts.append(answers(loaded, session))
    total = sum(one.bytes for one in parts)
    if loaded.device.type == "cuda":
        parts.append(part("overhead", CONTEXT + round(total * GAPS), "the GPU's context, and gaps"))
    else:
        step = sum(kept.of(batch.rows))
        words = f"{GAPS_CPU:.0%} of what a step keeps: gaps that the allocator leaves"
        parts.append(part("overhead", max(GAPS * total, GAPS_CPU * step), words))
    return Estimate(size, trained, [one for one in parts if one.bytes])


def part(name: str, size: float, formula: str) -> MemoryPart:
    return MemoryPart(name=name, bytes=max(0, round(size)), formula=formula)


def is_new(name: str) -> bool:
    """Whether a parameter of that name was added by the method."""
    return any(one in name for one in ("lora_", "modules_to_save", "prompt_encoder"))


def bytes_of(tensors: "Sequence[torch.Tensor]") -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


def of_numbers(tensors: "list[torch.nn.Parameter]") -> str:
    """134.5 M × 2 bytes + …"""
    sizes: dict[int, int] = {}
    for one in tensors:
        sizes[one.element_size()] = sizes.get(one.element_size(), 0) + one.numel()
    found = [f"{millions(number)} × {width} bytes" for width, number in sorted(sizes.items())]
    return " + ".join(found) or "none"


def millions(number: float) -> str:
    if number >= 1e9:
        return f"{number / 1e9:.2f} billion"
    return f"{number / 1e6:.1f} M" if number >= 1e5 else f"{number:,.0f}"


def weights(
    loaded: LoadedModel, base: "list[torch.nn.Parameter]", settings: TrainingSettings
) -> MemoryPart:
    if settings.method != "qlora":
        return part("weights", bytes_of(base), of_numbers(base))
    few = in_few_bits(loaded)
    bits = sum(one.numel() for one in few)
    rest = bytes_of(base) - bytes_of(few)
    words = f"{millions(bits)} × {NF4:.3f} bytes in 4 bits, the rest {rest / 1e6:,.0f} MB"
    return part("weights", bits * NF4 + rest, words)


def in_few_bits(loaded: LoadedModel) -> "list[torch.Tensor]":
    """The matrices that bitsandbytes puts into 4 bits: of linear layers, but for the head."""
    model = loaded.base
    found = {
        id(one.weight): one.weight for one in model.modules() if isinstance(one, nn.Linear | Conv1D)
    }
    last = list(model.named_parameters())[-1][0].removesuffix(".weight")
    kept = [model.get_output_embeddings(), model.get_input_embeddings()]
    kept += [one for name, one in model.named_modules() if name == last]
    left_out = {id(getattr(one, "weight", None)) for one in kept}
    return [one for key, one in found.items() if key not in left_out and not one.requires_grad]


def optimizer(moving: "list[torch.nn.Parameter]", settings: TrainingSettings) -> MemoryPart:
    """Adam keeps two numbers a number; Adafactor a row and a column of each matrix (Shazeer and
    Stern, 2018)."""
    number = sum(one.numel() for one in moving)
    if settings.optim == "adafactor":
        size = sum(
            one.shape[:-1].numel() + (one.shape[:-2] + one.shape[-1:]).numel()
            if one.dim() >= 2
            else one.numel()
            for one in moving
        )
        return part("optimiser", size * 4, "a number for each row and column × 4 bytes")
    states = STATES[settings.optim]
    more = bytes_of(moving) if settings.optim == "adamw_torch" else 0
    words = f"{states} × {millions(number)} × 4 bytes" if states else "sgd keeps nothing"
    if more:
        words += ", and once more while it steps"
    return part("optimiser", states * bytes_of(moving) + more, words)


def of_step(
    loaded: LoadedModel,
    settings: TrainingSettings,
    batch: Batch,
    kept: Kept,
    gradients: int,
) -> list[MemoryPart]:
    """What the way back needs. Without accumulation it is gone as the gradients come: then only
    what is more than they are counts."""
    rows, times = batch.rows, sequences(settings.task)
    hidden, logits = kept.of(rows)
    length = batch.length if batch.flat else batch.shared + batch.length
    said = f"{rows} rows{' × 2 answers' if times == 2 else ''}"
    each = kept.hidden.layer_row / (times * length)
    words = f"{said} × {length} tokens × {kept.layers} layers × {each / 1000:.1f} kB"
    if not each:
        each = kept.hidden.each(kept.layers) / (times * length)
        words = f"{said} × {length} tokens × {each / 1000:.1f} kB"
    once = kept.hidden.once(kept.layers)
    if once > hidden / 50:
        words += f" + {once / 1e6:,.0f} MB"
    if settings.activation_checkpointing:
        words += ", recomputed layer by layer"
    if settings.gradient_accumulation_steps == 1 and gradients > 0.1 * hidden:
        free = max(0, min(hidden, gradients - head_of(loaded)))
        hidden -= free
        words += ", freed as the gradients come"
    if hidden + logits < (again := twice(loaded)):
        hidden = again - logits
        words = "the words' gradient once more: it comes from the head and from the input"
    parts = [part("activations", hidden, words)]
    if logits:
        formula = f"{said} × {loaded.head.outputs} labels"
        if loaded.head.kind != "classifier":
            vocabulary = loaded.model.config.get_text_config().vocab_size
            width = logits / max(1, rows * times * batch.kept * vocabulary)
            formula = f"{said} × {batch.kept} positions × {vocabulary:,} words × {width:.0f} bytes"
            if is_fused(loaded, settings.task, batch):
                formula = f"{said} × {batch.kept} positions, a part of them at a time"
        parts.append(part("logits", logits, formula))
    return parts


def head_of(loaded: LoadedModel) -> int:
    """Bytes of the gradient that comes first, of the words' matrix."""
    head = loaded.base.get_output_embeddings()
    if head is None or not head.weight.requires_grad:
        return 0
    return int(head.weight.numel() * head.weight.element_size())


def twice(loaded: LoadedModel) -> int:
    """Bytes of the gradient of words that the head shares, which comes last, too; 0 where it does
    not."""
    words = loaded.base.get_input_embeddings().weight
    head = loaded.base.get_output_embeddings()
    return head_of(loaded) if head is not None and head.weight is words else 0


def by_rule(loaded: LoadedModel, batch: Batch, times: int, settings: TrainingSettings) -> Kept:
    """About 34 bytes a token, layer and hidden number in 16 bits (Korthikanti et al., 2022, without
    the attention's own, which sdpa does not keep), 2 with checkpointing; logits in float32."""
    config = loaded.model.config
    text = config.get_text_config()
    size = int(getattr(text, "hidden_size", 0) or getattr(text, "d_model", 0) or 1024)
    layers = layers_of(config) or 12
    half = loaded.dtype.itemsize / 2
    each = times * (batch.shared + batch.length) * size * half
    each *= 2 if settings.activation_checkpointing else 34
    words = 14 * times * batch.kept * int(getattr(text, "vocab_size", 0) or 0)
    logits = Amount(0, 0 if loaded.head.kind == "classifier" else words, 0, 0)
    return Kept(Amount(0, 0, 0, each), logits, layers)


def answers(loaded: LoadedModel, session: Session) -> MemoryPart:
    """Keys and values while it answers between two steps."""
    settings = session.training
    if loaded.head.reads or not (settings.pinned or settings.pinned_count):
        return part("answers", 0, "")
    text = loaded.model.config.get_text_config()
    layers = layers_of(loaded.model.config)
    heads: Any = getattr(text, "num_attention_heads", None) or 1
    size: Any = getattr(text, "head_dim", None) or (getattr(text, "hidden_size", 0) // heads)
    heads = getattr(text, "num_key_value_heads", None) or heads
    tokens = settings.max_length + session.generation.max_new_tokens
    width = loaded.dtype.itemsize
    total = 2 * layers * heads * size * tokens * width
    words = f"2 × {layers} layers × {heads * size} × {tokens} tokens × {width} bytes"
    return part("answers", total, words)


@dataclass
class Counted:
    """What steps keep, by what it depends on: counted once."""

    known: dict[tuple[object, ...], Kept | None] = field(default_factory=dict)

    def kept(self, loaded: LoadedModel, settings: TrainingSettings, batch: Batch) -> Kept | None:
        """None where the architecture cannot be counted so."""
        checkpointing = settings.activation_checkpointing
        shape = replace(
            settings,
            per_device_train_batch_size=1,
            learning_rate=0.0,
            classification=type(settings.classification)(),
            rows=0,
            seed=0,
        )
        model = loaded.settings.name, loaded.settings.revision, str(loaded.dtype)
        lengths = batch.length, batch.kept, batch.answer, batch.shared, batch.flat
        fused = is_fused(loaded, settings.task, batch)
        key = (*model, msgspec.json.encode(shape), *lengths, fused)
        if key not in self.known:
            try:
                self.known[key] = count(loaded, settings.task, batch, checkpointing)
            except Exception:  # what an architecture does that needs numbers
                self.known[key] = None
        return self.known[key]
