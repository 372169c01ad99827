"""Rows made ready to learn from.

Knows rows and what is learnt from each; knows nothing of models or of the training loop.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.data.examples import Encoder
from workbench.data.prompting import ADVICE, IGNORED, PromptError
from workbench.data.selection import Selection
from workbench.training.errors import TrainingError

EVERY = 64  # rows between two looks at whether to stop
BLOCK = 1024  # rows that are read together


@dataclass
class Examples:
    """Token ids of rows; reads like a list of {input_ids, trained}, for a data loader.

    `trained` are the stretches of tokens with a loss: start, stop, start, stop, …
    """

    input_ids: list["array[int]"] = field(default_factory=list)  # 4 bytes a token
    trained: list["array[int]"] = field(default_factory=list)
    left_out: int = 0  # rows of which nothing is left to learn within max_length
    silent: int = 0  # of these: with nothing to learn at whatever length
    cut: int = 0  # rows that end before their answer does
    tokens: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.input_ids[index], "trained": self.trained[index]}

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.input_ids]


def stretches(labels: Sequence[int]) -> "array[int]":
    """Where labels are: start, stop, start, stop, …"""
    edges = array("i")
    before = False
    for index, label in enumerate(labels):
        if (label != IGNORED) != before:
            edges.append(index)
            before = not before
    if before:
        edges.append(len(labels))
    return edges


def choose_rows(total: int, wanted: int, seed: int) -> Sequence[int]:
    """Indices of `wanted` rows of `total`, drawn by the seed; all of them where `wanted` is 0.

    A smaller number is the beginning of a larger: more rows with one seed only adds rows.
    """
    if not wanted or wanted >= total:
        return range(total)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(total, generator=generator)[:wanted].tolist()


def read(rows: Selection, indices: Sequence[int]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Index, number in the source and values of these rows, in the source's order: so a file is
    read from its beginning to its end.

    Raises:
        SourceError: where a row cannot be read.
    """
    inorder = indices if isinstance(indices, range) else sorted(indices)
    for start in range(0, len(inorder), BLOCK):
        block = inorder[start : start + BLOCK]
        numbers = rows.numbers[list(block)]
        yield from zip(block, map(int, numbers), rows.rows(numbers), strict=True)


def prepare_examples(
    rows: Selection,
    indices: Sequence[int],
    encoder: Encoder,
    *,
    pause: Callable[[int], None],
) -> Examples:
    """Encode those rows, in the order of `indices`; of a preference, the chosen answer.

    `pause(done)` is called now and then; what it raises ends the work.

    Raises:
        TrainingError: naming the row that the prompt cannot be filled from.
    """
    found: dict[int, list[tuple[array[int], array[int]]]] = {}
    examples = Examples()
    for done, (index, number, values) in enumerate(read(rows, indices)):
        if done % EVERY == 0:
            pause(done)
        try:
            made = [one for one in encoder.encode(values) if one.name != "rejected"]
        except PromptError as error:
            raise TrainingError(f"Row {number + 1} of the dataset: {error} {ADVICE}") from error
        kept = [one for one in made if not one.answer_lost]
        examples.left_out += not kept
        examples.silent += bool(made) and not kept and not any(one.cut for one in made)
        examples.cut += any(one.cut for one in kept)
        examples.tokens += sum(len(one.input_ids) for one in kept)
        found[index] = [(array("i", one.input_ids), stretches(one.labels)) for one in kept]
    for index in indices:
        for ids, trained in found.pop(index):
            examples.input_ids.append(ids)
            examples.trained.append(trained)
    return examples
