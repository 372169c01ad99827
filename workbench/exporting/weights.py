"""The whole weights of a run in memory: as they were trained, or an adapter merged into its base.

The products of an adapter's matrices are added in float32 and only the sum is rounded to what the
run computed in. Knows checkpoints and peft; knows nothing of where the model goes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError, safe_open

from workbench.exporting.base import config_of
from workbench.exporting.errors import ExportError
from workbench.exporting.speech import tokenizer_of
from workbench.exporting.trained import Trained
from workbench.inference.errors import ModelError, reason
from workbench.inference.heads import Head, own_head
from workbench.inference.model import label, read_weights

Report = Callable[[str, float, float, str], None]
VIRTUAL = ("PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING")


def count_weights(folder: Path) -> tuple[int, int]:
    """How many numbers the safetensors files of a folder hold, and in how many bytes.

    Raises:
        ExportError: where one of them cannot be read.
    """
    numbers = size = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - it is no dictionary
                    numbers += torch.Size(file.get_slice(name).get_shape()).numel()
        except (SafetensorError, OSError) as error:
            raise ExportError(
                f"{path} cannot be read ({reason(error)}); choose another checkpoint."
            ) from error
        size += path.stat().st_size
    return numbers, size


def bytes_needed(trained: Trained, base: Path) -> int:
    """Of the whole weights on disk, in what the run computed in."""
    numbers, _ = count_weights(base if trained.is_adapter else trained.checkpoint)
    return int(numbers * dtype_of(trained).itemsize)


def dtype_of(trained: Trained) -> torch.dtype:
    found: torch.dtype = getattr(torch, trained.dtype)
    return found


def adapter_config(trained: Trained) -> dict[str, Any]:
    """What peft wrote of the adapter.

    Raises:
        ExportError: where it cannot be read.
    """
    path = trained.checkpoint / "adapter_config.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read ({reason(error)}).") from error
    return said if isinstance(said, dict) else {}


def check_mergeable(trained: Trained) -> None:
    """Raise ExportError where what was tuned are no weights of the model."""
    if trained.is_adapter and adapter_config(trained).get("peft_type") in VIRTUAL:
        raise ExportError(
            f"{trained.name} tuned virtual tokens, which cannot be merged into the model's "
            "weights; export the adapter."
        )


def whole_model(trained: Trained, base: Path, report: Report) -> Any:
    """The run's model in memory, on the processor.

    Args:
        base: the base model's folder.

    Raises:
        ExportError: where it does not fit together, or in memory.
    """
    check_mergeable(trained)
    wide = torch.float32 if trained.is_adapter else dtype_of(trained)
    numbers, _ = count_weights(base if trained.is_adapter else trained.checkpoint)
    free = psutil.virtual_memory().available
    if numbers * wide.itemsize > free:
        raise ExportError(
            f"The export needs {numbers * wide.itemsize / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; close other programs, or export the adapter alone."
            if trained.is_adapter
            else f"The export needs {numbers * wide.itemsize / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; close other programs."
        )
    try:
        if not trained.is_adapter:
            report("loading the checkpoint", 0, 0, "")
            return loaded(trained, trained.checkpoint, None, wide)
        report("loading the base model", 0, 0, "")
        model = loaded(trained, base, head_in(trained, base), wide)
        report("merging the adapter", 0, 0, "")
        return merged(trained, model).to(dtype_of(trained))
    except MemoryError as error:
        raise ExportError("There is not enough memory to export; close other programs.") from error


def head_in(trained: Trained, base: Path) -> Head:
    """What the run's model ends in."""
    from workbench.training.tasks import head_of

    return head_of(
        trained.session.training.task, config_of(trained, base), trained.session.training
    )


def loaded(trained: Trained, folder: Path, head: Head | None, dtype: torch.dtype) -> Any:
    """The model of a folder; it ends in `head`, else in its own."""
    settings = trained.session.model
    config = config_of(trained, folder)
    head_there = head or own_head(config) or Head()
    if head is not None and head.kind == "classifier":
        label(config, head, tokenizer_of(trained))
    how = {"config": config, "dtype": dtype, "trust_remote_code": settings.trust_remote_code}
    try:
        return read_weights(head_there, folder, torch.device("cpu"), how)
    except ModelError as error:
        raise ExportError(str(error)) from error
    except Exception as error:  # of many kinds: a corrupt file, an unknown architecture
        raise ExportError(
            f"The weights in {folder} cannot be loaded ({reason(error)}); choose another "
            "checkpoint, or fetch the base model again."
        ) from error


def merged(trained: Trained, model: Any) -> Any:
    """The model with the adapter of the checkpoint merged in, in place.

    Raises:
        ExportError: where the adapter belongs to another model, or holds what is no number.
    """
    from peft import PeftModel, get_peft_model_state_dict

    path = trained.checkpoint
    try:
        tuned = PeftModel.from_pretrained(model, str(path))
        there = set(get_peft_model_state_dict(tuned))
        with safe_open(path / "adapter_model.safetensors", framework="pt") as file:
            foreign = set(file.keys()) - there
        if foreign:
            raise ValueError(f"there is no place for {min(foreign)}")
    except Exception as error:  # a broken or foreign file, in whatever way
        raise ExportError(
            f"The adapter in {path} does not fit {trained.session.model.name} ({reason(error)}); "
            "bring the model back that it was trained on."
        ) from error
    try:
        return tuned.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ExportError(
            f"The adapter in {path} cannot be merged ({reason(error)}); export an earlier "
            "checkpoint."
        ) from error
