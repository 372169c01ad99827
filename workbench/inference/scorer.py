"""A reward model beside the model that answers: it gives answers numbers.

Knows runs, folders and models; knows nothing of training or measuring. Its weights are read once,
when the first answer is scored or `load` is called.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from workbench import session as sessions
from workbench.inference.adapters import adapter_folder, check_adapter
from workbench.inference.answering import Turn
from workbench.inference.device import choose_device
from workbench.inference.errors import ModelError
from workbench.inference.heads import Head, made_for, own_head
from workbench.inference.model import (
    CLASSES,
    label,
    load_model,
    model_config,
    number_format,
)
from workbench.inference.rewarding import RewardAnswerer
from workbench.protocol import Weights
from workbench.session import ModelSettings, SessionError
from workbench.text import one_line

REWARD = Head("classifier", problem="regression")
Report = Callable[[str, float, float, str], None]


class Scorer:
    """The reward model of a run of the workspace `folder` (its best checkpoint), or of a folder
    that holds a whole one; `setting` names it, `device` is where it computes.

    Raises:
        ModelError: where there is none; the text says what to set.
    """

    def __init__(
        self, name: str, folder: Path, device: str, setting: str, report: Report = lambda *_: None
    ) -> None:
        self.name, self.folder, self.report = name, folder, report
        self.settings, seed = named(name, folder, device, setting)
        self.config = model_config(replace(self.settings, adapter=""), folder, report)
        self.head = made_for(self.config, REWARD, seed)
        if self.head.fresh and not self.settings.adapter:
            what = own_head(self.config)
            raise ModelError(
                f"{setting}: {one_line(name, 60)} gives answers no number (it is a "
                f"{what.kind if what else 'bare'} model of {self.config.num_labels} outputs); name "
                "a run of the task reward, or a folder of a model with one output."
            )
        self.answerer: RewardAnswerer | None = None

    def load(self) -> RewardAnswerer:
        """Have its weights in memory.

        Raises:
            ModelError: where they cannot be read or held.
        """
        if self.answerer is None:
            loaded = load_model(self.settings, self.folder, self.report, self.head)
            weights: Weights = "tuned" if loaded.has_tuned else "base"
            self.answerer = RewardAnswerer(loaded, weights, None, self.folder)
        return self.answerer

    def scores(
        self,
        asked: Sequence[tuple[Sequence[Turn], str]],
        between: Callable[[], None] = lambda: None,
    ) -> list[float]:
        """The number of each answer to its turns; `between` is called between batches.

        Raises:
            PromptError: where nothing of an answer is left within the tokens that it reads.
            ModelError: where a number is none.
        """
        answerer = self.load()
        rows = [answerer.ids_of(turns, answer) for turns, answer in asked]
        return answerer.numbers(rows, between)

    def memory(self) -> tuple[int, int]:
        """How many weights it has, and the bytes of each in memory; none is read for it."""
        config: Any = self.config
        label(config, self.head)
        with torch.device("meta"):
            model = CLASSES["classifier"].from_config(config)
        device = choose_device(self.settings.device)
        dtype, _ = number_format(self.settings, device, self.head, config)
        return sum(one.numel() for one in model.parameters()), dtype.itemsize


def named(name: str, folder: Path, device: str, setting: str) -> tuple[ModelSettings, int]:
    """What is to be loaded for a run's name or a folder, and the seed of its head.

    Raises:
        ModelError: where it is neither, or a run of another task.
    """
    run = folder / "runs" / name / "session.toml"
    if not run.exists():
        if not (folder / Path(name).expanduser() / "config.json").exists():
            raise ModelError(
                f'{setting}: there is neither a run nor a folder of a model "{one_line(name, 60)}" '
                f"in {folder}; name a run of the task reward."
            )
        return ModelSettings(name=name, device=device), 0
    try:
        made = sessions.load(run)
    except SessionError as error:
        raise ModelError(f"{setting}: {error}") from error
    if made.training.task != "reward":
        raise ModelError(
            f'{setting}: the run "{one_line(name, 60)}" has learnt {made.training.task}, not to '
            "score answers; name a run of the task reward."
        )
    check_adapter(adapter_folder(name, folder))
    return replace(made.model, adapter=name, device=device), made.training.seed
