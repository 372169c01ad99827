"""Runs of the tiny model to export and to write out, as the Worker makes them."""

import json
from pathlib import Path
from typing import Any

from tests.tiny import make_tiny_model, reviews
from tests.work import PROMPT, Listener, keep_libraries, nobody_listens
from workbench import journal, runs
from workbench.data.sources import open_dataset
from workbench.inference.model import LoadedModel, load_model, model_config
from workbench.session import (
    DatasetSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
    TrainingSettings,
)
from workbench.settings.training import ClassificationSettings
from workbench.training.environment import environment
from workbench.training.loop import train
from workbench.training.tasks import head_of


def workspace(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """A folder with the tiny model and rows."""
    make_tiny_model(folder / "tiny")
    write_rows(folder, rows or reviews(40))
    return folder


def write_rows(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")


def made(
    prompt: Prompt = PROMPT,
    source: str = "rows.jsonl",
    dtype: Any = "float32",
    model: str = "tiny",
    **training: Any,
) -> Session:
    chosen = {
        "task": "sft",
        "per_device_train_batch_size": 4,
        "learning_rate": 5e-3,
        "lora_r": 4,
        "eval_steps": 4,
        "save_steps": 4,
        "evaluation_rows": 5,
        "pinned_count": 0,
        **training,
    }
    return Session(
        model=ModelSettings(name=model, dtype=dtype, device="cpu"),
        dataset=DatasetSettings(source=source, evaluation_count=5),
        prompts=[prompt],
        generation=GenerationSettings(max_new_tokens=8),
        training=TrainingSettings(**chosen),
    )


LABELS = {
    "prompt": Prompt(name="labels"),
    "model": "bert",
    "task": "classification",
    "classification": ClassificationSettings(
        problem_type="single_label", labels=["negative", "positive"], class_weights="balanced"
    ),
}


def trained(folder: Path, name: str, session: Session) -> tuple[runs.Run, LoadedModel]:
    """A run of that name, and the model with what was tuned in memory."""
    keep_libraries()
    config = model_config(session.model, folder, nobody_listens)
    head = head_of(session.training.task, config, session.training)
    loaded = load_model(session.model, folder, nobody_listens, head)
    data = open_dataset(session.dataset, folder, nobody_listens)
    about = environment(loaded, data)
    about["session"] = str(folder / "sessions" / "made.toml")
    run = runs.Run.create(folder, name, session, about)
    try:
        train(session, loaded, data, run, Listener(), None)
    finally:
        run.close()
    return run, loaded


def metrics(path: Path) -> list[dict[str, Any]]:
    return journal.read(path)
