"""`workbench train --set, --preset, --plan` and `workbench sweep`."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.tiny import reviews
from workbench import runs
from workbench import session as sessions
from workbench.session import Session

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_plan_is_told_and_nothing_is_begun(forked: Run, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "sessions" / "tiny.toml"
    before = path.read_bytes()
    words = ["train", "tiny", "--plan", "--json", "--in-process"]
    done = forked(*words, "--preset", "quick", "--set", "training.max_steps=7")
    plan = json.loads(done.stdout)
    assert (plan["task"], plan["steps"], plan["problem"]) == ("sft", 7, "")
    assert plan["memory_total"] == sum(part["bytes"] for part in plan["memory"])
    chosen = {one["setting"]: one["value"] for one in plan["choices"]}
    assert chosen["training.learning_rate"] == "0.0002"  # the preset's: by method
    assert path.read_bytes() == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "training.lora_rank=4"], 'did you mean "lora_r"'),
        (["--set", "training.lora_r=four"], "training.lora_r: expected int"),
        (["--set", "training.lora_r"], "NAME=VALUE"),
        (["--set", "training.masking=3"], "it is a table"),
        (["--resume", "x", "--preset", "quick"], "A run goes on as it began"),
        (["--set", "training.method=qlora", "--in-process"], "training.method lora"),
        (
            ["--set", "training.metric_for_best_model=f1", "--in-process"],
            "eval_f1, which no evaluation of this run gives (it gives eval_loss)",
        ),
    ],
)
def test_what_cannot_be_set_or_begin_is_one_sentence(
    forked: Run, session: Session, tmp_path: Path, words: list[str], said: str
) -> None:
    done = forked("train", "tiny", *words, check=1)
    assert said in done.stderr.splitlines()[-1]
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_a_name_that_is_taken_is_said_before_anything_is_loaded(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    done = forked("train", "tiny", "--name", "one", "--in-process", check=1)
    said = "workbench: There is already a run one; choose another name."
    assert done.stderr.splitlines() == [said]


def test_what_is_set_is_the_run_s_and_not_the_file_s(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    words = ["--set", "training.max_steps=2", "--set", "training.lora_r=2", "--in-process"]
    done = forked("train", "tiny", *words)
    made = sessions.load(tmp_path / "runs" / "tiny-1" / "session.toml").training
    assert (made.max_steps, made.lora_r) == (2, 2)
    assert sessions.load(tmp_path / "sessions" / "tiny.toml") == session
    assert "2 steps" in done.stderr
    assert "memory" in done.stderr


def test_a_sweep_makes_runs_says_the_best_and_writes_it_down(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    words = ["sweep", "tiny", "--in-process", "--name", "s", "--json", "--save-best"]
    ranges = ["--range", "training.learning_rate=1e-5, 1e-2", "--method", "grid"]
    short = ["--set", "training.max_steps=6", "--set", "training.eval_steps=3"]
    found = json.loads(forked(*words, *ranges, *short).stdout)
    assert [one["state"] for one in found["trials"]] == ["finished", "finished"]
    assert found["best"]["values"] == {"training.learning_rate": 0.01}
    assert found["state"] == "finished"
    assert sessions.load(tmp_path / "sessions" / "tiny.toml").training.learning_rate == 0.01
    assert runs.last_checkpoint(tmp_path / "runs" / "s-2") is not None
    assert runs.last_checkpoint(tmp_path / "runs" / "s-1") is None  # only the best's are kept
    again = json.loads(forked(*words, *ranges, *short).stdout)  # the same words, once more
    assert [one["run"] for one in again["trials"]] == ["s-1", "s-2"]
    other = forked(*words, "--method", "random", check=1)
    assert "s was begun with other settings" in other.stderr
    shown = forked("sweep", "tiny", "--show", "s")
    assert shown.stdout.splitlines()[1].startswith("s-2")
    assert "The best is s-2: --set training.learning_rate=0.01" in shown.stdout
    wrong = forked("sweep", "tiny", "--range", "training.lora_r=8..4", check=1)
    assert "smaller to a larger" in wrong.stderr


def test_a_sweep_ends_where_its_model_is_not_there_and_is_gone_on_with(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    shutil.copytree(session.model.name, away)
    words = ["sweep", "tiny", "--in-process", "--name", "s"]
    ranges = ["--range", "training.learning_rate=1e-5, 1e-2", "--set", f"model.name={away}"]
    short = ["--set", "training.max_steps=3", "--set", "training.eval_steps=3", "--method", "grid"]
    away.rename(tmp_path / "elsewhere")
    done = forked(*words, *ranges, *short, check=1)
    assert "away" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "elsewhere").rename(away)
    found = json.loads(forked(*words, "--json", "--method", "grid").stdout)
    assert [one["state"] for one in found["trials"]] == ["finished", "finished"]


def test_a_sweep_is_made_longer(forked: Run, session: Session, tmp_path: Path) -> None:
    words = ["sweep", "tiny", "--in-process", "--name", "s", "--json"]
    short = ["--set", "training.max_steps=2", "--set", "training.eval_steps=2"]
    assert len(json.loads(forked(*words, *short, "--trials", "1").stdout)["trials"]) == 1
    found = json.loads(forked(*words, "--trials", "2").stdout)
    assert [one["state"] for one in found["trials"]] == ["finished", "finished"]
    assert found["wanted"] == 2


def test_the_threads_that_a_run_computes_with_are_written_down(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    words = ["--set", "training.max_steps=1", "--set", "training.threads=2", "--in-process"]
    forked("train", "tiny", *words)
    noted = json.loads((tmp_path / "runs" / "tiny-1" / "environment.json").read_text())
    assert noted["threads"] == 2


def test_a_preset_goes_by_the_task_that_the_rows_are_for(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    """Running text gains by two epochs, answers by three."""
    text = replace(session, prompts=[replace(session.prompt(), template="", completion="")])
    rows = [{"text": f"{row['text']} And so on."} for row in reviews(40)]
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sessions.save(text, tmp_path / "sessions" / "tiny.toml")
    words = ["--preset", "best", "--set", "training.max_steps=1", "--in-process"]
    forked("train", "tiny", *words)
    made = sessions.load(tmp_path / "runs" / "tiny-1" / "session.toml").training
    assert (made.task, made.num_train_epochs, made.max_steps) == ("pretraining", 2.0, 1)


def test_a_run_that_goes_on_takes_no_other_name(forked: Run, session: Session) -> None:
    done = forked("train", "tiny", "--resume", "a", "--name", "b", "--in-process", check=1)
    assert "leave out --set, --preset, --plan and --name" in done.stderr


def test_a_plan_says_what_has_no_part_in_a_run_and_that_few_rows_tell_little(
    forked: Run, session: Session
) -> None:
    words = ["--set", "training.evaluation_rows=50", "--set", "model.adapter=tiny-9"]
    plan = json.loads(forked("train", "tiny", "--plan", "--json", "--in-process", *words).stdout)
    advice = " ".join(plan["advice"])
    assert "without what tiny-9 learnt" in advice
    assert f"Only {plan['evaluation_rows']} rows are kept to evaluate on" in advice
