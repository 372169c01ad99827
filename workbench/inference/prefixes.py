"""What a model has read of the last prompts, kept for the next one that begins the same.

Knows token ids, keys and values; knows nothing of what the tokens say. Whose keys they are is said
by a name that changes with the weights.
"""

from collections import OrderedDict
from collections.abc import Sequence

import psutil
import torch

from workbench.inference.batches import common
from workbench.inference.states import Prefix

MOST = 8  # prompts
SHARE = 0.1  # of the memory that is free on the device
SHORTEST = 16  # tokens worth to keep


class Prefixes:
    """The keys and values of the last few prompts; never more than `SHARE` of the free memory.

    `limit` is another bound, in bytes; 0: none.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.kept: OrderedDict[tuple[str, tuple[int, ...]], Prefix] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return sum(prefix.size for prefix in self.kept.values())

    def longest(self, weights: str, ids: Sequence[int]) -> Prefix | None:
        """The longest beginning of `ids` that has been read with these weights."""
        best, found = 0, None
        for (whose, _), prefix in self.kept.items():
            if whose == weights and (count := common(prefix.ids, tuple(ids))) > best:
                best, found = count, prefix
        if found is None or best < SHORTEST:
            return None
        self.kept.move_to_end((weights, found.ids))
        return found.first(best)

    def keep(self, weights: str, prefix: Prefix) -> None:
        """Hold what was read; what it goes on from, and what was used longest ago, is let go."""
        if len(prefix.ids) < SHORTEST:
            return
        key = (weights, prefix.ids)
        for other in list(self.kept):
            if other[0] == weights and other[1] == prefix.ids[: len(other[1])]:
                del self.kept[other]
        room = self.room(prefix)
        while self.kept and (len(self.kept) >= MOST or self.size + prefix.size > room):
            self.kept.popitem(last=False)
        if prefix.size <= room:
            self.kept[key] = prefix

    def room(self, prefix: Prefix) -> int:
        """Bytes that may be held where this one lies."""
        room = int(SHARE * (free_memory(prefix.layers[0][0].device) + self.size))
        return min(room, self.limit) if self.limit else room

    def clear(self) -> None:
        """Let go of everything."""
        self.kept.clear()


def free_memory(device: torch.device) -> int:
    """Bytes that could be had on the device."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + unused)
    return int(psutil.virtual_memory().available)
