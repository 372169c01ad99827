"""Rows of different length made one batch, padded on the left.

On the left, all answers end at the last position, so that the language-model head, which is half
of a small model's work, is computed for the few positions that have a loss and for no others.
"""

from collections.abc import Sequence
from typing import Any

import torch

from workbench.data.prompting import IGNORED


class LeftCollator:
    """Batches of input_ids, attention_mask and position_ids [rows, longest]; labels [rows, keep].

    `keep` is one more than the longest answer: labels[:, i] is the token at position
    `i - keep`, and the logits of the position before it predict it. `tokens` counts the text.
    """

    def __init__(self, pad_token: int) -> None:
        self.pad_token = pad_token

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(row["input_ids"]) for row in rows)
        keep = min(max(row["answer_length"] for row in rows) + 1, longest)
        ids = torch.full((len(rows), longest), self.pad_token, dtype=torch.long)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(rows), keep), IGNORED, dtype=torch.long)
        for index, row in enumerate(rows):
            tokens = torch.tensor(row["input_ids"], dtype=torch.long)
            answer = row["answer_length"]
            ids[index, longest - len(tokens) :] = tokens
            mask[index, longest - len(tokens) :] = 1
            labels[index, keep - answer :] = tokens[len(tokens) - answer :]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp_min(0),
            "labels": labels,
            "tokens": int(mask.sum()),
        }
