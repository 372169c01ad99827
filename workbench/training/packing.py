"""Which sequences go into which row, so that hardly a token of a batch is padding.

Knows lengths and counts; knows nothing of tokens or models.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch


def plan(lengths: Sequence[int], longest: int, seed: int = 0) -> list[list[int]]:
    """Rows of at most `longest` tokens, each as the positions of its sequences, every position
    once: best fit, the longest first, which wastes a few tokens in a hundred where lengths vary.

    Sequences of one length are taken in an order drawn by the seed, and a row's own are shuffled:
    so what stands together says nothing of where it came from. The same lengths and seed give the
    same plan. (Johnson, 1973; of language models: Ding et al., 2024, arXiv 2404.10830.)

    Raises:
        ValueError: for a sequence that is longer than a row.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(lengths), generator=generator).tolist()
    order = sorted(drawn, key=lambda one: -lengths[one])  # stable: equal lengths stay as drawn
    if order and lengths[order[0]] > longest:
        raise ValueError(f"a sequence of {lengths[order[0]]} tokens in rows of {longest}")
    rows: list[list[int]] = []
    with_room: dict[int, list[int]] = {}  # tokens that are left → rows
    rooms: list[int] = []  # the keys of it, sorted
    for one in order:
        length = lengths[one]
        place = bisect_left(rooms, length)
        if place == len(rooms):
            row, room = len(rows), longest
            rows.append([])
        else:
            room = rooms[place]
            row = with_room[room].pop()
            if not with_room[room]:
                del with_room[room], rooms[place]
        rows[row].append(one)
        left = room - length
        if left not in with_room:
            with_room[left] = []
            insort(rooms, left)
        with_room[left].append(row)
    for row_of in rows:
        mixed = torch.randperm(len(row_of), generator=generator).tolist()
        row_of[:] = [row_of[n] for n in mixed]
    return rows
