"""What a model holds of rows that it reads together: keys and values, padding, positions.

Knows token ids, masks and caches; knows nothing of prompts or of how the next token is chosen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from workbench.inference.errors import ModelError
from workbench.inference.loaded import LoadedModel
from workbench.inference.opening import cache_name
from workbench.inference.sharing import Layer, shared


@dataclass(frozen=True)
class Prefix:
    """Tokens that have been read, and each layer's keys and values of them, [1, heads, tokens,
    size]; before them those of the `virtual` tokens of a tuned prompt or prefix."""

    ids: tuple[int, ...]
    layers: tuple[Layer, ...]
    virtual: int = 0

    @property
    def tokens(self) -> int:
        """How many there are, virtual ones included."""
        return self.virtual + len(self.ids)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(one.numel() * one.element_size() for layer in self.layers for one in layer)

    def first(self, count: int) -> "Prefix":
        """The first `count` tokens of it; nothing is copied."""
        if count == len(self.ids):
            return self
        end = self.virtual + count
        layers = tuple((keys[:, :, :end], values[:, :, :end]) for keys, values in self.layers)
        return Prefix(self.ids[:count], layers, self.virtual)


class States:
    """Rows under way in a model. Call it inside `loaded.answering(…)`.

    `prefix` is what all of them begin with; `manner` says how it is read, see `abilities`.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        rows: int,
        prefix: Prefix | None = None,
        manner: str = "repeated",
    ) -> None:
        self.loaded, self.prefix = loaded, prefix
        self.sharing = manner in ("fused", "plain") and prefix is not None
        self.fused = manner == "fused"
        self.virtual = loaded.openings.begun
        begun = prefix.tokens if prefix else self.virtual
        device = loaded.device
        self.lengths = torch.full((rows,), begun, dtype=torch.long, device=device)
        copied = 0 if self.sharing else begun
        self.mask = torch.ones(rows, copied, dtype=torch.long, device=device)
        self.name = cache_argument(loaded)
        self.ids = torch.zeros(rows, 0, dtype=torch.long, device=device)  # where there is no cache
        self.cache: Any = None
        if prefix and self.sharing:
            self.cache = DynamicCache()
        elif prefix:
            self.cache = cache_of(prefix, rows)
        elif self.name:
            self.cache = opened(loaded, rows)

    @property
    def rows(self) -> int:
        return int(self.lengths.shape[0])

    def read(
        self, rows: Sequence[Sequence[int]], keep: int = 1, exact: Sequence[int] = ()
    ) -> torch.Tensor:
        """Tokens for each row, of any number; see `extend`."""
        ids, mask = pad_rows(rows, self.loaded.pad_token)
        return self.extend(ids, mask, keep, exact)

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """One more token for each row; logits of what comes next, float32 [rows, words]."""
        ids = torch.tensor(tokens, dtype=torch.long)[:, None]
        return self.extend(ids, torch.ones_like(ids))[:, 0]

    def extend(
        self, ids: torch.Tensor, mask: torch.Tensor, keep: int = 1, exact: Sequence[int] = ()
    ) -> torch.Tensor:
        """More tokens for each row, [rows, tokens], the mask 0 where they are padding; logits of
        the last `keep` positions, float32 [rows, keep, words]; for `exact` see `forward`."""
        ids, mask = ids.to(self.loaded.device), mask.to(self.loaded.device)
        positions = (self.lengths[:, None] + mask.cumsum(1) - 1).clamp_min(0)
        self.mask = torch.cat([self.mask, mask], 1)
        self.lengths = self.lengths + mask.sum(1)
        inputs: dict[str, Any] = {"position_ids": positions}
        if not bool(self.mask.all()):  # some states take a mask for what they read first only
            inputs["attention_mask"] = self.mask
        if self.cache is None:
            self.ids = torch.cat([self.ids, ids], 1)
            inputs["position_ids"] = (self.mask.cumsum(1) - 1).clamp_min(0)
            return forward(self.loaded, keep, exact, **self.whole(), **inputs)
        inputs[self.name] = self.cache
        with self.attending():
            return forward(self.loaded, keep, exact, input_ids=ids, use_cache=True, **inputs)

    def whole(self) -> dict[str, torch.Tensor]:
        """All tokens read so far, virtual ones before them: of a model that keeps nothing."""
        if not self.virtual:
            return {"input_ids": self.ids}
        before = self.loaded.openings.embeddings()
        if before is None:
            raise ModelError("This model keeps no keys and values, so it can have no tuned prefix.")
        after = base_model(self.loaded).get_input_embeddings()(self.ids)
        return {"inputs_embeds": torch.cat([before.expand(self.rows, -1, -1), after], 1)}

    @contextmanager
    def attending(self) -> Iterator[None]:
        if self.prefix is None or not self.sharing:
            yield
            return
        with shared(base_model(self.loaded), self.prefix.layers, self.fused):
            yield

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order; a row may be there more than once."""
        chosen = torch.tensor(rows, dtype=torch.long, device=self.loaded.device)
        self.lengths, self.mask, self.ids = (
            one.index_select(0, chosen) for one in (self.lengths, self.mask, self.ids)
        )
        if self.cache is not None:
            self.cache.reorder_cache(chosen)

    def kept(self, ids: Sequence[int]) -> Prefix | None:
        """What was read of the only row, whose tokens are `ids`, to go on from another time; none
        where the model has let go of some."""
        if self.cache is None:
            return None
        layers = tuple((layer.keys, layer.values) for layer in self.cache.layers)
        tokens = self.virtual + len(ids)
        if any(keys is None or keys.shape[2] != tokens for keys, _ in layers):
            return None
        return Prefix(tuple(ids), layers, self.virtual)


def base_model(loaded: LoadedModel) -> Any:
    """The model that an adapter may lie over."""
    return loaded.base


def cache_argument(loaded: LoadedModel) -> str:
    """What the model's forward calls its cache; none where it keeps nothing."""
    return cache_name(loaded.accepts)


