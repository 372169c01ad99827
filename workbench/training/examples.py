"""Rows made ready to learn from.

Knows rows, prompts and token ids; knows nothing of models or of the training loop.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.data.prompting import PromptError, encode_example
from workbench.data.sources import plain_values
from workbench.session import Prompt
from workbench.training.errors import TrainingError

EVERY = 64  # rows between two looks at whether to stop


@dataclass
class Examples:
    """Token ids of rows; reads like a list of {input_ids, answer_length}, for a data loader."""

    input_ids: list["array[int]"] = field(default_factory=list)  # 4 bytes a token
    answer_lengths: list[int] = field(default_factory=list)
    left_out: int = 0  # rows whose answer lies wholly beyond max_length
    cut: int = 0  # rows that end before their answer does
    tokens: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.input_ids[index], "answer_length": self.answer_lengths[index]}

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.input_ids]


def choose_rows(total: int, wanted: int, seed: int) -> Sequence[int]:
    """Indices of `wanted` rows of `total`, drawn by the seed; all of them where `wanted` is 0.

    A smaller number is the beginning of a larger: more rows with one seed only adds rows.
    """
    if not wanted or wanted >= total:
        return range(total)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(total, generator=generator)[:wanted].tolist()


def prepare_examples(
    rows: Any,
    indices: Sequence[int],
    tokenizer: Any,
    prompt: Prompt,
    *,
    max_length: int,
    pause: Callable[[int], None],
) -> Examples:
    """Encode those rows of a `datasets.Dataset`.

    `pause(done)` is called now and then; what it raises ends the work.

    Raises:
        TrainingError: naming the row that the prompt cannot be filled from.
    """
    made = Examples()
    for done, index in enumerate(indices):
        if done % EVERY == 0:
            pause(done)
        try:
            example = encode_example(tokenizer, prompt, plain_values(rows[index]), max_length)
        except PromptError as error:
            raise TrainingError(f"Row {index + 1} of the dataset: {error}") from error
        if example.answer_lost:
            made.left_out += 1
            continue
        made.cut += example.cut
        made.tokens += len(example.input_ids)
        made.input_ids.append(array("i", example.input_ids))
        made.answer_lengths.append(example.answer_length)
    return made
