"""What a step keeps in memory for the way back, counted and not guessed.

A batch is sent through a model without numbers (`torch`'s fake tensors, of which only shapes exist)
and what lives at the end of it is added up. That is linear in the rows of a batch and in the
layers, so two sizes of each tell all others: a model of 80 layers is counted on its last two.
"""

import copy
import math
import weakref
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from workbench.inference.loaded import LoadedModel
from workbench.training.dry_step import Batch, DryStep, is_fused
from workbench.training.fast_lora import fast_lora
from workbench.training.methods.layers import blocks

__all__ = ["Amount", "Batch", "Kept", "Living", "count"]

FEW, SOME = 1, 2  # layers of which it is counted


@dataclass(frozen=True)
class Amount:
    """Bytes = fixed + row·rows, each with a share for every layer."""

    fixed: float
    row: float
    layer: float
    layer_row: float

    def of(self, rows: int, layers: int) -> int:
        found = self.fixed + self.row * rows + layers * (self.layer + self.layer_row * rows)
        return max(0, math.ceil(found))

    def layer_of(self, rows: int) -> float:
        """Of one layer alone."""
        return self.layer + self.layer_row * rows

    def once(self, layers: int) -> float:
        """What does not depend on the rows."""
        return self.fixed + self.layer * layers

    def each(self, layers: int) -> float:
        """What every row takes."""
        return self.row + self.layer_row * layers


@dataclass(frozen=True)
class Kept:
    """What the layers keep for the way back, and the logits with all that is made of them, at most.

    `layers` that keep anything. With checkpointing a layer keeps what it was given, and one at a
    time all of its own (`layer`).
    """

    hidden: Amount
    logits: Amount
    layers: int
    layer: Amount | None = None

    def of(self, rows: int) -> tuple[int, int]:
        """Bytes for the layers and for the logits, of a batch of so many rows."""
        hidden, logits = self.hidden.of(rows, self.layers), self.logits.of(rows, self.layers)
        if self.layer is not None:  # its time comes when the logits are gone
            hidden += max(0, math.ceil(self.layer.layer_of(rows)) - logits)
        return hidden, logits


def count(loaded: LoadedModel, task: str, batch: Batch, checkpointing: bool) -> Kept:
    """What a step of that batch keeps. `loaded` is an outline with its method laid over it.

    Raises:
        RuntimeError and others: where the model cannot compute without numbers.
    """
    there = len(blocks(loaded.model))
    few, some = (min(FEW, there), min(SOME, there)) if stackable(loaded) else (there, there)
    rows = (batch.rows, 2 * batch.rows)
    fused = is_fused(loaded, task, batch)
    found = {}
    plain = {}
    for layers in {few, some}:
        cut = shortened(loaded, layers)
        for size in rows:
            taken = replace(batch, rows=size)
            found[size, layers] = lives(cut, loaded, task, taken, checkpointing, fused)
            if checkpointing:
                plain[size, layers] = lives(cut, loaded, task, taken, False, fused)[0]
    hidden, logits = (
        amount({size: one[part] for size, one in found.items()}, rows, (few, some))
        for part in (0, 1)
    )
    whole = amount(plain, rows, (few, some)) if plain and few != some else None
    return Kept(hidden, logits, there, whole)


def amount(
    found: dict[tuple[int, int], int], rows: tuple[int, int], layers: tuple[int, int]
) -> Amount:
    """The straight lines through four measurements, or through two where all layers were there."""
    (small, large), (few, some) = rows, layers
    step = large - small
    row_few = (found[large, few] - found[small, few]) / step
    base_few = found[small, few] - row_few * small
    if few == some:
        return Amount(base_few, row_few, 0, 0)
    row_some = (found[large, some] - found[small, some]) / step
    base_some = found[small, some] - row_some * small
    layer_row = (row_some - row_few) / (some - few)
    layer = (base_some - base_few) / (some - few)
    return Amount(base_few - layer * few, row_few - layer_row * few, layer, layer_row)


def stackable(loaded: LoadedModel) -> bool:
    """Whether a few layers of it are a model, too: of one stack, without a prefix for each."""
    stacks = {name.rpartition(".")[0] for name, _ in blocks(loaded.model)}
    config = getattr(loaded.model, "active_peft_config", None)
    return len(stacks) == 1 and not getattr(config, "is_prompt_learning", False)


def shortened(loaded: LoadedModel, layers: int) -> Any:
    """A copy of the outline with its last layers alone."""
    model = copy.deepcopy(loaded.model)
    found = blocks(model)
    if layers < len(found):
        stack, _, _ = found[0][0].rpartition(".")
        parent, _, name = stack.rpartition(".")
        kept = nn.ModuleList([block for _, block in found[-layers:]])
        for number, block in enumerate(kept):
            for module in block.modules():  # the place of its keys in a cache
                if isinstance(getattr(module, "layer_idx", None), int):
                    vars(module)["layer_idx"] = number
        setattr(model.get_submodule(parent), name, kept)
        for config in {id(one.config): one.config for one in with_config(model)}.values():
            text = config.get_text_config()
            kinds = getattr(text, "layer_types", None)
            text.num_hidden_layers = layers
            if kinds:
                text.layer_types = list(kinds)[-layers:]
    return model


def with_config(model: nn.Module) -> list[Any]:
    return [one for one in model.modules() if hasattr(one, "config")]


# --- one step, without numbers ---------------------------------------------------------------


def lives(  # noqa: PLR0917
    model: Any, loaded: LoadedModel, task: str, batch: Batch, checkpointing: bool, fused: bool
) -> tuple[int, int]:
    """Bytes that live at the end of the way forward but for the logits, and of these at most."""
    model = copy.deepcopy(model)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    if checkpointing:
        base.activation_checkpointing_enable({"use_reentrant": False})
        if hasattr(base, "enable_input_require_grads"):
            base.enable_input_require_grads()
    with FakeTensorMode(), fast_lora(model):
        numberless(model, loaded.device)
        model.train()
        step = DryStep(model, loaded, task, batch, fused)
        known = [*model.parameters(), *model.buffers()]
        with Living(known) as living, step.precision(), step.arranged():
            made = step.forward()
        size = made.untyped_storage().nbytes()
        hidden = living.now - size
        given = made.detach().requires_grad_()
        with Living([*known, given]) as living, step.precision():
            torch.autograd.backward(step.loss(given))
        gradients = sum(one.grad.nbytes for one in model.parameters() if one.grad is not None)
        return hidden, max(0, living.most - gradients) + size


def numberless(model: Any, device: torch.device) -> None:
    """Make the model's parameters and buffers tensors of the device that exist in shape only."""
    made: dict[int, nn.Parameter] = {}  # what is tied stays so
    for module in model.modules():
        for name, one in list(module._parameters.items()):
            if one is not None:
                if id(one) not in made:
                    empty = torch.empty(one.shape, dtype=one.dtype, device=device)
                    made[id(one)] = nn.Parameter(empty, requires_grad=one.requires_grad)
                module._parameters[name] = made[id(one)]
        for name, one in list(module._buffers.items()):
            if one is not None:
                module._buffers[name] = torch.empty(one.shape, dtype=one.dtype, device=device)


class Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that are made inside it and live: `now`, and the `most` at once."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes = {one.untyped_storage()._cdata: 0 for one in known}
        self.now = self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, torch.Tensor):
                self.take(one)
        self.most = max(self.most, self.now)
        return found

    def take(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            weakref.finalize(storage, self.forget, key)

    def forget(self, key: int) -> None:
        self.now -= self.sizes.pop(key)
