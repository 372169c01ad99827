"""Rows of different length made one batch, padded on the left.

On the left, all rows end at the last position, so that the language-model head, which is half of
a small model's work, is computed only for the positions from the first with a loss on.
"""

from collections.abc import Sequence
from typing import Any

import torch

from workbench.data.prompting import IGNORED


class LeftCollator:
    """Batches of input_ids, attention_mask and position_ids [rows, longest]; labels [rows, keep].

    A row is {input_ids, trained}: the stretches with a loss as start, stop, start, stop, … `keep`
    is one more than the tokens from the first with a loss to the row's end, of the row in which
    they are most: labels[:, i] is the token at position `i - keep`, and the logits of the position
    before it predict it. A row's first token has no loss, and so no padding predicts anything.
    `tokens` counts the text.
    """

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(row["input_ids"]) for row in rows)
        tails = [len(row["input_ids"]) - row["trained"][0] for row in rows if row["trained"]]
        keep = min(max(tails, default=0) + 1, longest)
        ids = torch.full((len(rows), longest), self.pad_token, dtype=torch.long)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(rows), keep), IGNORED, dtype=torch.long)
        for index, row in enumerate(rows):
            tokens = torch.tensor(row["input_ids"], dtype=torch.long)
            count, edges = len(tokens), row["trained"]
            ids[index, longest - count :] = tokens
            mask[index, longest - count :] = 1
            for start, stop in zip(edges[::2], edges[1::2], strict=True):
                begin = max(start, 1)
                labels[index, keep - count + begin : keep - count + stop] = tokens[begin:stop]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp_min(0),
            "labels": labels,
            "tokens": int(mask.sum()),
        }
