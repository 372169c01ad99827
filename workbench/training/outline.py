"""A model without its weights: every layer and shape of it, and no number in memory.

What a run will take is counted on it: parameters, what moves, what is kept for the way back.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workbench.inference.device import choose_device
from workbench.inference.errors import ModelError, reason
from workbench.inference.heads import Head
from workbench.inference.loaded import LoadedModel
from workbench.inference.locate import locate
from workbench.inference.model import CLASSES, label, number_format, read_config
from workbench.inference.tokenizer import quiet, tokenizer_in
from workbench.session import ModelSettings

Report = Callable[[str, float, float, str], None]


def outline(
    settings: ModelSettings, folder: Path, report: Report, head: Head, attention: str = "auto"
) -> LoadedModel:
    """The session's model on the meta device, with its tokenizer; `device` and `dtype` are those
    that it will have. Safe beside a run: nothing that the process shares is changed.

    Raises:
        ModelError: when its configuration or its tokenizer cannot be had.
    """
    quiet()
    device = choose_device(settings.device)
    path = locate(settings, folder, report, weights=False)
    config = read_config(settings, path)
    dtype, why = number_format(settings, device, head, config)
    tokenizer = tokenizer_in(settings, path)
    if head.kind == "classifier":
        label(config, head, tokenizer)
    if attention != "auto":
        config._attn_implementation = attention
    try:
        with torch.device("meta"):
            model = made(config, head, settings.trust_remote_code)
        tie(model)
        if not hasattr(model, "generation_config"):
            model.generation_config = None
        found = LoadedModel(settings, model.to(dtype), tokenizer, why, head)
    except Exception as error:  # of many kinds: an architecture with a need of its own
        raise ModelError(
            f"{settings.name} cannot be laid out from its configuration ({reason(error)}); "
            "use another model."
        ) from error
    found.device, found.dtype = device, dtype
    return found


def tie(model: Any) -> None:
    """Make one of the weights that the model shares. Its own `tie_weights` does nothing while
    another thread loads a model: the library switches it off for the process."""
    for name, source in (getattr(model, "all_tied_weights_keys", None) or {}).items():
        path, _, last = name.rpartition(".")
        setattr(model.get_submodule(path), last, model.get_parameter(source))


def made(config: Any, head: Head, remote_code: bool) -> Any:
    """A model of that configuration on the device of the moment.

    Not by `from_config`, which sets the process's default number format for a while: a run in
    another thread would compute in it.
    """
    classes = CLASSES[head.kind]
    kind = classes._model_mapping.get(type(config), None)
    if isinstance(kind, tuple):
        kind = kind[0]
    if kind is not None:
        return kind(config)
    return classes.from_config(config, trust_remote_code=remote_code)
