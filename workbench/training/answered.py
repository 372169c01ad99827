"""A prompt with an answer to it, as token ids.

Knows tokens; knows nothing of rows or of what is learnt from them.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from workbench.data.examples import Example
from workbench.training.examples import stretches


@dataclass(frozen=True)
class Answered:
    """`trained` are the stretches that are the answer's: start, stop, start, stop, …"""

    ids: "array[int]"
    trained: "array[int]"

    @classmethod
    def of(cls, example: Example) -> "Answered":
        """Up to the last token with a loss: what stands after it changes nothing."""
        trained = stretches(example.labels)
        return cls(array("i", example.input_ids[: trained[-1]]), trained)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def prompt(self) -> "array[int]":
        """What stands before the answer."""
        return self.ids[: self.trained[0]]

    @property
    def mask(self) -> list[int]:
        """1 for each token of the answer, 0 for the others."""
        made = [0] * len(self.ids)
        for start, stop in zip(self.trained[::2], self.trained[1::2], strict=True):
            made[start:stop] = [1] * (stop - start)
        return made

    def to(self, prompt: "array[int]", longest: int) -> "Answered":
        """The same answer to another prompt, within `longest` tokens."""
        ids = (prompt + self.ids[self.trained[0] :])[:longest]
        moved = len(prompt) - self.trained[0]
        return Answered(ids, array("i", (min(edge + moved, len(ids)) for edge in self.trained)))


def padded(rows: Sequence[Answered], pad_token: int) -> dict[str, torch.Tensor]:
    """input_ids, attention_mask and completion_mask [rows, longest], padded on the right: the
    batch of TRL's collators."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), pad_token, dtype=torch.long)
    attention = torch.zeros_like(ids)
    completion = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        count = len(row)
        ids[index, :count] = torch.tensor(row.ids, dtype=torch.long)
        attention[index, :count] = 1
        completion[index, :count] = torch.tensor(row.mask, dtype=torch.long)
    return {"input_ids": ids, "attention_mask": attention, "completion_mask": completion}
