"""A model's layers compiled for a run, each by itself: all are alike, so it takes the time of one.

Compiled on a GPU they are a third faster and take a fifth less memory (`benchmarks/gpu_training.py`
has the figures). What cannot be compiled is computed as it is.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from workbench.inference.errors import reason

COMPILERS = ("cc", "gcc", "g++", "clang", "cl")


def has_compiler() -> bool:
    """Whether there is a C compiler, which torch.compile needs on every device."""
    return any(map(shutil.which, COMPILERS))


@contextmanager
def compiled(layers: Sequence[nn.Module], tell: Callable[[str], None]) -> Iterator[None]:
    """Inside, the layers are compiled when they are first computed. Where that fails, `tell` is
    told so in a sentence, once, and all of them are computed as they are from then on."""
    if not layers:
        yield
        return
    if not has_compiler():
        tell(
            "The model is not compiled: that needs a C compiler, and there is none on this "
            "machine; install gcc, or set training.torch_compile to off."
        )
        yield
        return
    from torch._dynamo.exc import TorchDynamoException
    from torch._functorch import config

    def fail(error: Exception) -> None:
        stop()
        tell(
            f"The model is not compiled: torch.compile failed ({reason(error)}); the run goes on "
            "without it, slower. Set training.torch_compile to off."
        )

    def stop() -> None:
        for layer in layers:
            layer._compiled_call_impl = None

    def guarded(layer: nn.Module) -> Callable[..., Any]:
        fast: Any = layer._compiled_call_impl

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return fast(*arguments, **named)
            except TorchDynamoException as error:  # also what the compiler under it says
                fail(error)
                own: Any = layer._call_impl
                return own(*arguments, **named)

        return call

    # The way back is compiled together with the way forward, where a failure can be caught.
    with config.patch(force_non_lazy_backward_lowering=True):
        for layer in layers:
            layer.compile(dynamic=True)
            layer._compiled_call_impl = guarded(layer)
        try:
            yield
        finally:
            stop()
