"""A model's parts, whatever its architecture: its blocks, its linear layers, its head.

Knows modules and their names; knows nothing of methods.
"""

from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from workbench.inference.loaded import LoadedModel
from workbench.training.errors import TrainingError

LEFT_OUT = {
    # Its fused kernels read these weights past the layer: an adapter there would not be computed.
    "mamba": ("out_proj", "conv1d", "dt_proj"),
    "mamba2": ("out_proj", "conv1d", "dt_proj"),
    "falcon_mamba": ("out_proj", "conv1d", "dt_proj"),
}


def blocks(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The blocks that a model is a stack of, from its input on; of an encoder-decoder the encoder's
    first."""
    stacks = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 0 and alike(module)
    ]
    found: list[tuple[str, nn.Module]] = []
    for name, stack in stacks:
        inside = any(name.startswith(f"{other}.") for other, _ in stacks if other != name)
        if not inside:
            found += [(f"{name}.{number}", block) for number, block in enumerate(stack)]
    return found


def alike(stack: nn.ModuleList) -> bool:
    """Whether all of its modules are whole layers: modules of more than one linear layer."""
    return all(len(linear_in(module)) > 1 for module in stack)


def first_blocks(loaded: LoadedModel, count: int) -> list[str]:
    """The names of the first blocks.

    Raises:
        TrainingError: where there are no more than that, so that nothing would be left.
    """
    there = blocks(loaded.base)
    if count >= len(there):
        raise TrainingError(
            f"training.freeze_layers is {count} and {loaded.settings.name} has {len(there)} "
            f"layers; set it below {len(there)}."
        )
    return [name for name, _ in there[:count]]


def linear_in(model: nn.Module) -> list[str]:
    """The names of all linear layers, also of 4-bit ones and GPT-2's."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name
    ]


def head_parts(loaded: LoadedModel) -> list[str]:
    """The names of what stands after the transformer in a classifier: its head's own weights."""
    if loaded.head.kind != "classifier":
        return []
    base: Any = loaded.base
    body = base.base_model_prefix
    return [
        name
        for name, module in base.named_children()
        if name != body and any(True for _ in module.parameters())
    ]


def targets(loaded: LoadedModel) -> list[str]:
    """The names of the linear layers inside the model: all but those of its head.

    Of a language model the head is the projection to the words; what makes ready for it (BERT's
    last dense layer, say) is no block and is left out, too.
    """
    base: Any = loaded.base
    output = base.get_output_embeddings()
    heads = [name for name, module in base.named_modules() if module is output]
    heads += head_parts(loaded)
    if loaded.head.kind == "masked":
        heads += [name for name, _ in base.named_children() if name != base.base_model_prefix]
    left_out = LEFT_OUT.get(base.config.model_type, ())
    return [
        name
        for name in linear_in(base)
        if not any(name == head or name.startswith(f"{head}.") for head in heads)
        and name.rpartition(".")[2] not in left_out
    ]


def leaves(names: list[str]) -> list[str]:
    """The last parts of names, each once, sorted."""
    return sorted({name.rpartition(".")[2] for name in names})
