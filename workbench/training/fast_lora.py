"""LoRA's small products folded into the large one's result: the same numbers in fewer passes.

peft computes W x + s B (A x) as four passes over results as wide as W's, and in mixed precision
over a float32 copy of x. Here s goes into A x, which is narrow, and B is added in the product
itself. Knows layers of peft; knows nothing of models.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import nn


@contextmanager
def fast_lora(model: nn.Module) -> Iterator[None]:
    """Inside, plain LoRA layers over linear ones compute so in training; all others as ever."""
    changed = [layer for layer in model.modules() if is_plain(layer)]
    for layer in changed:
        layer.forward = MethodType(forward, layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.forward


def is_plain(layer: nn.Module) -> bool:
    """Whether nothing but the two small matrices is added to a linear layer."""
    return (
        type(layer) is Linear
        and type(layer.base_layer) is nn.Linear
        and not layer.lora_variant
        and len(layer.lora_A) == 1
        and all(type(one) is nn.Linear and one.bias is None for one in layer.lora_A.values())
        and all(type(one) is nn.Linear and one.bias is None for one in layer.lora_B.values())
    )


def forward(layer: Any, x: torch.Tensor, *arguments: Any, **named: Any) -> torch.Tensor:
    """As the layer's own forward."""
    mixed = torch.is_autocast_enabled(x.device.type)
    name = next(iter(layer.lora_A))
    small, wide = layer.lora_A[name], layer.lora_B[name].weight
    active = layer.active_adapters == [name] and not layer.disable_adapters and not layer.merged
    if arguments or named or not active or not (mixed or x.dtype == wide.dtype):
        made: torch.Tensor = type(layer).forward(layer, x, *arguments, **named)
        return made
    result = layer.base_layer(x)
    narrow = small(layer.lora_dropout[name](x)) * layer.scaling[name]  # [..., rank]
    if mixed:
        wide, narrow = wide.to(result.dtype), narrow.to(result.dtype)
    flat = torch.addmm(result.flatten(0, -2), narrow.flatten(0, -2), wide.t())
    return flat.view(result.shape)
