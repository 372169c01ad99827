"""Attention for flat batches: each row sees what all begin with, and itself.

On a GPU by torch's flash attention over sequences of any length, on a processor by plain matrix
products over rows of about one length. Knows queries, keys and values; the model's own attention is
put back after every step. Whether a model can be computed so is tried once (`flat_works`).
"""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface

from workbench.inference.abilities import NEAR, abilities
from workbench.inference.model import LoadedModel
from workbench.inference.sharing import HARMLESS, NotSharedError
from workbench.inference.states import base_model
from workbench.training.flat import FlatCollator, Layout, Stretches

NAME = "workbench_flat"
# What torch's function takes differs by its version.
TAKES = inspect.signature(varlen_attn).parameters
WINDOWS, SHARES_KEYS = "window_size" in TAKES, "enable_gqa" in TAKES
# Keys up to which plain products are faster than torch's own kernel on a CPU, forward and back
# together; measured with 9 heads of 64 on a Zen 4, one thread: in bfloat16 8 against 29 ms with
# 16 rows of 58, 149 against 124 with 4 rows of 512; in float32 7 against 8 at 40, 235 against 130.
PLAIN = {torch.bfloat16: 320, torch.float16: 320, torch.float32: 64}
BEGUN = 6  # tokens that the rows which a model is tried with begin with
# In 16 bits the logits of one row differ by how attention is computed, of some models by a tenth:
# flat batches may be so many times as far away as the model's plainest attention, and never so far.
NOISES, WRONG = 3.0, 0.4
WORKS: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


@contextmanager
def flat(model: Any) -> Iterator[None]:
    """Inside, passes of `model` (without its adapter's wrapping) take flat batches, each with its
    `layout`. Backward belongs inside, too, where activations are computed anew."""
    with attention(model, NAME):
        yield


@contextmanager
def attention(model: Any, name: str) -> Iterator[None]:
    """Inside, `model` computes attention in another way."""
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend(  # noqa: PLR0917
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    layout: Layout | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within the rows of `layout`; [1, tokens, heads, size].

    `query` is [1, heads, tokens, size], `key` and `value` [1, key heads, tokens, size].
    """
    unknown = [name for name, said in others.items() if said is not None and name not in HARMLESS]
    if unknown or layout is None or query.shape[0] != 1 or query.shape[2] != key.shape[2]:
        raise NotSharedError(f"its attention has {', '.join(unknown) or 'no layout'}")
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if by_flash_can(query, value) and not dropout:
        return by_flash(query[0], key[0], value[0], layout.stretches, scale)[None], None
    return in_groups(query, key, value, layout, scale, dropout), None


@torch.compiler.disable  # type: ignore[untyped-decorator]
def in_groups(  # noqa: PLR0917
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """As `attend`, rows of about one length at a time, padded to the longest of them."""
    shared, heads = layout.shared, query.shape[1]
    own = [one[0, :, shared:] for one in (query, key, value)]
    parts = []
    for group in layout.groups:
        q, k, v = (rows_of(one, group.rows, group.longest, group.index) for one in own)
        if shared:
            k, v = (
                torch.cat([one[:, :, :shared].expand(group.rows, -1, -1, -1), rest], 2)
                for one, rest in ((key, k), (value, v))
            )
        found = by_rows(q, k, v, layout, scale, dropout)  # [rows, heads, longest, size]
        parts.append(found.transpose(1, 2).reshape(-1, heads, found.shape[-1]))
    rest = parts[0] if layout.back is None else torch.cat(parts).index_select(0, layout.back)
    if not shared:
        return rest[None]
    alone = Layout(0, [shared], query.device)
    q, k, v = (one[:, :, :shared] for one in (query, key, value))
    first = by_rows(q, k, v, alone, scale, dropout)
    return torch.cat([first[0].transpose(0, 1), rest])[None]


def rows_of(
    tensor: torch.Tensor, rows: int, longest: int, index: torch.Tensor | None
) -> torch.Tensor:
    """[heads, tokens, size] as [rows, heads, longest, size]."""
    heads, _, size = tensor.shape
    if index is not None:
        tensor = tensor.index_select(1, index.flatten())
    return tensor.reshape(heads, rows, longest, size).transpose(0, 1)


def by_rows(  # noqa: PLR0917
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """Causal attention of rows that end together, [rows, heads, tokens, size]; there may be more
    keys than queries, at their beginning."""
    rows, heads, tokens, size = query.shape
    key_heads, seen = key.shape[1], key.shape[2]
    groups = heads // key_heads  # queries to a key
    plain = query.device.type == "cpu" and seen <= PLAIN.get(query.dtype, 0)
    if not plain:
        mask = layout.mask(tokens, 1, query.dtype)
        if groups > 1:
            key, value = (one.repeat_interleave(groups, 1) for one in (key, value))
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale
        )
    wide = query.reshape(rows * key_heads, groups * tokens, size)
    keys = key.reshape(rows * key_heads, seen, size)
    mask = layout.mask(tokens, groups, query.dtype)
    scores = torch.baddbmm(mask, wide, keys.transpose(1, 2), alpha=scale)
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    found = torch.bmm(weights, value.reshape(rows * key_heads, seen, -1))
    return found.view(rows, heads, tokens, -1)


def by_flash_can(query: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether flash attention takes such queries and values."""
    sizes = query.shape[-1] == value.shape[-1] and query.shape[-1] % 8 == 0
    narrow = query.dtype in (torch.bfloat16, torch.float16) and query.shape[-1] <= 256
    return query.device.type == "cuda" and narrow and sizes


def by_flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, where: Stretches, scale: float
) -> torch.Tensor:
    """[tokens, heads, size], of queries [heads, tokens, size] on a GPU."""
    query, key, value = (one.transpose(0, 1) for one in (query, key, value))
    if where.index is not None:
        key, value = (one.index_select(0, where.index) for one in (key, value))
    groups = query.shape[1] // key.shape[1]
    more: dict[str, Any] = {"window_size": (-1, 0)} if WINDOWS else {"is_causal": True}
    if groups > 1 and SHARES_KEYS:
        more["enable_gqa"] = True
    elif groups > 1:
        key, value = (one.repeat_interleave(groups, 1) for one in (key, value))
    found: Any = varlen_attn(
        query, key, value, where.queries, where.keys, where.longest, where.longest,
        scale=scale, **more,
    )  # fmt: skip
    made: torch.Tensor = found
    return made


