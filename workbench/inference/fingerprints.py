"""A name for a model's weights that changes when they do: answers and keys are kept by it.

Knows files and tensors; knows nothing of what is kept.
"""

import hashlib
import json
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from workbench.inference.model import LoadedModel
from workbench.inference.states import base_model
from workbench.protocol import Weights

STEPPED = [0]  # how often any optimizer of this process took a step


def stepped(*_given: object) -> None:
    STEPPED[0] += 1


register_optimizer_step_post_hook(stepped)
ADAPTERS: WeakKeyDictionary[Any, tuple[list[tuple[int, int]], str]] = WeakKeyDictionary()


def fingerprint(loaded: LoadedModel, weights: Weights) -> str:
    """Of the base model: its name, revision, number format and its files' sizes and times. Of an
    adapter: its tensors as they are in memory, so that it is right while they are trained, too."""
    base = base_fingerprint(loaded)
    if weights == "base" or not loaded.has_adapter:
        return base
    return digest(f"{base} {adapter_fingerprint(loaded)}".encode())


def base_fingerprint(loaded: LoadedModel) -> str:
    settings, config = loaded.settings, base_model(loaded).config
    said: list[Any] = [settings.name, settings.revision, str(loaded.dtype)]
    folder = Path(config._name_or_path)
    if config._name_or_path and folder.is_dir():
        for file in sorted(folder.iterdir()):
            if file.suffix in (".safetensors", ".gguf", ".json") and file.is_file():
                about = file.stat()
                said.append([file.name, about.st_size, about.st_mtime_ns])
    return digest(json.dumps(said).encode())


def adapter_fingerprint(loaded: LoadedModel) -> str:
    """A hash of the adapter's tensors; made anew only where one was written to."""
    tensors = [
        (name, one)
        for name, one in loaded.model.named_parameters()
        if "lora_" in name or "modules_to_save" in name
    ]
    # Each write in place raises the version, but those of a fused optimizer; other tensors lie
    # elsewhere.
    versions = [(one.data_ptr(), one._version) for _, one in tensors]
    versions.append((STEPPED[0], 0))
    known = ADAPTERS.get(loaded.model)
    if known and known[0] == versions:
        return known[1]
    found = hashlib.sha256()
    for name, one in tensors:
        found.update(f"{name} {one.dtype} {tuple(one.shape)} ".encode())
        found.update(one.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    for name, config in sorted(loaded.model.peft_config.items()):
        found.update(f"{name} {config.r} {config.lora_alpha} {config.use_rslora} ".encode())
    ADAPTERS[loaded.model] = (versions, found.hexdigest()[:32])
    return ADAPTERS[loaded.model][1]


def digest(said: bytes) -> str:
    return hashlib.sha256(said).hexdigest()[:32]
