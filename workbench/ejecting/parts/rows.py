"""Reading rows, and their order."""

import json
from pathlib import Path

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


def read_rows(path, side):
    """The rows of one side, "train" or "evaluation", in the file's order."""
    with Path(path).open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if row["side"] == side]


class EpochSampler(Sampler):
    """An order of the rows for each epoch, from the seed and the epoch alone; with `lengths`, rows
    of a step are about equally long."""

    def __init__(self, count, rows_a_step, seed, lengths):
        self.count, self.rows_a_step, self.seed = count, rows_a_step, seed
        self.lengths, self.epoch = lengths, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.count

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        if self.lengths:
            return iter(
                get_length_grouped_indices(self.lengths, self.rows_a_step, generator=generator)
            )
        return iter(torch.randperm(self.count, generator=generator).tolist())
