"""Weights of a model that a fine-tune moves in place, and what they were before.

They are swapped by pointing a parameter at other memory: nothing is copied, and gradients, the
optimizer's state and tied weights are as they were. Knows tensors; knows nothing of methods.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

STEPPED = [0]  # how often any optimizer of this process took a step


def stepped(*_given: object) -> None:
    STEPPED[0] += 1


register_optimizer_step_post_hook(stepped)
State = list[tuple[int, int]]


def state_of(tensors: Iterable[torch.Tensor]) -> State:
    """Changes when one of them may have been written to. Each write in place raises the version,
    but those of a fused optimizer; other tensors lie elsewhere."""
    return [*((one.data_ptr(), one._version) for one in tensors), (STEPPED[0], 0)]


class Moved:
    """Parameters that are no longer the base model's.

    Attributes:
        parameters: as they are trained, by name; 16-bit ones in float32, so that small steps add
            up.
        base: what they were before, in the same order; none where that was not kept.
        dtypes: of the numbers that they answer with: the model's own.
    """

    def __init__(
        self, parameters: dict[str, nn.Parameter], *, keep: bool = True, master: bool = True
    ) -> None:
        """Begin with the base model's weights, still to be moved; `master`: in float32."""
        self.parameters = parameters
        self.dtypes = [one.dtype for one in parameters.values()]
        self.base: list[torch.Tensor] | None = None
        if keep:
            self.base = [
                one.data if one.dtype.itemsize == 2 else one.data.clone()
                for one in parameters.values()
            ]
        for one in parameters.values():
            if master and one.dtype.itemsize == 2:
                one.data = one.data.float()
        self.aside: list[torch.Tensor] | None = None  # those trained, while others are shown
        self.rounded: list[torch.Tensor] = []
        self.rounded_from: State = []

    @classmethod
    def between(cls, parameters: dict[str, nn.Parameter], tuned: Sequence[torch.Tensor]) -> "Moved":
        """Parameters of the base model, of which the tuned ones are known already."""
        made = cls(parameters, keep=False, master=False)
        made.base = [one.data for one in parameters.values()]
        point(parameters.values(), tuned)
        return made

    @contextmanager
    def shown(self, which: str) -> Iterator[None]:
        """Compute with the weights "base" or "tuned", in the model's own number format."""
        before, first = [one.data for one in self.parameters.values()], self.aside is None
        if first:
            self.aside = before
        targets = self.base if which == "base" else self.answering()
        try:
            point(self.parameters.values(), targets or before)
            yield
        finally:
            point(self.parameters.values(), before)
            if first:
                self.aside = None

    def trained(self) -> list[torch.Tensor]:
        """The weights as they are trained, whatever is shown."""
        return self.aside or [one.data for one in self.parameters.values()]

    def answering(self) -> list[torch.Tensor]:
        """The tuned weights as they answer: rounded to the model's own number format, once a step.

        The same numbers as of a checkpoint that is loaded in that format.
        """
        trained = self.trained()
        pairs = list(zip(trained, self.dtypes, strict=True))
        if all(one.dtype == dtype for one, dtype in pairs):
            return trained
        versions = [one._version for one in self.parameters.values()]
        now = [(one.data_ptr(), version) for one, version in zip(trained, versions, strict=True)]
        now.append((STEPPED[0], 0))
        if now != self.rounded_from:
            if self.rounded:
                for old, new in zip(self.rounded, trained, strict=True):
                    old.copy_(new)
            else:
                self.rounded = [one.to(dtype) for one, dtype in pairs]
            self.rounded_from = now
        return self.rounded

    def put_back(self) -> None:
        """Let the parameters be the base's again, for good."""
        if self.base is not None:
            point(self.parameters.values(), self.base)


def point(parameters: Iterable[nn.Parameter], tensors: Sequence[torch.Tensor]) -> None:
    """Let each parameter lie where a tensor lies."""
    for parameter, tensor in zip(list(parameters), tensors, strict=True):
        parameter.data = tensor
