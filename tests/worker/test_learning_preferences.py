"""Preferences and a person's own reward through the app's own path: learnt until figures say so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.by_trl import preferences
from tests.worker.conftest import Line
from workbench import journal, runs
from workbench import session as sessions
from workbench.protocol import (
    Compare,
    Compared,
    Evaluate,
    Evaluated,
    Failed,
    StartTraining,
    TrainingEnded,
)
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
    TrainingSettings,
)
from workbench.settings import ReinforcementSettings
from workbench.worker.lane import RefusedError
from workbench.worker.link import LocalLink

PAIRS = DatasetSettings(source="preferences.jsonl", evaluation_count=8)

LETTERS = """
def score(answer, row):
    "The share of letters."
    return sum(one.isascii() and one.isalpha() for one in answer) / max(1, len(answer))
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One Worker for all tasks, in a folder with pairs of answers and a reward."""
    folder = tmp_path_factory.mktemp("preferring")
    rows = "".join(json.dumps(row) + "\n" for row in preferences(40))
    (folder / "preferences.jsonl").write_text(rows)
    (folder / "reward.py").write_text(LETTERS)
    path = folder / "sessions" / "made.toml"
    sessions.save(Session(), path)
    made = Line(LocalLink(path), path)
    made.link.start(made.new.put)
    yield made
    made.link.close()


def learnt(
    line: Line, model: Path, task: Any, run: str = "", **training: Any
) -> tuple[list[Any], list[Any]]:
    """What a run of a task wrote: its evaluations, and the lines of its steps."""
    usual = {
        "learning_rate": 1e-2,
        "lora_r": 4,
        "per_device_train_batch_size": 8,
        "evaluation_rows": 8,
        "pinned_count": 1,
        "eval_steps": 0,
        "save_steps": 0,
    }
    made = Session(
        model=ModelSettings(name=str(model), dtype="float32", device="cpu"),
        dataset=PAIRS,
        prompts=[Prompt(name="rows")],
        training=TrainingSettings(task=task, **usual | training),
    )
    line.send(
        StartTraining(
            session=made,
            session_path=str(line.path),
            folder=str(line.folder),
            run=run or task,
        )
    )
    ended = line.wait_for(TrainingEnded).run
    assert ended.state == "finished", ended.message
    folder = Path(ended.folder)
    assert journal.read(folder / "events.jsonl")[0]["task"] == task
    told = journal.read(folder / "metrics.jsonl")
    samples = journal.read(folder / "samples.jsonl")
    assert {one["step"] for one in samples if one.get("pinned")} == {0, told[-1]["step"]}
    return (
        [one for one in told if "eval_loss" in one],
        [one for one in told if "loss" in one],
    )


@pytest.mark.parametrize("task", ["dpo", "kto", "orpo", "reward"])
def test_the_better_answer_is_learnt(line: Line, tiny_model: Path, task: str) -> None:
    evaluations, steps = learnt(line, tiny_model, task, max_steps=12)
    assert [one["step"] for one in evaluations] == [0, steps[-1]["step"]]
    first, last = evaluations
    assert last["eval_loss"] < first["eval_loss"]
    assert last["eval_reward_accuracy"] > first["eval_reward_accuracy"]
    assert last["eval_reward_margin"] > first["eval_reward_margin"]
    half = len(steps) // 2
    assert mean(steps[half:], "loss") < mean(steps[:half], "loss")
    told = {one.weights: one for one in measured(line, tiny_model, task)}
    assert set(told) == ({"tuned"} if task == "reward" else {"base", "tuned"})
    for one in told.values():  # without an answer being written
        assert (one.metric, one.rows, one.failed, one.labels) == ("preferred", 8, 0, [])
        [figure] = one.metrics
        assert (figure.unit, figure.interval) == ("share", "Wilson")
        assert figure.low <= figure.value <= figure.high
    if task == "reward":
        assert told["tuned"].value == pytest.approx(last["eval_reward_accuracy"])
        return
    assert told["tuned"].value > told["base"].value
    compare = Compare(
        folder=str(line.folder), a=told["base"].measurement, b=told["tuned"].measurement
    )
    [compared] = [one for one in line.ask(compare, last=Compared) if isinstance(one, Compared)]
    assert compared.test.startswith("McNemar")
    assert compared.difference == pytest.approx(told["tuned"].value - told["base"].value)
    assert len(compared.gained) > len(compared.lost)


def measured(line: Line, model: Path, run: str, **changes: Any) -> list[Evaluated]:
    """The figures of a run's weights, and of those before it where they answer."""
    request = Evaluate(
        model=ModelSettings(name=str(model), dtype="float32", device="cpu", adapter=run),
        folder=str(line.folder),
        dataset=changes.pop("dataset", PAIRS),
        prompt=changes.pop("prompt", Prompt(name="rows")),
        evaluation=EvaluationSettings(**changes),
        generation=GenerationSettings(max_new_tokens=4),
        session_path=str(line.path),
    )
    found = line.ask(request)
    if refused := [one for one in found if isinstance(one, Failed)]:
        raise RefusedError(refused[0].message)
    return [one for one in found if isinstance(one, Evaluated)]


def test_a_reward_model_is_measured_by_nothing_else(line: Line, tiny_model: Path) -> None:
    learnt(line, tiny_model, "reward", run="graded", max_steps=2)
    with pytest.raises(RefusedError, match=r"prefers, and not by chrf; leave evaluation.metrics"):
        measured(line, tiny_model, "graded", metrics=["chrf"])
    said = Prompt(name="said", template="{{ prompt }}", completion="{{ chosen }}")
    with pytest.raises(RefusedError, match=r"prefers, and the rows have none; measure on"):
        measured(line, tiny_model, "graded", prompt=said)


def test_what_learnt_from_a_reward_model_is_measured_by_it(line: Line, tiny_model: Path) -> None:
    learnt(line, tiny_model, "reward", run="scoring", max_steps=2)
    reward = ReinforcementSettings(
        reward_model="scoring", num_generations=4, max_completion_length=4
    )
    learnt(line, tiny_model, "grpo", run="scored", max_steps=2, reinforcement=reward)
    told = measured(line, tiny_model, "scored")
    assert [(one.weights, one.metric) for one in told] == [("base", "reward"), ("tuned", "reward")]
    [by_label, _] = measured(line, tiny_model, "scored", metrics=["exact_match"])
    assert by_label.metric == "exact_match"


def test_written_answers_are_measured_beside_which_is_preferred(
    line: Line, tiny_model: Path
) -> None:
    [told] = measured(line, tiny_model, "", metrics=["preferred", "chrf"])
    assert [one.name for one in told.metrics] == ["preferred", "chrf"]
    [alone] = measured(line, tiny_model, "")
    assert alone.value == told.value


def test_answers_come_to_be_rewarded(line: Line, tiny_model: Path) -> None:
    evaluations, steps = learnt(
        line,
        tiny_model,
        "grpo",
        method="full",
        per_device_train_batch_size=16,
        max_steps=12,
        reinforcement=ReinforcementSettings(
            reward="reward.py:score", num_generations=8, max_completion_length=8
        ),
    )
    first, last = evaluations
    assert last["eval_loss"] < first["eval_loss"]  # minus the mean reward
    rewards = [name for name in runs.TASK_METRICS if name in steps[0]]
    assert "reward" in rewards
    assert mean(steps[-4:], "reward") > mean(steps[:4], "reward")


def mean(lines: list[Any], name: str) -> float:
    return float(sum(one[name] for one in lines)) / len(lines)
