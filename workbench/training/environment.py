"""What a run was made with: enough to do it again, or to see why it differs."""

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from workbench.data.sources import Dataset
from workbench.inference.device import describe
from workbench.inference.marks import weights_mark
from workbench.inference.model import LoadedModel
from workbench.processor import cores

LIBRARIES = ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "tokenizers")


def environment(loaded: LoadedModel, data: Dataset) -> dict[str, Any]:
    """Versions, device, threads, the git revision of the folder we are in, and the data's mark."""
    return {
        "versions": {"python": platform.python_version(), "workbench": version("workbench")}
        | {name: version(name) for name in LIBRARIES},
        "system": platform.platform(),
        "device": describe(loaded.device),
        "processor": platform.processor() or platform.machine(),
        "cpu_count": os.cpu_count(),
        "cpu_usable": cores(),
        "threads": torch.get_num_threads(),
        "model": loaded.settings.name,
        "base_weights": base_weights(loaded),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "dtype_reason": loaded.dtype_reason,
        "cuda": torch.version.cuda,
        "git_revision": git_revision(),
        "data": data.description,
        "data_fingerprint": data.fingerprint,
    }


def changes_since(path: Path, loaded: LoadedModel, data: Dataset) -> list[str]:
    """What is another than when a run wrote its environment to `path`, so that going on is not as
    if there had been no interruption: a sentence each."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        marks = (before.get("data_fingerprint"), before.get("base_weights"))
    except (OSError, ValueError, AttributeError):
        return []
    words = (
        f"The rows of {data.description} are others than when the run began: it goes on with those "
        "that are there now, and some may be new to it or be seen again.",
        f"The weights of {loaded.settings.name} are others than when the run began: what was "
        "learnt over those from before may not fit; start anew if the loss jumps.",
    )
    now = (data.fingerprint, base_weights(loaded))
    pairs = zip(marks, now, words, strict=True)
    return [said for mark, other, said in pairs if mark and other and mark != other]


def base_weights(loaded: LoadedModel) -> str:
    """A mark of the model's files, by which an export knows them again; empty where there are
    none."""
    path = str(getattr(loaded.model.config, "_name_or_path", "") or "")
    return weights_mark(Path(path)) if path and Path(path).is_dir() else ""


def version(name: str) -> str:
    """The version of a package; empty where it is not installed as one."""
    if name == "workbench":
        from workbench import __version__

        return __version__
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def git_revision() -> str:
    """The revision of the folder we are in, "+" where files have changed; empty without git."""
    try:
        revision = git("rev-parse", "HEAD")
        return revision + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, timeout=5, check=True
    )
    return done.stdout.strip()
