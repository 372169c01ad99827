"""Which prompts are read together: those that begin the same, and of about the same length.

Knows token ids and counts; knows nothing of models.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

COST = 64  # tokens that one more beginning is worth, for the smaller batches that it makes
DEEPEST = 40  # beginnings within beginnings


@dataclass(frozen=True)
class Group:
    """Prompts, by their positions, that begin with the same `shared` tokens. Each has at least one
    more of its own."""

    shared: int
    members: tuple[int, ...]

    @property
    def saved(self) -> int:
        """Tokens that need not be read again."""
        return self.shared * (len(self.members) - 1)


def groups(prompts: Sequence[Sequence[int]]) -> list[Group]:
    """All positions in groups, so that the fewest tokens are read."""
    if not prompts:
        return []
    order = sorted(range(len(prompts)), key=lambda one: tuple(prompts[one]))
    same = [0, *(common(prompts[a], prompts[b]) for a, b in pairwise(order))]
    return divide(order, [len(prompts[one]) for one in order], same)


def divide(
    order: Sequence[int], lengths: Sequence[int], same: Sequence[int], depth: int = 0
) -> list[Group]:
    """Positions in sorted order as one group, or as what is better. `same` says how many tokens
    each begins with as the one before it."""
    shared = max(0, min((*same[1:], min(lengths) - 1)))
    whole = Group(shared, tuple(order))
    if len(order) < 4 or depth == DEEPEST:
        return [whole]
    least = min(same[1:])
    cuts = [0, *(n for n in range(1, len(order)) if same[n] == least), len(order)]
    found = [
        group
        for a, b in pairwise(cuts)
        if b - a > 1
        for group in divide(order[a:b], lengths[a:b], same[a:b], depth + 1)
    ]
    if alone := tuple(order[a] for a, b in pairwise(cuts) if b - a == 1):
        found.append(Group(shared, alone))
    if sum(group.saved for group in found) > whole.saved + COST * (len(found) - 1):
        return found
    return [whole]


def batches(
    lengths: Sequence[int], most: int, *, tokens: int = 0, even: bool = False
) -> Iterator[list[int]]:
    """Positions by length, the longest first, at most `most` at once.

    `tokens`: at most so many in a batch, padding included, 0 for no bound; `even`: only equal
    lengths together.
    """
    order = sorted(range(len(lengths)), key=lambda one: -lengths[one])
    batch: list[int] = []
    for one in order:
        longest = lengths[batch[0]] if batch else lengths[one]
        full = len(batch) >= most or (tokens and longest * (len(batch) + 1) > tokens)
        if batch and (full or (even and lengths[one] != longest)):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(n for n in range(most) if one[n] != other[n])
