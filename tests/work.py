"""What tests of answers and of fine-tuning share: a tiny model in memory, rows, and a run."""

import gc
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.tiny import make_tiny_model, reviews
from workbench import journal, runs
from workbench.data.sources import Dataset, Selection, Source, memory_table
from workbench.data.splits import divide
from workbench.inference.model import LoadedModel, load_model
from workbench.session import DatasetSettings, ModelSettings, Prompt, Session, TrainingSettings
from workbench.training.loop import train
from workbench.training.steering import Steering

PROMPT = Prompt(
    name="sentiment",
    system="You label film reviews.",
    template="{{ text }} Is it positive or negative?",
    completion="{{ label }}",
)


@cache
def keep_libraries() -> None:
    """What the libraries hold is not searched for garbage at each run: a Trainer collects garbage
    three times a run, for which all objects of torch and transformers are walked over, more than
    half of a tiny run's time."""
    import peft  # noqa: F401
    import transformers.trainer  # noqa: F401

    gc.collect()
    gc.freeze()


def nobody_listens(*_news: Any) -> None:
    """A report that goes nowhere."""


def load_tiny(folder: Path, **settings: Any) -> LoadedModel:
    """The tiny model in float32, made in `folder` if it is not there."""
    if not (folder / "tiny" / "config.json").exists():
        make_tiny_model(folder / "tiny")
    chosen = ModelSettings(**{"name": "tiny", "dtype": "float32", "device": "cpu", **settings})
    return load_model(chosen, folder, nobody_listens)


def rows(count: int = 48, evaluation: int = 16) -> Dataset:
    """Short reviews to train on, and others to measure on."""
    everything = reviews(count + evaluation)
    return dataset(everything[:count], everything[count:])


def dataset(train: list[dict[str, Any]], evaluation: list[dict[str, Any]]) -> Dataset:
    """These rows, in memory."""
    tables = {"train": memory_table(train), "evaluation": memory_table(evaluation)}
    source = Source(tables, "reviews", "f")
    settings = DatasetSettings(evaluation_split="evaluation")
    division = divide(source, settings, threading.Event(), nobody_listens)
    return Dataset(
        train=Selection(tables["train"], division.train),
        evaluation=Selection(tables["evaluation"], division.evaluation),
        description="reviews",
        evaluation_description="other reviews",
        fingerprint="f",
        columns=[column.name for column in tables["train"].columns],
        types=[column.type for column in tables["train"].columns],
        division=division,
        source=source,
    )


class Listener:
    """Hooks that remember what they were told, and stop when `stop` says so."""

    def __init__(
        self,
        serve: Callable[[int], None] = nobody_listens,
        stop: Callable[[int], bool] = lambda _step: False,
    ) -> None:
        self.serve, self.stop, self.step = serve, stop, 0
        self.steering: Steering | None = None
        self.news: list[tuple[int, int, str]] = []
        self.served: list[int] = []

    def between_steps(self, step: int) -> None:
        self.step = step
        self.served.append(step)
        self.serve(step)

    def stop_requested(self) -> bool:
        return self.stop(self.step)

    def advanced(self, step: int, total_steps: int, what: str) -> None:
        self.news.append((step, total_steps, what))


def session(prompt: Prompt = PROMPT, **training: Any) -> Session:
    settings = {
        "per_device_train_batch_size": 4,
        "learning_rate": 5e-3,
        "lora_r": 4,
        "eval_steps": 0,
        "save_steps": 0,
        "evaluation_rows": 0,
        "pinned_count": 0,
        **training,
    }
    return Session(prompts=[prompt], training=TrainingSettings(**settings))


def fine_tune(
    loaded: LoadedModel,
    workspace: Path,
    name: str,
    hooks: Listener | None = None,
    *,
    data: Dataset | None = None,
    made: Session | None = None,
    **training: Any,
) -> runs.Run:
    """Train a new run of that name to its end; the run, closed."""
    keep_libraries()
    made = made or session(**training)
    run = runs.Run.create(workspace, name, made, {})
    try:
        train(made, loaded, data or rows(), run, hooks or Listener(), None)
    finally:
        run.close()
    return run


def lines(run: runs.Run, file: str, key: str) -> list[Any]:
    """The values of a key in one of the run's files, of the lines that have it."""
    return [one[key] for one in journal.read(run.folder / f"{file}.jsonl") if key in one]
