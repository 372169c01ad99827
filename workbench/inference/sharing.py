"""Attention in which many rows share the keys and values of what they all begin with.

The keys of the common tokens are there once, [1, heads, tokens, size]; each row attends to them and
to keys of its own, and both parts are merged by their log-sum-exp, in float32. It is what attention
over the whole row would be, without a copy of the beginning for each row (as in Juravsky et al.,
"Hydragen", 2024).

Knows queries, keys and values; knows nothing of prompts. The model's own attention is put back
after every pass.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

NAME = "workbench_shared"
# What a model may tell its attention without changing what it computes here.
HARMLESS = frozenset(
    {
        "cache",
        "is_causal",
        "layer_idx",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "past_key_values",
        "position_embeddings",
        "position_ids",
        "sliding_window",  # rows longer than it are never read this way
        "use_cache",
    }
)
Layer = tuple[torch.Tensor, torch.Tensor]  # keys and values, [rows, heads, tokens, size]


class NotSharedError(Exception):
    """The model's attention does something that cannot be computed in two parts here."""


@dataclass
class Current(threading.local):
    """The common keys and values of the pass under way in this thread."""

    layers: Sequence[Layer] = ()
    fused: bool = True
    used: set[int] = field(default_factory=set)


CURRENT = Current()


@contextmanager
def shared(model: Any, layers: Sequence[Layer], fused: bool = True) -> Iterator[None]:
    """Inside, every row of a pass of `model` (without its adapter's wrapping) attends to `layers`
    before its own tokens. Positions have to count them; attention masks have not.

    `fused`: by the device's own attention kernel where there is one that tells the log-sum-exp.

    Raises:
        NotSharedError: in the pass, when the model's attention cannot be computed so.
    """
    before = model.config._attn_implementation
    CURRENT.layers, CURRENT.fused, CURRENT.used = layers, fused, set()
    try:
        model.set_attn_implementation(NAME)
        if model.config._attn_implementation != NAME:
            raise NotSharedError("its attention cannot be replaced")
        yield
        if len(CURRENT.used) != len(layers):
            raise NotSharedError("not all of its layers attend by the common interface")
    finally:
        if model.config._attn_implementation != before:
            model.set_attn_implementation(before)
        CURRENT.layers, CURRENT.used = (), set()


def attend(  # noqa: PLR0917
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention to the common keys, then to the rows' own; [rows, tokens, heads, size].

    `query` is [rows, heads, tokens, size], `key` and `value` [rows, key heads, own tokens, size],
    the mask [rows, 1, tokens, own tokens], true where a token is seen.
    """
    unknown = [name for name, said in others.items() if said is not None and name not in HARMLESS]
    if unknown or dropout or torch.is_grad_enabled():
        raise NotSharedError(f"its attention has {', '.join(unknown) or 'dropout or gradients'}")
    number = getattr(module, "layer_idx", None)
    if not isinstance(number, int) or number >= len(CURRENT.layers) or attention_mask is None:
        raise NotSharedError("its attention does not say which layer it is")
    CURRENT.used.add(number)
    keys, values = CURRENT.layers[number]
    rows, heads, tokens, size = query.shape
    key_heads = key.shape[1]
    groups = heads // key_heads  # queries to a key
    scale = size**-0.5 if scaling is None else float(scaling)
    wide = query.reshape(rows, key_heads, groups * tokens, size)
    # For the common part the rows are only more queries: [1, key heads, rows x groups x tokens].
    one = wide.transpose(0, 1).reshape(1, key_heads, rows * groups * tokens, size)
    common, common_sum = part(one, keys, values, None, scale)
    shape = (key_heads, rows, groups * tokens)
    common = common.view(*shape, value.shape[-1]).transpose(0, 1)
    common_sum = common_sum.view(shape).transpose(0, 1)
    mask = attention_mask.expand(rows, 1, tokens, key.shape[2])
    mask = mask[:, :, None].expand(-1, -1, groups, -1, -1).flatten(2, 3)
    own, own_sum = part(wide, key, value, mask, scale)
    share = torch.sigmoid(common_sum - own_sum)[..., None]  # of the common part, float32
    merged = torch.lerp(own.float(), common.float(), share).to(query.dtype)
    return merged.reshape(rows, heads, tokens, -1).transpose(1, 2).contiguous(), None


def part(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention to some of the keys, [rows, heads, queries, size], and the log of the sum of the
    exponentials of their scores, float32 [rows, heads, queries]. Heads are those of the keys."""
    if CURRENT.fused and key.shape[-1] == value.shape[-1]:
        if query.device.type == "cpu":
            bias = None
            if mask is not None:
                bias = torch.zeros_like(mask, dtype=query.dtype)
                bias.masked_fill_(~mask, float("-inf"))
            found, logsum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query, key, value, attn_mask=bias, scale=scale
            )
            return found, logsum
        if query.device.type == "cuda" and mask is None and query.dtype.itemsize == 2:
            found, logsum, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
                query, key, value, scale=scale
            )
            return found, logsum
    scores = torch.matmul(query, key.transpose(2, 3)).float() * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    logsum = scores.logsumexp(-1, keepdim=True)
    weights = (scores - logsum).exp().to(value.dtype)
    return torch.matmul(weights, value), logsum[..., 0]


def own_mask(*arguments: Any, **named: Any) -> Any:
    """A mask of true and false for every pass, also where a causal one could be left out."""
    return sdpa_mask(*arguments, **{**named, "allow_is_causal_skip": False})


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, own_mask)
