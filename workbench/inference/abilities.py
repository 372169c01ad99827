"""How the rows of a model can be read together: said by its configuration, proved by trying.

Knows architectures; knows nothing of prompts. Whatever is not proved is done the plain way.
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from workbench.inference.model import LoadedModel
from workbench.inference.states import States, base_model, cache_argument

NEAR = 1e-3  # relative distance of logits in float32
NEAR_HALF = 0.06  # and in 16 bits
# A common beginning is there once, read by the device's own attention kernel or by plain matrix
# products; it is repeated for every row; or each row is read as a whole.
Manner = Literal["fused", "plain", "repeated", "whole"]


@dataclass(frozen=True)
class Abilities:
    """What may be done with a model's keys and values."""

    padding: bool  # rows of different lengths can be read together
    keeps: bool  # what was read of a prompt can be gone on from with another rest
    limit: int  # tokens: only in rows of at most so many is every token seen by all that follow


NOTHING = Abilities(padding=False, keeps=False, limit=0)
ABILITIES: WeakKeyDictionary[Any, Abilities] = WeakKeyDictionary()
MANNERS: WeakKeyDictionary[Any, Manner] = WeakKeyDictionary()


def abilities(loaded: LoadedModel) -> Abilities:
    """What the model can do, as its configuration says."""
    model = base_model(loaded)
    if model not in ABILITIES:
        ABILITIES[model] = look(loaded)
    return ABILITIES[model]


def manner(loaded: LoadedModel) -> Manner:
    """How rows with a common beginning are read the fastest. Tried once, on a few tokens: what the
    model says of them must be what it says of whole rows. Call it inside `loaded.answering(…)`."""
    model = base_model(loaded)
    if model not in MANNERS:
        MANNERS[model] = next((one for one in tried(loaded) if works(loaded, one)), "whole")
    return MANNERS[model]


def look(loaded: LoadedModel) -> Abilities:
    config = base_model(loaded).config
    positions = "position_ids" in loaded.accepts
    if not cache_argument(loaded):
        return Abilities(padding=positions, keeps=False, limit=0)
    try:
        layers = DynamicCache(config=config).layers
    except Exception:  # a configuration that says its layers in its own way
        return NOTHING
    if {type(layer) for layer in layers} - {DynamicLayer, DynamicSlidingWindowLayer}:
        return NOTHING  # a state, into which padding would go
    return Abilities(positions, positions, reach(config, layers, loaded.positions))


def reach(config: Any, layers: list[Any], context: int) -> int:
    """Tokens of the longest row in which each is seen by all later ones, at the same angles."""
    text = config.get_text_config()
    limits = [
        layer.sliding_window for layer in layers if isinstance(layer, DynamicSlidingWindowLayer)
    ]
    if isinstance(window := getattr(text, "window_size", None), int):  # GPT-Neo's local attention
        limits.append(window)
    rope = getattr(text, "rope_parameters", None) or {}
    for one in [rope, *(part for part in rope.values() if isinstance(part, dict))]:
        if one.get("rope_type") in ("longrope", "dynamic"):  # a long row turns all its keys anew
            said = one.get("original_max_position_embeddings")
            said = said or getattr(text, "original_max_position_embeddings", None)
            limits.append(int(said or text.max_position_embeddings))
    return min([context, *limits])


def tried(loaded: LoadedModel) -> list[Manner]:
    """What is worth trying with this model, the fastest first."""
    if not abilities(loaded).keeps:
        return []
    if getattr(base_model(loaded).config, "sub_configs", None):
        return ["repeated"]  # more than one attention implementation would have to be put back
    return ["fused", "plain", "repeated"]


def works(loaded: LoadedModel, manner: Manner) -> bool:
    """Rows that go on from a common beginning get the logits of whole rows, one at a time."""
    words = base_model(loaded).config.get_text_config().vocab_size
    begun = [(7 * n + 3) % words for n in range(9)]
    rows = [[(5 * n + 1) % words for n in range(4)], [(3 * n + 2) % words for n in range(2)]]
    after = [11 % words, 13 % words]
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = []
        for row, word in zip(rows, after, strict=True):
            alone = States(loaded, 1)
            whole.append(torch.cat([alone.read([[*begun, *row]])[:, 0], alone.step([word])]))
        one = States(loaded, 1)
        one.read([begun])
        kept = one.kept(begun)
        if kept is None:
            return False
        states = States(loaded, 2, kept, manner)
        found = torch.stack([states.read(rows)[:, 0], states.step(after)], 1)
        expected = torch.stack(whole)  # [rows, 2, words]
        spread = expected - expected.mean(-1, keepdim=True)
        distance = float((found - expected).norm() / spread.norm())
        return distance < (NEAR if loaded.dtype.itemsize > 2 else NEAR_HALF)
    return False
