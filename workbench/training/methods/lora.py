"""Small matrices beside the linear layers: LoRA (Hu et al., 2021), DoRA (Liu et al., 2024), rsLoRA
(Kalajdzievski, 2023)."""

import warnings
from typing import Any

from peft import LoraConfig, TaskType, get_peft_model
from torch import nn

from workbench.inference.errors import reason
from workbench.inference.loaded import LoadedModel
from workbench.inference.wrapping import prepared
from workbench.session import Session, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.methods.laid import Laid
from workbench.training.methods.layers import (
    blocks,
    first_blocks,
    head_parts,
    leaves,
    linear_in,
    targets,
)

TASKS = {
    "causal": TaskType.CAUSAL_LM,
    "classifier": TaskType.SEQ_CLS,
    "seq2seq": TaskType.SEQ_2_SEQ_LM,
    "masked": None,
}


def lay(loaded: LoadedModel, settings: TrainingSettings, _session: Session | None) -> Laid:
    """Lay a new adapter over the base weights.

    It begins so that nothing changes: one of each pair of matrices is zero.

    Raises:
        TrainingError: where the model has no such layers.
    """
    config, reasons = configuration(loaded, settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it sets right by itself
            loaded.model = prepared(get_peft_model(loaded.model, config))
    except ValueError as error:
        raise TrainingError(
            f"LoRA cannot be laid over {loaded.settings.name} ({reason(error)}); "
            f"set training.target_modules to some of: {there(loaded)}."
        ) from error
    reasons.append("float32 for the adapter: small steps add up")
    return Laid(reasons)


def configuration(loaded: LoadedModel, settings: TrainingSettings) -> tuple[LoraConfig, list[str]]:
    """peft's configuration, and why it is so."""
    found, reasons = chosen(loaded, settings.target_modules), list[str]()
    if not settings.target_modules:
        reasons.append(f"LoRA on all linear layers but the head: {', '.join(leaves(found))}")
    more: dict[str, Any] = {}
    left_out = [name for name in named(loaded, leaves(found)) if name not in found]
    if settings.freeze_layers:
        frozen = first_blocks(loaded, settings.freeze_layers)
        reasons.append(f"none on the first {len(frozen)} layers: training.freeze_layers")
        everything = [name for name, _ in blocks(loaded.base)]
        stacks = {name.rpartition(".")[0] for name in everything}
        if len(stacks) == 1:
            more["layers_to_transform"] = list(range(len(frozen), len(everything)))
            more["layers_pattern"] = stacks.pop().rpartition(".")[2]
        else:  # an encoder's blocks and a decoder's have the same numbers
            inside = tuple(f"{name}." for name in frozen)
            left_out += [name for name in found if name.startswith(inside)]
    if left_out:
        more["exclude_modules"] = left_out
    if parts := head_parts(loaded):
        reasons.append(f"the head ({', '.join(parts)}) is trained whole")
    config = LoraConfig(
        task_type=TASKS[loaded.head.kind],
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        use_dora=settings.method == "dora",
        use_rslora=settings.method == "rslora",
        target_modules=leaves(found),
        modules_to_save=parts or None,
        bias="none",
        **more,
    )
    return config, reasons


def chosen(loaded: LoadedModel, wanted: list[str]) -> list[str]:
    """The names of the layers that get matrices: those asked for, else all linear ones inside.

    Raises:
        TrainingError: where there are no such layers.
    """
    if not wanted:
        if found := targets(loaded):
            return found
        raise TrainingError(
            f"{loaded.settings.name} has no linear layers that LoRA can be laid over; use "
            "training.method full or prompt_tuning."
        )
    possible = possible_in(loaded)
    missing = [one for one in wanted if not any(fits(name, [one]) for name in possible)]
    if missing:
        raise TrainingError(
            f"{loaded.settings.name} has no layers {', '.join(missing)} that LoRA can be laid "
            f"over; set training.target_modules to some of: {there(loaded)}."
        )
    return [name for name in possible if fits(name, wanted)]


def fits(name: str, wanted: list[str]) -> bool:
    """Whether a layer is one of those asked for: by its whole name or the end of it."""
    return any(name == one or name.endswith(f".{one}") for one in wanted)


def named(loaded: LoadedModel, ends: list[str]) -> list[str]:
    return [name for name, _ in loaded.base.named_modules() if fits(name, ends)]


def possible_in(loaded: LoadedModel) -> list[str]:
    """What LoRA can be laid over at all."""
    base = loaded.base
    others = [n for n, one in base.named_modules() if isinstance(one, nn.Embedding | nn.Conv1d)]
    return [*linear_in(base), *others]


def there(loaded: LoadedModel) -> str:
    """The names to choose from, as a person writes them."""
    return ", ".join(leaves(targets(loaded))) or "none here"
