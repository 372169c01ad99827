"""A batch as one long sequence: first what all rows begin with, once, then the rest of each row.

No token is padding, and none is computed twice. Rows stay apart by the attention that goes with it
(`flat_attention.py`). Knows token ids and positions; knows nothing of models.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

FEWEST = 4  # tokens that rows must begin with alike; computing fewer once gains nothing
WASTE = 1.25  # rows are attended to together where padding makes them at most so much longer


class FlatCollator:
    """Batches of input_ids and position_ids [1, tokens]; `shared`, how many tokens all rows begin
    with, and `lengths`, the tokens of each row's rest; `predicting` [n], the positions that a token
    with a loss comes after, and `targets` [n], those tokens.

    A row is {input_ids, trained}: the stretches with a loss as start, stop, start, stop, …; or
    {sequences}, several of them. A row's first token has no loss. `tokens` counts the text, that of
    the common beginning once for each row. `share`: whether a common beginning is computed once.
    """

    def __init__(self, share: bool = True) -> None:
        self.share = share

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        sequences = [one for row in rows for one in row.get("sequences", (row,))]
        shared = common(sequences) if self.share else 0
        ids = list(sequences[0]["input_ids"][:shared])
        positions = list(range(shared))
        predicting: list[int] = []
        targets: list[int] = []
        for one in sequences:
            tokens, edges = one["input_ids"], one["trained"]
            begins = len(ids) - shared  # where the row's token 0 would be
            ids += tokens[shared:]
            positions += range(shared, len(tokens))
            for start, stop in zip(edges[::2], edges[1::2], strict=True):
                first = max(start, 1)
                predicting += range(begins + first - 1, begins + stop - 1)
                targets += tokens[first:stop]
        return {
            "input_ids": torch.tensor([ids]),
            "position_ids": torch.tensor([positions]),
            "shared": shared,
            "lengths": [len(one["input_ids"]) - shared for one in sequences],
            "predicting": torch.tensor(predicting, dtype=torch.long),
            "targets": torch.tensor(targets, dtype=torch.long),
            "tokens": sum(len(one["input_ids"]) for one in sequences),
        }


def common(rows: Sequence[dict[str, Any]]) -> int:
    """How many tokens all rows begin with, before the first that predicts one with a loss; 0 where
    it is not worth while."""
    if len(rows) < 2:
        return 0
    # of all rows' beginnings, that of the lowest and the highest is the shortest
    ids = [one["input_ids"] for one in rows]
    low, high = min(ids), max(ids)
    most = min(
        len(one["input_ids"]) - 1 if not one["trained"] else max(one["trained"][0], 1) - 1
        for one in rows
    )
    shared = 0
    while shared < most and low[shared] == high[shared]:
        shared += 1
    return shared if shared >= FEWEST else 0


class Group:
    """Rows of about one length: `index` [rows, longest] are their tokens' places behind the common
    beginning, padded at the end with the row's last; None where they fill them one after another.
    """

    def __init__(self, rows: list[tuple[int, int]], longest: int, index: torch.Tensor | None):
        self.rows, self.longest, self.index = len(rows), longest, index


class Layout:
    """Where the rows of a flat batch are. `shared`, `lengths` as `FlatCollator` says them."""

    def __init__(self, shared: int, lengths: Sequence[int], device: torch.device) -> None:
        self.shared, self.lengths, self.device = shared, tuple(lengths), device
        self.masks: dict[tuple[Any, ...], torch.Tensor] = {}

    @cached_property
    def groups(self) -> list[Group]:
        return self.grouped[0]

    @cached_property
    def back(self) -> torch.Tensor | None:
        """[tokens] places in the groups' rows, one group after the other, padding counted; None
        where they are in order and without padding."""
        return self.grouped[1]

    @cached_property
    def grouped(self) -> tuple[list[Group], torch.Tensor | None]:
        starts, at = [], 0
        for length in self.lengths:
            starts.append(at)
            at += length
        if len(set(self.lengths)) == 1:
            rows = list(zip(starts, self.lengths, strict=True))
            return [Group(rows, self.lengths[0], None)], None
        back = torch.empty(at, dtype=torch.long)
        groups, begun = [], 0
        for rows in alike(list(zip(starts, self.lengths, strict=True))):
            longest = rows[-1][1]
            begin, count = (torch.tensor(one)[:, None] for one in zip(*rows, strict=True))
            place = torch.arange(longest)[None]
            index = begin + torch.minimum(place, count - 1)
            real = place < count
            back[index[real]] = begun + torch.arange(len(rows) * longest).view_as(index)[real]
            groups.append(Group(rows, longest, index.to(self.device)))
            begun += len(rows) * longest
        return groups, back.to(self.device)

    def mask(self, longest: int, repeated: int, dtype: torch.dtype) -> torch.Tensor:
        """What is added to scores, [repeated x longest, shared + longest]: a row's token sees the
        common beginning, itself, and what is before it."""
        key = (longest, repeated, dtype)
        if key not in self.masks:
            sees = torch.ones(
                longest, self.shared + longest, dtype=torch.bool, device=self.device
            ).tril(self.shared)
            mask = torch.zeros(sees.shape, dtype=dtype, device=self.device)
            self.masks[key] = mask.masked_fill_(~sees, float("-inf")).repeat(repeated, 1)
        return self.masks[key]

    @cached_property
    def stretches(self) -> "Stretches":
        """The same for attention over sequences of any length."""
        return Stretches(self)


class Stretches:
    """Where the sequences of a flat batch begin and end; the common beginning is the first of them.

    `queries` and `keys` are int32 [sequences + 1]; `index` says which token is the key at each
    place, None where they are in order; no sequence is longer than `longest`, a power of two, so
    that compiled code fits many batches.
    """

    def __init__(self, layout: Layout) -> None:
        shared, lengths, device = layout.shared, layout.lengths, layout.device
        before = [shared] if shared else []
        ends = [0, *before, *lengths], [0, *before, *(shared + one for one in lengths)]
        self.queries, self.keys = (
            torch.tensor(one).cumsum(0).to(torch.int32).to(device, non_blocking=True)
            for one in ends
        )
        self.longest = 1 << (shared + max(lengths) - 1).bit_length()
        self.index: torch.Tensor | None = None
        if shared:
            beginning = torch.arange(shared)
            pieces, at = [beginning], shared
            for length in lengths:
                pieces += [beginning, torch.arange(at, at + length)]
                at += length
            self.index = torch.cat(pieces).to(device, non_blocking=True)


def alike(rows: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Rows as (start, length) in groups of about one length, the shortest first."""
    groups: list[list[tuple[int, int]]] = []
    total = 0
    for row in sorted(rows, key=lambda one: one[1]):
        total += row[1]
        if groups and (len(groups[-1]) + 1) * row[1] <= WASTE * total:
            groups[-1].append(row)
        else:
            groups.append([row])
            total = row[1]
    return groups
