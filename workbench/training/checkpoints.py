"""The checkpoints of a run: which there are, which go, and that none holds broken weights.

Knows folders and tensors; what is in a checkpoint is the Trainer's.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workbench import runs
from workbench.training.errors import TrainingError


def is_whole(folder: Path, step: int) -> bool:
    """Whether the run in `folder` has a whole checkpoint of a step."""
    return any(step == one for one, _ in runs.finished_checkpoints(folder))


def drop_old(folder: Path, keep: int, best: int) -> None:
    """Delete all but the newest `keep` checkpoints beside the one of the step `best`."""
    others = [(step, path) for step, path in numbered(folder) if step != best]
    for _, path in others[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def drop_later(folder: Path, step: int) -> None:
    """Delete what lies there of later steps: checkpoints that a kill cut short."""
    for one, path in numbered(folder):
        if one > step:
            shutil.rmtree(path, ignore_errors=True)


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """Step and path of what looks like a checkpoint, in order."""
    return sorted(
        (int(path.name.rpartition("-")[2]), path)
        for path in folder.glob("checkpoint-*")
        if path.name.rpartition("-")[2].isdigit()
    )


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's folder is named after.

    Raises:
        TrainingError: where it is none, or not whole.
    """
    steps = [step for step, path in numbered(checkpoint.parent) if path.name == checkpoint.name]
    if not steps or not (checkpoint / "trainer_state.json").exists():
        raise TrainingError(f"{checkpoint} is no whole checkpoint; resume from another.")
    return steps[0]


def counters_at(
    step: int, lines: list[dict[str, Any]], events: list[dict[str, Any]]
) -> dict[str, Any]:
    """tokens, seconds and memory_peak up to the checkpoint of a step: by its event, or by the last
    line of metrics."""
    saved = [one for one in runs.standing(events) if one.get("event") == "checkpoint"]
    counted = [one for one in saved if one.get("step") == step and "tokens" in one]
    counted = counted or [line for line in lines if "tokens" in line]
    return counted[-1] if counted else {}


def has_broken_weights(model: nn.Module) -> bool:
    """Whether one of the weights that are trained is no number."""
    trained = [one for one in model.parameters() if one.requires_grad and one.is_floating_point()]
    return bool(trained) and not all(bool(torch.isfinite(one.detach()).all()) for one in trained)
