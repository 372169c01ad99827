"""Where tuned weights lie on disk, of what kind they are, and whether they are safe to read.

Knows folders; knows nothing of models in memory.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

from workbench import runs
from workbench.inference.errors import ModelError, reason

KINDS = {
    "LORA": "a LoRA adapter",
    "PROMPT_TUNING": "a tuned prompt",
    "PREFIX_TUNING": "a tuned prefix",
}


def adapter_folder(name: str, folder: Path) -> Path:
    """The folder of tuned weights: a run's best checkpoint, else a folder.

    Raises:
        ModelError: when there is neither.
    """
    run = folder / "runs" / name
    if (run / "session.toml").exists():
        if best := runs.best_checkpoint(run):
            return best[1]
        raise ModelError(
            f'model.adapter: the run "{name}" has no checkpoint yet; '
            "let it train to its first, or choose another."
        )
    path = folder / Path(name).expanduser()
    if path.is_dir():
        return path
    raise ModelError(
        f'model.adapter: there is neither a run nor a folder "{name}" in {folder}; '
        "correct it, or leave it empty."
    )


def check_adapter(path: Path) -> Literal["adapter", "full"]:
    """What a folder of tuned weights holds: an adapter in peft's format, or a whole model.

    Raises:
        ModelError: where it is neither, of a kind that is not known, or not safe to read.
    """
    if (path / "adapter_config.json").exists():
        if not (path / "adapter_model.safetensors").exists():
            pickled = (path / "adapter_model.bin").exists()
            why = "them only as a pickle, which can run code" if pickled else "none"
            raise ModelError(
                f"{path} should hold an adapter's weights (adapter_model.safetensors) and has "
                f"{why}; name a run or another folder."
            )
        kind = read_json(path / "adapter_config.json").get("peft_type")
        if kind not in KINDS:
            raise ModelError(
                f"{path} holds an adapter of kind {kind}; use {', '.join(KINDS.values())} or a "
                "whole model."
            )
        return "adapter"
    if (path / "config.json").exists():
        if any(path.glob("*.safetensors")):
            return "full"
        pickled = any(path.glob("*.bin"))
        why = "them only as a pickle, which can run code" if pickled else "none"
        raise ModelError(
            f"{path} should hold a model's weights as safetensors and has {why}; name a run or "
            "another folder."
        )
    pickled = (path / "adapter_model.bin").exists()
    why = "it only as a pickle, which can run code" if pickled else "none"
    raise ModelError(
        f"{path} should hold an adapter (adapter_config.json and adapter_model.safetensors) or a "
        f"whole model and has {why}; name a run or another folder."
    )


def read_json(path: Path) -> dict[str, Any]:
    """An object in a JSON file; ModelError where there is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({reason(error)}); use another.") from error
    if not isinstance(said, dict):
        raise ModelError(f"{path} should hold an object and does not; use another.")
    return said


def tensor_names(path: Path) -> frozenset[str]:
    """The names of the tensors in a safetensors file; ModelError where it cannot be read."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return frozenset(file.keys())
    except Exception as error:  # torn or foreign
        raise ModelError(f"{path} cannot be read ({reason(error)}); use another.") from error


SIZE = r"Size\(\[([\d, ]*)\]\)"
SIZES = re.compile(rf"size mismatch for (\S+): .*?{SIZE}.*?{SIZE}", re.DOTALL)
MISSING = re.compile(r"Target modules (.+?) not found in the base model")


def misfit(error: BaseException) -> str:
    """Why an adapter cannot be laid over a model, of what peft or torch says of it."""
    text = str(error)
    if found := SIZES.search(text):
        name, theirs, mine = found.groups()
        return f"{bare(name)} is of size {across(theirs)} in it and {across(mine)} over this model"
    if found := MISSING.search(text):
        names = ", ".join(sorted(set(re.findall(r"[\w.]+", found[1]))))
        return f"this model has no layers named {names[:120]}"
    return reason(error)


def bare(name: str) -> str:
    """A weight's name without what peft puts before and into it."""
    return name.removeprefix("base_model.model.").replace(".default", "")


def across(sizes: str) -> str:
    return sizes.replace(", ", " x ")
