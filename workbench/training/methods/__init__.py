"""How a method is laid over the model in memory: which weights move, and which are new.

A method is a file of its own. All of them leave the base model's answers as they were.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from workbench.inference.loaded import LoadedModel
from workbench.session import Session, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.methods.laid import Laid

__all__ = ["METHODS", "Laid", "check_method", "lay", "reserve"]

# The module of each method; its function `lay` does the work, `check` says what it needs.
METHODS = {
    "full": "full",
    "lora": "lora",
    "dora": "lora",
    "rslora": "lora",
    "qlora": "qlora",
    "prompt_tuning": "virtual_tokens",
    "prefix_tuning": "virtual_tokens",
}


def check_method(settings: TrainingSettings, device: str = "auto") -> None:
    """Before anything is loaded: whether this machine can do it, and whether settings go together.

    Raises:
        TrainingError: where not; the text says what to set.
    """
    check: Callable[[TrainingSettings, str], None] | None = getattr(module(settings), "check", None)
    if check is not None:
        check(settings, device)


def lay(loaded: LoadedModel, settings: TrainingSettings, session: Session | None = None) -> Laid:
    """Lay the method over the base weights, in place of what may lie there.

    `session` holds the prompt that virtual tokens may begin from. What moves is float32 whatever
    the model's own numbers are. Before the first step the model says what it said before, but with
    virtual tokens.

    Raises:
        TrainingError: where it does not fit the model or the machine.
        ModelError: where the base weights are no longer there and cannot be read again.
    """
    check_method(settings, loaded.device.type)
    loaded.drop_tuned()
    if settings.method != "qlora":
        loaded.quantise(False)
    laying: Callable[[LoadedModel, TrainingSettings, Session | None], Laid]
    laying = module(settings).lay
    try:
        return laying(loaded, settings, session)
    except BaseException:
        loaded.drop_tuned()
        raise


def reserve(loaded: LoadedModel, settings: TrainingSettings, session: Session | None) -> None:
    """Before rows are cut to the context: keep room for the virtual tokens that are to come."""
    needed: Callable[[LoadedModel, TrainingSettings, Session | None], int] | None
    needed = getattr(module(settings), "needed", None)
    loaded.reserved = needed(loaded, settings, session) if needed is not None else 0


def module(settings: TrainingSettings) -> ModuleType:
    """The file of a method."""
    name = METHODS.get(settings.method)
    if name is None:
        raise TrainingError(
            f"training.method {settings.method} is not known; use {', '.join(METHODS)}."
        )
    return import_module(f"workbench.training.methods.{name}")
