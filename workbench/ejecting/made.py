"""What a run was made of, brought together again without its weights: session, rows, model.

Knows runs and recipes; knows nothing of scripts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from workbench import catalogue
from workbench.data.sources import Dataset, open_dataset
from workbench.exporting.base import base_folder, config_of
from workbench.exporting.errors import ExportError
from workbench.exporting.trained import Trained
from workbench.inference.heads import Head
from workbench.inference.loaded import LoadedModel
from workbench.session import TrainingSettings
from workbench.training.methods import reserve
from workbench.training.outline import outline
from workbench.training.recipe import Recipe, Work
from workbench.training.tasks import head_of, recipe_of

R = TypeVar("R", bound=Recipe)
Report = Callable[[str, float, float, str], None]


@dataclass(frozen=True)
class Made:
    """`loaded` has every layer and no weights; `notes` are what to know of the run, a sentence
    each."""

    trained: Trained
    loaded: LoadedModel
    data: Dataset
    head: Head
    notes: list[str]

    @property
    def settings(self) -> TrainingSettings:
        return self.trained.session.training

    @property
    def task(self) -> str:
        return self.trained.task

    @property
    def bfloat16(self) -> bool:
        return self.trained.dtype == "bfloat16"

    @property
    def on_processor(self) -> bool:
        return str(self.trained.environment.get("device") or "cpu").startswith("cpu")

    @property
    def longest(self) -> int:
        return min(self.settings.max_length, self.loaded.context_length)

    @property
    def rates(self) -> list[tuple[int, float]]:
        """The learning rates that the person asked for: the steps done before, and the rate."""
        found: dict[int, float] = {}
        for event in self.trained.events:
            if event.get("event") == "learning_rate":
                value, step = float(event.get("value") or 0), int(event.get("step") or 0)
                if math.isfinite(value) and value > 0:
                    # One asked for later, at an earlier step, takes the place of those after it.
                    found = {at: rate for at, rate in found.items() if at < step} | {step: value}
        return sorted(found.items())

    @property
    def last_step(self) -> int:
        """The step after which it ended."""
        steps = [int(one["step"]) for one in self.trained.metrics if "loss" in one]
        return max(steps, default=0)

    @cached_property
    def flat(self) -> bool:
        """Whether all rows of a batch stood in one. It matters only where something is left out at
        random: what is left out is drawn by place."""
        from workbench.inference.model import load_model
        from workbench.training.completion import collator_for, has_dropout
        from workbench.training.flat import FlatCollator

        settings = self.settings
        if settings.packing == "off":
            return False
        if not ((settings.lora_dropout and settings.method != "full") or has_dropout(self.loaded)):
            return False
        model = self.trained.session.model
        whole = load_model(model, self.trained.workspace, lambda *_: None, self.head)
        return isinstance(collator_for(whole, settings, self.longest), FlatCollator)

    @property
    def recipe(self) -> Recipe:
        """The task's recipe over these rows."""
        session = self.trained.session
        work = Work(session, self.loaded, self.data, self.trained.workspace)
        return recipe_of(session.training.task)(work)

    def prepared(self, kind: type[R]) -> R:
        """The recipe of that kind with its rows, as tokens."""
        recipe = self.recipe
        assert isinstance(recipe, kind)
        recipe.prepare()
        return recipe

    def arguments(self) -> tuple[str, dict[str, Any]]:
        """The class of the Trainer's arguments, and those that are not as by default."""
        from workbench.training.arguments import arguments

        run: Any = SimpleNamespace(checkpoints=Path("out"))
        given = arguments(self.recipe, run)
        usual = type(given)(output_dir="out", use_cpu=True)
        plain = given.to_dict()
        usual_plain = usual.to_dict()
        changed = {
            name: getattr(given, name)
            for name, value in plain.items()
            if value != usual_plain.get(name) and name not in QUIET
        }
        return type(given).__name__, {name: plain_value(one) for name, one in changed.items()}


# Said elsewhere, or the same for all scripts.
QUIET = ("output_dir", "logging_dir", "use_cpu", "disable_tqdm", "log_level", "report_to")


def plain_value(value: Any) -> Any:
    """A value as a literal can be of it."""
    return str(getattr(value, "value", value)) if hasattr(value, "value") else value


def made_of(trained: Trained, report: Report) -> Made:
    """All of it.

    Raises:
        ExportError: where the data or the base model is gone or has changed.
        SourceError, ModelError: as reading them does.
    """
    session = trained.session
    base_folder(trained, report)  # whether its weights are those that the run began from
    data = open_dataset(session.dataset, trained.workspace, report)
    said = trained.environment.get("data_fingerprint")
    if said and said != data.fingerprint:
        raise ExportError(
            f"{session.dataset.source} is not what it was when {trained.name} was trained, so no "
            "script can make it again; bring those rows back."
        )
    folder = base_folder(trained, report, weights=False)
    head = head_of(session.training.task, config_of(trained, folder), session.training)
    loaded = outline(session.model, trained.workspace, report, head)
    reserve(loaded, session.training, session)
    notes = []
    if not str(trained.environment.get("device") or "cpu").startswith("cpu"):
        notes.append(
            "The run was made on a GPU, where sums are not always made in one order: the figures "
            "agree to a few digits."
        )
    elif trained.dtype == "bfloat16":
        notes.append("It computes in bfloat16, so that figures agree to three or four digits.")
    if any(one.get("event") == "out_of_memory" for one in trained.events):
        notes.append(
            "Memory ran out in the run, which went on with smaller batches; the script has these "
            "from its first step, with the same rows a step."
        )
    if any(one.get("event") == "threads" for one in trained.events):
        notes.append(
            "Another program computed beside the run, which left it a processor for a while; the "
            "script always takes as many threads, so that last digits may differ."
        )
    return Made(trained, loaded, data, head, notes)


def model_name(made: Made) -> tuple[str, str]:
    """What the script loads, and what to say of it: a hub id, or the folder here."""
    settings = made.trained.session.model
    starter = catalogue.STARTERS.get(settings.name)
    folder = str(made.loaded.base.config._name_or_path)
    if starter is not None:
        return folder, f"the starter {settings.name} ({starter.hub or starter.package.name})"
    local = made.trained.workspace / Path(settings.name).expanduser()
    if local.exists():
        return folder, "a folder of this machine"
    return settings.name, "on the hub"