def opened(loaded: LoadedModel, rows: int) -> Any:
    """A cache for so many rows that have read nothing but the virtual tokens there may be."""
    config = base_model(loaded).config
    if not loaded.openings.begun:
        return DynamicCache(config=config)
    layers = loaded.openings.layers()
    if layers is None:
        return loaded.openings.cache(rows)
    cache = DynamicCache(config=config)
    for number, (keys, values) in enumerate(layers):
        cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), number)
    return cache


def opening(loaded: LoadedModel) -> Prefix | None:
    """The virtual tokens as what rows begin with; none where there are none."""
    virtual = loaded.openings.begun
    layers = loaded.openings.layers() if virtual and cache_argument(loaded) else None
    if layers is None or any(keys.shape[2] != virtual for keys, _ in layers):
        return None
    return Prefix((), layers, virtual)


def cache_of(prefix: Prefix, rows: int) -> DynamicCache:
    """A cache in which every row has read the prefix; copied only when it grows."""
    cache = DynamicCache()
    for keys, values in prefix.layers:
        layer = DynamicLayer()
        layer.lazy_initialization(keys, values)
        layer.keys = keys.expand(rows, -1, -1, -1)
        layer.values = values.expand(rows, -1, -1, -1)
        cache.layers.append(layer)
    return cache


def pad_rows(rows: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and their mask, each [rows, longest], padded on the left."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        if row:
            ids[number, longest - len(row) :] = torch.tensor(row, dtype=torch.long)
            mask[number, longest - len(row) :] = 1
    return ids, mask


def forward(
    loaded: LoadedModel, keep: int, exact: Sequence[int] = (), **inputs: Any
) -> torch.Tensor:
    """Logits of the last `keep` positions, float32 [rows, keep, words].

    Those of the tokens `exact` are computed in float32 from the last hidden state. In bfloat16 a
    logit of 37 is rounded to a quarter: one row of film reviews in ten has two labels in a tie.
    """
    inputs = {name: value for name, value in inputs.items() if name in loaded.accepts}
    if "logits_to_keep" in loaded.accepts:
        inputs["logits_to_keep"] = keep
    # peft's wrapping would put the virtual tokens before each piece of a row
    model = base_model(loaded) if loaded.virtual_tokens else loaded.model
    head = base_model(loaded).get_output_embeddings()
    if not exact or type(head) is not torch.nn.Linear or head.weight.dtype.itemsize != 2:
        logits: torch.Tensor = model(**inputs).logits[:, -keep:].float()
        return logits
    seen: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _head, given: seen.append(given[0]))
    try:
        logits = model(**inputs).logits[:, -keep:].float()
    finally:
        hook.remove()
    words = torch.tensor(sorted(set(exact)), device=logits.device)
    bias = None if head.bias is None else head.bias[words].float()
    fine = torch.nn.functional.linear(seen[-1][:, -keep:].float(), head.weight[words].float(), bias)
    coarse = logits[:, :, words]
    # What a model does to its logits after the head (a cap, a scale) shows in a larger distance.
    if bool(((fine - coarse).abs() <= coarse.abs() * 2**-6 + 0.02).all()):
        logits[:, :, words] = fine
    return logits
