"""Many prompts read together: what they share once, in batches that fit into memory.

Knows token ids, memory and keys; knows nothing of what is done with what the model says.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from workbench.inference.abilities import MANNERS, abilities, manner
from workbench.inference.batches import batches, groups
from workbench.inference.generation import out_of_memory
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes, free_memory
from workbench.inference.sharing import NotSharedError
from workbench.inference.states import Prefix, States, base_model, opening

LEAST = 16  # tokens in common that are worth a pass of their own
TOKENS = 4096  # in a batch, padding included: more at once is no faster
USED = 0.5  # share of the free memory that a batch may take

# Rows in a batch by their positions, what the model holds of them, and the logits of their last
# positions, float32 [rows, keep, words].
Act = Callable[[list[int], States, torch.Tensor], None]


@dataclass(frozen=True)
class Work:
    """Prompts to read, and what for.

    `room`: tokens that `act` adds to each prompt; `keep`: how many positions' logits each needs,
    1 unless it is said; `exact`: tokens whose logits are compared, see `states.forward`. Where
    memory runs out a batch is read again in halves, without those that are not `left`.
    """

    prompts: Sequence[Sequence[int]]
    act: Act
    stopped: threading.Event
    room: int = 0
    keep: Sequence[int] = ()
    exact: Sequence[int] = ()
    left: Callable[[int], bool] = lambda _position: True

    def kept(self, position: int) -> int:
        return self.keep[position] if self.keep else 1

    def head(self, position: int) -> Sequence[int]:
        """What may be shared: what is predicted is predicted by tokens of a row's own."""
        prompt = self.prompts[position]
        return prompt[: len(prompt) - self.kept(position) + 1]


class Together:
    """Reads prompts, at most `most` at once. Call it inside `loaded.answering(…)`; `weights` is the
    fingerprint of the weights that answer."""

    def __init__(self, loaded: LoadedModel, prefixes: Prefixes, weights: str, most: int) -> None:
        self.loaded, self.prefixes, self.weights, self.most = loaded, prefixes, weights, most

    def read(self, work: Work) -> None:
        """Read all prompts; `work.act` gets them batch by batch, in any order.

        Raises:
            RuntimeError: when memory is not enough for a single prompt.
        """
        for group in groups([work.head(one) for one in range(len(work.prompts))]):
            longest = max(len(work.prompts[one]) for one in group.members) + work.room
            begun = work.prompts[group.members[0]][: group.shared]
            prefix = self.beginning(begun, longest, len(group.members), work.stopped)
            prefix = prefix or self.opening(longest, len(group.members))
            self.group(work, group.members, prefix)

    def group(self, work: Work, members: Sequence[int], prefix: Prefix | None) -> None:
        """Read prompts that all begin with `prefix`."""
        begun = len(prefix.ids) if prefix else 0
        how = manner(self.loaded) if prefix and len(members) > 1 else "repeated"
        lengths = [len(work.prompts[one]) - begun for one in members]
        most = self.fitting(
            max(lengths) + work.room,
            (prefix.tokens if prefix else 0) if how == "repeated" else 0,
            max(work.kept(one) for one in members),
        )
        even = not abilities(self.loaded).padding
        waiting = [
            [members[n] for n in batch]
            for batch in batches(lengths, most, tokens=TOKENS, even=even)
        ]
        while waiting and not work.stopped.is_set():
            batch = [one for one in waiting.pop(0) if work.left(one)]
            if not batch:
                continue
            try:
                states = States(self.loaded, len(batch), prefix, how)
                rows = [work.prompts[one][begun:] for one in batch]
                logits = states.read(rows, max(work.kept(one) for one in batch), work.exact)
                work.act(batch, states, logits)
                continue
            except NotSharedError:  # what a few tokens did not show
                MANNERS[base_model(self.loaded)] = how = "repeated"
                waiting.insert(0, batch)
                continue
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or len(batch) == 1:
                    raise
            self.release()
            half = len(batch) // 2
            waiting[:0] = [batch[:half], batch[half:]]

    def beginning(
        self, ids: Sequence[int], longest: int, rows: int, stopped: threading.Event
    ) -> Prefix | None:
        """What rows of at most `longest` tokens begin with, read, if that is worth it."""
        can = abilities(self.loaded)
        if len(ids) < LEAST or not can.keeps or longest + self.virtual > can.limit:
            return None
        found = self.prefixes.longest(self.weights, ids)
        if rows == 1:
            return found
        if manner(self.loaded) == "whole" or stopped.is_set():
            return None
        known = len(found.ids) if found else 0
        if found is not None and known == len(ids):
            return found
        states = States(self.loaded, 1, found)
        states.read([list(ids[known:])])
        made = states.kept(ids)
        if made is not None:
            self.prefixes.keep(self.weights, made)
        return made

    @property
    def virtual(self) -> int:
        return self.loaded.openings.begun

    def opening(self, longest: int, rows: int) -> Prefix | None:
        """Virtual tokens that rows of at most `longest` tokens share, if they can be shared."""
        can = abilities(self.loaded)
        if not self.virtual or rows == 1 or not can.keeps or longest + self.virtual > can.limit:
            return None
        return opening(self.loaded) if manner(self.loaded) in ("fused", "plain") else None

    def fitting(self, own: int, copied: int, keep: int) -> int:
        """How many rows fit into memory: of so many tokens of their own, others copied for each,
        and the logits of `keep` positions."""
        config = base_model(self.loaded).config.get_text_config()
        size = self.loaded.dtype.itemsize
        words = int(getattr(config, "vocab_size", 50_000))
        row = (own + copied) * token_size(config) * size * 2  # once more while it grows
        row += own * (8 * config.hidden_size + 4 * 4 * config.hidden_size) * size
        row += own * (own + copied) * config.num_attention_heads * 4
        row += keep * words * 4 * 4
        return max(1, min(self.most, int(USED * free_memory(self.loaded.device) / row)))

    def release(self) -> None:
        """Give memory back after it ran out."""
        self.prefixes.clear()
        if self.loaded.device.type == "cuda":
            torch.cuda.empty_cache()


def token_size(config: Any) -> int:
    """How many numbers the keys and values of a token are, in all layers."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size)
