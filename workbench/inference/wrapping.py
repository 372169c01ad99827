"""What peft lays around and into a model: told apart, prepared, switched off and taken away.

Knows modules and their names; knows nothing of prompts, rows or training.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from workbench.inference.adapters import bare, tensor_names

NEW = ("lora_", "modules_to_save", "prompt_encoder")  # in the names of what peft adds


def is_new(name: str) -> bool:
    """Whether a parameter of that name is none of the base model's."""
    return any(one in name for one in NEW)


def prepared(model: Any) -> Any:
    """An adapter whose own weights are float32, also a head that is trained with it, and that takes
    its virtual tokens at the right positions."""
    from peft.utils.other import ModulesToSaveWrapper

    for module in model.modules():
        if isinstance(module, ModulesToSaveWrapper):
            for own in module.modules_to_save.values():
                own.float()
                own.register_forward_pre_hook(as_float)
    for said in ("`past_key_values` is deprecated", "`is_gradient_checkpointing` is deprecated"):
        # peft says it in the old words, at each pass
        warnings.filterwarnings("ignore", message=said, category=FutureWarning)
    if model.active_peft_config.peft_type == "PROMPT_TUNING":
        from workbench.inference.prompted import positioned

        positioned(model)
    return model


def as_float(_head: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hand a float32 head float32 numbers, whatever the model under it computes in."""
    return tuple(
        one.float() if isinstance(one, torch.Tensor) and one.is_floating_point() else one
        for one in inputs
    )


@contextmanager
def disabled(model: Any) -> Iterator[None]:
    """Compute with the model under an adapter."""
    if not model.active_peft_config.is_prompt_learning:
        fixed = not any(one.requires_grad for one in model.parameters())
        try:
            with model.disable_adapter():
                yield
        finally:
            if fixed:  # peft lets an adapter be trained when it enables it again
                model.requires_grad_(False)
        return
    # peft's own way leaves a trained head in place, and virtual tokens in what an encoder-decoder
    # generates.
    from peft.utils.other import AuxiliaryTrainingWrapper

    base = model.get_base_model()
    heads = [one for one in base.modules() if isinstance(one, AuxiliaryTrainingWrapper)]
    names = [name for name in ("forward", "generate") if hasattr(base, name)]
    before = {name: vars(model)[name] for name in names if name in vars(model)}
    try:
        for name in names:
            setattr(model, name, getattr(base, name))
        for head in heads:
            head._disable_adapters = True
        yield
    finally:
        for head in heads:
            head._disable_adapters = False
        for name in names:
            delattr(model, name)
        vars(model).update(before)


def unwrapped(model: Any) -> Any:
    """The transformers model without peft's wrapping and without what peft put into it."""
    base = model.get_base_model()
    put_back_heads(base)
    if not model.active_peft_config.is_prompt_learning:
        base = model.unload()
    strip_adapter(base)
    return base


def put_back_heads(model: Any) -> None:
    """Have the parts that were trained whole as they were before: peft's unload leaves the trained
    ones in their place."""
    from peft.utils.other import AuxiliaryTrainingWrapper

    for name, module in list(model.named_modules()):
        if isinstance(module, AuxiliaryTrainingWrapper):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.original_module)


def check_layers(model: Any, path: Path) -> None:
    """Raise ValueError where an adapter's file holds other layers than were laid over the model."""
    from peft import get_peft_model_state_dict

    mine = frozenset(get_peft_model_state_dict(model, save_embedding_layers=False))
    theirs = tensor_names(path / "adapter_model.safetensors")
    if mine != theirs:
        odd = sorted(mine ^ theirs)[0]
        raise ValueError(f"its layers are others, {bare(odd)} for one")


def strip_adapter(model: Any) -> None:
    """Put back the layers that an attempt to attach an adapter wrapped before it failed."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    put_back_heads(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.get_base_layer())
    for attribute in ("peft_config", "_hf_peft_config_loaded"):
        if attribute in vars(model):
            delattr(model, attribute)
