"""A name for a model's weights that changes when they do: answers and keys are kept by it.

Knows files and tensors; knows nothing of what is kept.
"""

import hashlib
import json
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from workbench.inference.loaded import LoadedModel
from workbench.inference.moved import State, state_of
from workbench.inference.wrapping import is_new
from workbench.protocol import Weights

KNOWN: WeakKeyDictionary[Any, tuple[State, str]] = WeakKeyDictionary()
BLOCK = 1 << 17  # numbers that are summed at once


def fingerprint(loaded: LoadedModel, weights: Weights) -> str:
    """Of the base model: its name, revision, number format and its files' sizes and times. Of tuned
    weights: their tensors as they are in memory, so that it is right while they are trained,
    too."""
    base = base_fingerprint(loaded)
    if weights == "base" or not loaded.has_tuned:
        return base
    tuned = adapter_fingerprint(loaded) if loaded.has_adapter else moved_fingerprint(loaded)
    return digest(f"{base} {tuned}".encode())


def base_fingerprint(loaded: LoadedModel) -> str:
    settings, config = loaded.settings, loaded.base.config
    said: list[Any] = [settings.name, settings.revision, str(loaded.dtype)]
    if loaded.quantised:
        said.append("nf4")
    folder = Path(config._name_or_path)
    if config._name_or_path and folder.is_dir():
        for file in sorted(folder.iterdir()):
            if file.suffix in (".safetensors", ".gguf", ".json") and file.is_file():
                about = file.stat()
                said.append([file.name, about.st_size, about.st_mtime_ns])
    return digest(json.dumps(said).encode())


def adapter_fingerprint(loaded: LoadedModel) -> str:
    """A hash of the adapter's tensors; made anew only where one was written to."""
    tensors = [(name, one) for name, one in loaded.model.named_parameters() if is_new(name)]
    state = state_of(one for _, one in tensors)
    known = KNOWN.get(loaded.model)
    if known and known[0] == state:
        return known[1]
    found = hashlib.sha256()
    for name, one in tensors:
        found.update(f"{name} {one.dtype} {tuple(one.shape)} ".encode())
        found.update(one.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    for name, config in sorted(loaded.model.peft_config.items()):
        said = [name, str(config.peft_type)]
        said += [
            str(getattr(config, one, None))
            for one in ("r", "lora_alpha", "use_rslora", "use_dora", "num_virtual_tokens")
        ]
        found.update(f"{' '.join(said)} ".encode())
    KNOWN[loaded.model] = (state, found.hexdigest()[:32])
    return KNOWN[loaded.model][1]


def moved_fingerprint(loaded: LoadedModel) -> str:
    """A hash of the weights that a full fine-tune moved, as they answer; made anew only where one
    was written to."""
    moved = loaded.moved
    assert moved is not None
    tensors = moved.answering()
    state = state_of([*tensors, *moved.parameters.values()])
    known = KNOWN.get(moved)
    if known and known[0] == state:
        return known[1]
    said = [
        f"{name} {one.dtype} {tuple(one.shape)} {content(one)}"
        for name, one in zip(moved.parameters, tensors, strict=True)
    ]
    KNOWN[moved] = (state, digest(" ".join(said).encode()))
    return KNOWN[moved][1]


def content(tensor: torch.Tensor) -> int:
    """A hash of what a tensor holds, at the speed of its memory and where it lies: its bits as
    whole numbers of 64, each times an odd one that depends on its place, summed modulo 2^64."""
    bits = tensor.detach().contiguous().view(-1).view(torch.uint8)
    if bits.storage_offset() % 8:
        bits = bits.clone()
    if rest := -len(bits) % 8:
        bits = torch.cat([bits, bits.new_zeros(rest)])
    numbers = bits.view(torch.int64)
    places = torch.arange(min(BLOCK, len(numbers)), device=bits.device, dtype=torch.int64)
    places = places * 2862933555777941757 + 3037000493
    places = ((places ^ (places >> 31)) * -7046029254386353131) | 1
    starts = range(0, len(numbers), BLOCK)
    parts = (numbers[at : at + BLOCK] for at in starts)
    sums = [(part * places[: len(part)]).sum() for part in parts]
    total = len(numbers)
    for found in torch.stack(sums).tolist() if sums else ():
        total = (total * 6364136223846793005 + found + 1) % (1 << 64)
    return total


def digest(said: bytes) -> str:
    return hashlib.sha256(said).hexdigest()[:32]
