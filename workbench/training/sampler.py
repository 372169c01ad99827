"""The order of the rows, epoch by epoch."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class EpochSampler(Sampler[int]):
    """A random order of its own for each epoch, from the seed and the epoch alone.

    It draws nothing from the process's random numbers, so an answer given in the middle, or an
    interruption, changes no order. With `lengths`, rows of a batch are about equally long.
    """

    def __init__(self, count: int, batch_size: int, seed: int, lengths: Sequence[int] = ()) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.lengths = list(lengths)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        if self.lengths:
            return iter(
                get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
            )
        return iter(torch.randperm(self.count, generator=generator).tolist())
