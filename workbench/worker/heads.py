"""What a model must end in to answer: as the run that tuned it says, else as its checkpoint is."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench.session import ModelSettings
from workbench.worker.lane import Job
from workbench.worker.tuned import run_of

if TYPE_CHECKING:
    from workbench.inference.heads import Head


def tuned_head(model: ModelSettings, folder: Path, job: Job) -> "Head | None":
    """The head that the tuned weights named in `model.adapter` belong to; None where no run made
    them, so that the model's own is meant.

    Raises:
        ModelError: where the model cannot be had.
    """
    from workbench.inference.model import model_config
    from workbench.training.tasks import head_of

    run = run_of(folder, model.adapter) if model.adapter else None
    if run is None or run.training.task == "auto":
        return None
    config = model_config(replace(model, adapter=""), folder, job.progress)
    return head_of(run.training.task, config, run.training)


def own_head(model: ModelSettings, folder: Path, job: Job) -> "Head":
    """The head that the model's checkpoint has.

    Raises:
        ModelError: where it has none, or the model cannot be had.
    """
    from workbench.inference.model import answering_head, model_config

    return answering_head(model.name, model_config(model, folder, job.progress))
