"""A model arranged for a run: what it keeps for the backward pass, and how it is computed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workbench.inference.model import LoadedModel
from workbench.inference.states import base_model
from workbench.session import TrainingSettings
from workbench.training.compiling import compiled
from workbench.training.fast_lora import fast_lora
from workbench.training.methods.layers import blocks


@contextmanager
def arranged(
    loaded: LoadedModel, settings: TrainingSettings, tell: Callable[[str], None] = print
) -> Iterator[None]:
    """Inside, the model checkpoints activations and its layers are compiled as the settings say,
    and LoRA is computed in fewer passes. `tell` hears why layers are not compiled after all."""
    model = base_model(loaded)
    wanted = settings.torch_compile == "on"
    layers = [layer for _, layer in blocks(loaded.base)] if wanted else []
    if settings.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    try:
        with compiled(layers, tell), fast_lora(loaded.model):
            yield
    finally:
        if settings.activation_checkpointing:
            model.activation_checkpointing_disable()
