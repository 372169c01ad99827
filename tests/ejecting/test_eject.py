"""A run as one script: it makes the run again, without workbench, number for number."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.encoders import make_bert
from tests.exporting.made import LABELS, made, metrics, trained, workspace, write_rows
from tests.tiny import reviews
from tests.work import nobody_listens
from workbench import runs
from workbench.ejecting.eject import eject
from workbench.exporting.errors import ExportError
from workbench.protocol import EjectRun
from workbench.session import Prompt

NEAR = 2e-5  # float32, over the steps of a run
CHATS = [
    [
        {"role": "user", "content": f"Say {n}, please."},
        {"role": "assistant", "content": f"{n}!"},
        {"role": "user", "content": "And what comes after it?"},
        {"role": "assistant", "content": f"After {n} comes {n + 1}."},
    ]
    for n in range(24)
]
PLAIN = Prompt(name="plain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = workspace(tmp_path_factory.mktemp("ejects"))
    make_bert(folder / "bert")
    write_rows(folder, [{"messages": turns} for turns in CHATS], "chats.jsonl")
    write_rows(folder, [{"text": 3 * one["text"]} for one in reviews(30)], "texts.jsonl")
    return folder


SESSIONS: dict[str, dict[str, Any]] = {
    "answers": {"lora_dropout": 0.1, "num_train_epochs": 2.0},
    "chats": {
        "prompt": PLAIN,
        "source": "chats.jsonl",
        "method": "full",
        "learning_rate": 1e-3,
        "freeze_layers": 1,
        "gradient_accumulation_steps": 2,
        "per_device_train_batch_size": 2,
    },
    "odd": {
        "method": "dora",
        "target_modules": ["q_proj", "down_proj"],
        "train_sampling_strategy": "random",
        "max_length": 80,
        "lr_scheduler_type": "cosine",
        "logging_steps": 3,
        "rows": 20,
        "seed": 7,
    },
    "texts": {"prompt": PLAIN, "source": "texts.jsonl", "task": "pretraining", "max_length": 64},
    "labels": {**LABELS, "method": "full", "learning_rate": 3e-3, "num_train_epochs": 2.0},
}


def test_scripts_make_their_runs_again(folder: Path) -> None:
    scripts = []
    for name, settings in SESSIONS.items():
        trained(folder, name, made(**settings))
        told = eject(EjectRun(folder=str(folder), run=name, to=f"{name}.py"), nobody_listens)
        assert told.path == folder / f"{name}.py"
        assert "workbench" not in told.text.split('"""', 2)[2]
        scripts.append(str(told.path))
    code = (
        "import runpy, sys\n"
        f"for path in {scripts!r}:\n    runpy.run_path(path, run_name='__main__')\n"
        "assert not any(name.startswith('workbench') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in SESSIONS:
        again = metrics(folder / f"{name}.out" / "metrics.jsonl")
        before = metrics(folder / "runs" / name / "metrics.jsonl")
        assert [one["step"] for one in again] == [one["step"] for one in before], name
        for one, other in zip(again, before, strict=True):
            for key in ("loss", "eval_loss", "learning_rate"):
                if key in one:
                    assert one[key] == pytest.approx(other[key], abs=NEAR), (name, one["step"])
        losses = [one["loss"] for one in before if "loss" in one]
        assert losses[-1] < losses[0], name


def test_rows_can_be_read_and_changed(folder: Path) -> None:
    if not (folder / "runs" / "chats").exists():
        trained(folder, "chats", made(**SESSIONS["chats"]))
    told = eject(EjectRun(folder=str(folder), run="chats"), nobody_listens)
    assert told.path is None
    rows = [json.loads(line) for line in told.rows.splitlines()]
    assert {row["side"] for row in rows} == {"train", "evaluation"}
    assert all(row["messages"] in CHATS for row in rows)
    assert "input_ids" not in told.rows


def test_a_learning_rate_that_was_changed_is_changed_again(folder: Path) -> None:
    run, _ = trained(folder, "steered", made(num_train_epochs=0.5, save_steps=0))
    again = runs.Run(run.folder)
    again.event("learning_rate", step=2, value=1e-3)
    again.close()
    told = eject(EjectRun(folder=str(folder), run="steered"), nobody_listens)
    assert "RATES = [[2, 0.001]]" in told.text


def test_rows_or_a_model_that_changed_are_said(folder: Path) -> None:
    write_rows(folder, reviews(20), "changing.jsonl")
    trained(folder, "changed", made(source="changing.jsonl", num_train_epochs=0.5))
    write_rows(folder, reviews(21), "changing.jsonl")
    with pytest.raises(ExportError, match=r"changing\.jsonl is not what it was when changed"):
        eject(EjectRun(folder=str(folder), run="changed"), nobody_listens)


def test_what_is_there_stays(folder: Path) -> None:
    trained(folder, "there", made(num_train_epochs=0.3, save_steps=0, eval_steps=0))
    (folder / "mine.py").write_text("x = 1\n")
    with pytest.raises(ExportError, match="is there already; choose another name, or overwrite"):
        eject(EjectRun(folder=str(folder), run="there", to="mine.py"), nobody_listens)
    assert runpy.run_path(str(folder / "mine.py"))["x"] == 1
    told = eject(
        EjectRun(folder=str(folder), run="there", to="mine.py", overwrite=True), nobody_listens
    )
    assert (folder / "mine.py").read_text() == told.text
    with pytest.raises(ExportError, match="There is no run"):
        eject(EjectRun(folder=str(folder), run="../there", to="x.py"), nobody_listens)
