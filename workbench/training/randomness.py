"""The random numbers of a process, noted and put back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
import torch


@dataclass(frozen=True)
class RandomState:
    """Where all generators of the process stood."""

    python: Any
    numpy: Any
    cpu: torch.Tensor
    cuda: torch.Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> "RandomState":
        on_gpu = device.type == "cuda"
        return cls(
            python=random.getstate(),
            numpy=numpy.random.get_state(),
            cpu=torch.get_rng_state(),
            cuda=torch.cuda.get_rng_state(device) if on_gpu else None,
        )

    def restore(self, device: torch.device) -> None:
        random.setstate(self.python)
        numpy.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, device)


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside changes nothing of what is drawn afterwards."""
    before = RandomState.now(device)
    try:
        yield
    finally:
        before.restore(device)
