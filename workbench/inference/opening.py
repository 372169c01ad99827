"""What every prompt begins with where virtual tokens were tuned: their keys and values.

A tuned prefix (Li and Liang, 2021) is just that; a tuned prompt (Lester et al., 2021) is read once
a step, as embeddings. From there on all is as without them, V positions later: so that a prompt is
read token by token, shared and kept as any other. Knows caches; knows nothing of prompts.
"""

from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from workbench.inference.moved import State, state_of

if TYPE_CHECKING:
    from workbench.inference.loaded import LoadedModel

Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]  # keys and values, [1, heads, V, size]


class Opening:
    """The virtual tokens of a model's tuned weights; of none where it has no such."""

    def __init__(self, loaded: "LoadedModel") -> None:
        self.loaded = loaded
        self.known: tuple[State, Layers | None] | None = None

    @property
    def config(self) -> Any:
        """peft's configuration of the virtual tokens; None where there are none."""
        if not self.loaded.has_adapter:
            return None
        config = self.loaded.model.active_peft_config
        return config if config.is_prompt_learning else None

    @property
    def length(self) -> int:
        """How many virtual tokens there are."""
        config = self.config
        return int(config.num_virtual_tokens) if config is not None else 0

    @property
    def begun(self) -> int:
        """How many there are before what is read now: none with the base's weights."""
        return 0 if self.loaded.active == "base" else self.length

    def embeddings(self) -> torch.Tensor | None:
        """Those of a tuned prompt, [1, V, size]; none of a tuned prefix."""
        config = self.config
        if config is None or config.peft_type != "PROMPT_TUNING":
            return None
        found: torch.Tensor = self.loaded.model.get_prompt(1)
        return found.to(self.loaded.base.get_input_embeddings().weight.dtype)

    def layers(self) -> Layers | None:
        """Their keys and values; None where the model keeps something else of what it reads."""
        state = state_of(self.loaded.model.prompt_encoder.parameters())
        if self.known is None or self.known[0] != state:
            with torch.no_grad():
                self.known = (state, keys_and_values(self.cache(1)))
        return self.known[1]

    def cache(self, rows: int) -> Any:
        """A cache in which so many rows have read them."""
        embeddings = self.embeddings()
        if embeddings is None:
            return self.loaded.model.get_prompt(rows)
        base, name = self.loaded.base, cache_name(self.loaded.accepts)
        cache = DynamicCache(config=base.config)
        inputs: dict[str, Any] = {name: cache, "use_cache": True}
        if "logits_to_keep" in self.loaded.accepts:
            inputs["logits_to_keep"] = 1
        base(inputs_embeds=embeddings.expand(rows, -1, -1), **inputs)
        return cache

    def check(self) -> None:
        """Raise ValueError where they are not of this model's size."""
        config = self.config
        if config is None:
            return
        text = self.loaded.base.config.get_text_config()
        if config.peft_type == "PROMPT_TUNING":
            width = self.loaded.base.get_input_embeddings().weight.shape[1]
            if config.token_dim != width:
                raise ValueError(f"its tokens have {config.token_dim} numbers, not {width}")
        elif config.num_layers != text.num_hidden_layers:
            raise ValueError(f"it has {config.num_layers} layers, not {text.num_hidden_layers}")
        elif self.loaded.head.kind == "causal":
            mine = keys_and_values(seen(self.loaded))
            theirs = self.layers()
            if mine and theirs and mine[0][0].shape[1::2] != theirs[0][0].shape[1::2]:
                raise ValueError("its keys are of another size")

    def clear(self) -> None:
        self.known = None


def cache_name(accepts: frozenset[str]) -> str:
    """What a model's forward calls its cache; models written before 2026 say past_key_values."""
    return next((name for name in ("cache", "past_key_values") if name in accepts), "")


def keys_and_values(cache: Any) -> Layers | None:
    """Those of each layer; None where a layer keeps something else."""
    found = []
    for layer in getattr(cache, "layers", ()):
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if not isinstance(keys, torch.Tensor) or not isinstance(values, torch.Tensor):
            return None
        found.append((keys, values))
    return tuple(found) or None


def seen(loaded: "LoadedModel", ids: tuple[int, ...] = (0,)) -> Any:
    """A cache of the base model that has read these tokens."""
    name = cache_name(loaded.accepts)
    if not name:
        return None
    cache = DynamicCache(config=loaded.base.config)
    rows = torch.tensor([ids], device=loaded.device)
    with torch.no_grad():
        loaded.base(input_ids=rows, use_cache=True, **{name: cache})
    return cache
