"""Where a model is: a starter, a local folder, a GGUF file or a hub id, made a folder on disk.

Knows files and names; loads no weights.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench import catalogue
from workbench.inference.errors import ModelError, reason
from workbench.inference.gguf import convert
from workbench.session import ModelSettings

Report = Callable[[str, float, float, str], None]
TEXTS = ["*.json", "*.txt", "*.jinja", "*.model", "tokenizer*", "*.py"]
WEIGHTS = ["*.safetensors"]
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.msgpack", "*.h5")


def locate(settings: ModelSettings, folder: Path, report: Report, weights: bool = True) -> Path:
    """The folder with the model's files; relative names start in `folder`, the workspace.

    `weights=False` is content with configuration and tokenizer.

    Raises:
        ModelError: when there is no such model, or it cannot be had.
    """
    name = settings.name
    starter = catalogue.STARTERS.get(name)
    if starter is not None and starter.kind == "model":
        try:
            return catalogue.fetch(name, report)
        except catalogue.SourceError as error:
            raise ModelError(str(error)) from error
    local = folder / Path(name).expanduser()
    if local.is_dir():
        return local
    if local.is_file():
        if local.suffix.lower() != ".gguf":
            raise ModelError(
                f'model.name: "{name}" is a file that is no GGUF; '
                "name a folder with safetensors, a GGUF file or a hub id."
            )
        return converted(local, report)
    if looks_local(name):
        raise ModelError(
            f'model.name: there is no "{name}" in {folder}; correct the path, '
            f"or use a starter: {', '.join(model_starters())}."
        )
    return from_hub(settings, report, weights)


def model_starters() -> list[str]:
    return [name for name, one in catalogue.STARTERS.items() if one.kind == "model"]


def looks_local(name: str) -> bool:
    """Whether a name can only be a path: a hub id is `name` or `owner/name`."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or name.lower().endswith(".gguf")


def converted(file: Path, report: Report) -> Path:
    """The folder that a GGUF file was converted to, now or earlier; a changed file is a new one."""
    file = file.resolve()
    there = file.stat()
    key = hashlib.sha256(f"{file}:{there.st_size}:{there.st_mtime_ns}".encode()).hexdigest()[:12]
    target = catalogue.cache_folder() / "converted" / f"{file.stem}-{key}"
    if not (target / "config.json").exists():
        convert(file, target, report)
    return target


def from_hub(settings: ModelSettings, report: Report, weights: bool) -> Path:
    """The folder of a hub model's snapshot: the local one if it is whole, else downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    name = settings.name
    wanted: dict[str, Any] = {
        "repo_id": name,
        "revision": settings.revision or None,
        "allow_patterns": TEXTS + (WEIGHTS if weights else []),
    }
    try:
        local = Path(snapshot_download(**wanted, local_files_only=True))
        if is_whole(local, weights):
            return local
    except LocalEntryNotFoundError:
        pass
    except HFValidationError as error:
        raise ModelError(
            f'model.name: "{name}" is no starter, folder, file or hub id ({reason(error)}); '
            f"starters: {', '.join(model_starters())}."
        ) from error
    report(f"downloading {name} from the hub", 0, 0, "")
    try:
        return Path(snapshot_download(**wanted))
    except Exception as error:  # the network's errors are of many kinds
        raise ModelError(hub_failure(settings, error)) from error


def hub_failure(settings: ModelSettings, error: Exception) -> str:
    """The sentence for a download that failed."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name, others = settings.name, ", ".join(model_starters())
    if isinstance(error, GatedRepoError):
        return f"{name} asks for its licence to be accepted; do so on the hub, then set HF_TOKEN."
    if isinstance(error, RevisionNotFoundError):
        return f'{name} has no revision "{settings.revision}"; correct model.revision.'
    if isinstance(error, RepositoryNotFoundError):
        return (
            f'model.name: there is no "{name}" here or on the hub; correct it, '
            f"set HF_TOKEN if it is private, or use a starter: {others}."
        )
    if isinstance(error, OSError) and error.errno == 28:
        return f"No space is left to download {name}; make room and try again."
    return (
        f"{name} is not on this machine and the hub cannot be reached ({reason(error)}); "
        f"check the name and the network, or use a local folder or a starter: {others}."
    )


def is_whole(folder: Path, weights: bool) -> bool:
    """Whether a snapshot has its configuration and every file of its weights."""
    if not (folder / "config.json").exists():
        return False
    if not weights:
        return any(folder.glob("tokenizer*")) or any(folder.glob("*.model"))
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            shards = set(json.loads(index.read_text())["weight_map"].values())
        except (ValueError, KeyError, OSError):
            return False
        return all((folder / shard).exists() for shard in shards)
    return any(folder.glob("*.safetensors"))


def check_weights(name: str, folder: Path) -> None:
    """Raise ModelError, in a sentence, where the folder has no weights that are safe to read."""
    if not folder.is_dir() or not (folder / "config.json").exists():
        raise ModelError(
            f"{name}: there is no model in {folder} (no config.json); name another folder."
        )
    if any(folder.glob("*.safetensors")):
        return
    if any(path for pattern in PICKLES for path in folder.glob(pattern)):
        raise ModelError(
            f"{name} has its weights only as a pickle, which can run code when it is read; "
            "use a copy with safetensors or a GGUF file."
        )
    raise ModelError(f"{name} has no safetensors weights in {folder}; fetch it again.")
