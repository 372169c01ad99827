"""Choosing among labels without decoding: which is the likeliest answer to a prompt.

Knows token ids and log-probabilities; knows nothing of rows or of what the labels mean.
"""

from collections.abc import Sequence

import torch

from workbench.inference.states import States


def with_ends(labels: Sequence[list[int]], end: Sequence[int]) -> list[list[int]]:
    """The labels' token ids so that their log-probabilities can be compared.

    Where labels differ in length, or one begins another, each is followed by the token that ends
    a turn: "is it exactly this?" and not "does it begin like this?". Else nothing is added.
    """
    lengths = {len(label) for label in labels}
    if len(lengths) == 1 and 0 not in lengths:  # of one length, none begins another
        return [list(label) for label in labels]
    return [[*label, *end] for label in labels]


def rest_of_labels(states: States, labels: Sequence[list[int]], pad: int) -> torch.Tensor:
    """Log-probability of each label's tokens after its first, float32 [rows, labels], after the
    rows that `states` holds; it goes on from them."""
    rows, count = states.rows, len(labels)
    width = max(len(label) for label in labels) - 1
    given = torch.full((count, width), pad, dtype=torch.long)
    wanted, there = torch.zeros_like(given), torch.zeros_like(given)
    for row, label in enumerate(labels):
        size = len(label) - 1
        given[row, :size] = torch.tensor(label[:-1], dtype=torch.long)
        wanted[row, :size] = torch.tensor(label[1:], dtype=torch.long)
        there[row, :size] = 1
    given, wanted, there = (one.repeat(rows, 1) for one in (given, wanted, there))
    states.select([row for row in range(rows) for _ in range(count)])
    exact = [token for label in labels for token in label]
    found = states.extend(given, there, width, exact).log_softmax(-1)
    found = found.gather(2, wanted[:, :, None].to(found.device))[:, :, 0]
    return (found * there.to(found.device)).sum(1).view(rows, count)
