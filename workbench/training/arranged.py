"""A model arranged for a run: what it keeps for the backward pass, and how it is computed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.inference.model import LoadedModel
from workbench.inference.states import base_model
from workbench.session import TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.fast_lora import fast_lora
from workbench.training.methods.layers import blocks


@contextmanager
def arranged(loaded: LoadedModel, settings: TrainingSettings) -> Iterator[None]:
    """Inside, the model checkpoints activations and is compiled as the settings say, and LoRA is
    computed in fewer passes.

    Each of its layers is compiled by itself: all are alike, so it takes the time of one.

    Raises:
        TrainingError: when there is no compiler for it.
    """
    model = base_model(loaded)
    compiled = [layer for _, layer in blocks(loaded.base)] if settings.torch_compile else []
    if compiled and not any(map(shutil.which, ("cc", "gcc", "g++", "clang", "cl"))):
        raise TrainingError(
            "training.torch_compile needs a C compiler, and there is none on this machine; "
            "install gcc, or switch it off."
        )
    if settings.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    for layer in compiled:
        layer.compile(dynamic=True)
    try:
        with fast_lora(loaded.model):
            yield
    finally:
        if settings.activation_checkpointing:
            model.activation_checkpointing_disable()
        for layer in compiled:
            layer._compiled_call_impl = None