AttentionInterface.register(NAME, attend)


def flat_works(loaded: LoadedModel) -> bool:
    """Whether the model says of a flat batch what it says of each row alone, tried on a few
    tokens."""
    model = base_model(loaded)
    config = getattr(loaded.model, "peft_config", {})
    if any(getattr(one, "is_prompt_learning", False) for one in config.values()):
        return False  # virtual tokens stand before each row
    if model not in WORKS:
        WORKS[model] = abilities(loaded).limit > 0 and tried(loaded)
    return WORKS[model]


def tried(loaded: LoadedModel) -> bool:
    model = base_model(loaded)
    if getattr(model.config, "sub_configs", None):
        return False  # more than one attention implementation would have to be put back
    words = model.config.get_text_config().vocab_size
    begun = [(7 * n + 3) % words for n in range(BEGUN)]
    rows = [begun + [(k * n + k) % words for n in range(k)] for k in (5, 2, 3)]
    batch = FlatCollator()([{"input_ids": row, "trained": [BEGUN + 1, len(row)]} for row in rows])
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with loaded.answering("tuned" if loaded.has_tuned else "base"):
            alone = alone_logits(loaded, rows)
            with attention(model, NAME):
                found = flat_logits(loaded.model, batch, loaded.accepts, loaded.device)
            noise = NEAR
            if loaded.dtype.itemsize <= 2:
                with attention(model, "eager"):
                    noise = NOISES * distance(alone_logits(loaded, rows), alone)
        return distance(found, alone) < max(NEAR, min(noise, WRONG))
    return False


def alone_logits(loaded: LoadedModel, rows: list[list[int]]) -> torch.Tensor:
    """As `flat_logits` of the rows tried, a row at a time by the model's own attention."""
    found = [loaded.model(torch.tensor([one], device=loaded.device)).logits for one in rows]
    return torch.cat([one[0, BEGUN:-1] for one in found])


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Of logits, beside how far they are apart among themselves."""
    found, expected = found.float(), expected.float()
    spread = expected - expected.mean(-1, keepdim=True)
    return float((found - expected).norm() / spread.norm())


def flat_logits(
    model: Any, inputs: dict[str, Any], accepts: frozenset[str], device: torch.device
) -> torch.Tensor:
    """The logits of the positions that predict a token with a loss, [n, words]."""
    given, predicting = flat_inputs(inputs, accepts, device)
    if "logits_to_keep" in accepts:
        logits = model(**given, logits_to_keep=predicting).logits[0]
    else:
        logits = model(**given).logits[0, predicting]
    found: torch.Tensor = logits
    return found


def flat_inputs(
    inputs: dict[str, Any], accepts: frozenset[str], device: torch.device
) -> tuple[dict[str, Any], torch.Tensor]:
    """What the model's forward gets of a batch of `FlatCollator`, and the predicting positions."""
    layout = Layout(inputs["shared"], inputs["lengths"], device)
    if device.type == "cuda":
        layout.stretches  # noqa: B018 - here rather than in compiled code
    given: dict[str, Any] = {
        "input_ids": inputs["input_ids"].to(device),
        "position_ids": inputs["position_ids"].to(device),
        "layout": layout,
    }
    if "use_cache" in accepts:
        given["use_cache"] = False
    return given, inputs["predicting"].to(device)
