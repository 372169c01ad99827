"""How a method is laid over the model in memory: which weights move, and which are new."""

from collections.abc import Callable

from workbench.inference.model import LoadedModel
from workbench.session import TrainingSettings
from workbench.training.adapter import fresh_adapter
from workbench.training.errors import TrainingError

METHODS: dict[str, Callable[[LoadedModel, TrainingSettings], None]] = {"lora": fresh_adapter}


def lay(loaded: LoadedModel, settings: TrainingSettings) -> None:
    """Lay the method over the base weights, in place of what may lie there.

    Raises:
        TrainingError: where it does not fit the model or the machine.
    """
    method = METHODS.get(settings.method)
    if method is None:
        raise TrainingError(f"training.method {settings.method} is not known; use lora.")
    method(loaded, settings)
