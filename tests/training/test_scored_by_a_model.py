"""Reinforcement and measuring by a reward model: a run of the task reward, or a folder, beside the
model that answers."""

import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.tiny import make_tiny_model
from tests.training.by_trl import preferences
from tests.work import Listener as Hooks
from tests.work import dataset, fine_tune, lines, nobody_listens, session
from workbench import journal, runs
from workbench.data.formats import recognise_table
from workbench.data.prompting import PromptError
from workbench.inference.errors import ModelError
from workbench.inference.heads import Head
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import load_model
from workbench.inference.scorer import Scorer
from workbench.measuring.evaluation import Listener, Task, evaluate
from workbench.measuring.store import Results
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
)
from workbench.settings import ReinforcementSettings
from workbench.training.batches import Batches, shape
from workbench.training.errors import TrainingError
from workbench.training.loop import train

ROWS, HELD_OUT = preferences(12), preferences(4, 12)
TINY = ModelSettings(name="tiny", dtype="float32", device="cpu")
SAID = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in ROWS]
HEAD = Head("classifier", problem="regression", fresh=True)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two runs that have learnt to score answers, of an adapter and of all weights."""
    folder = tmp_path_factory.mktemp("workspace")
    make_tiny_model(folder / "tiny")
    for method in ("lora", "full"):
        made = replace(session(Prompt(), task="reward", method=method), model=TINY)
        loaded = load_model(TINY, folder, nobody_listens, HEAD)
        fine_tune(loaded, folder, method, data=dataset(ROWS, HELD_OUT), made=made)
    (folder / "one.py").write_text("def score(answer, row):\n    return 1.0\n")
    return folder


def reinforcing(reward_model: str, reward: str = "", **training: Any) -> Session:
    settings = ReinforcementSettings(
        reward=reward, reward_model=reward_model, num_generations=4, max_completion_length=6
    )
    rest = {"per_device_train_batch_size": 8, "max_steps": 2, "evaluation_rows": 4, **training}
    return replace(session(Prompt(), task="grpo", reinforcement=settings, **rest), model=TINY)


def reinforced(workspace: Path, name: str, made: Session) -> runs.Run:
    loaded = load_model(TINY, workspace, nobody_listens)
    return fine_tune(loaded, workspace, name, data=dataset(ROWS, HELD_OUT), made=made)


def drawn(run: runs.Run) -> list[dict[str, Any]]:
    return [one for one in journal.read(run.folder / "samples.jsonl") if one.get("drawn")]


@pytest.mark.parametrize("reward", ["", "one.py:score"])
def test_answers_get_the_numbers_of_the_reward_run(workspace: Path, reward: str) -> None:
    name = f"scored{len(reward)}"
    run = reinforced(workspace, name, reinforcing("lora", reward))
    scorer = Scorer("lora", workspace, "cpu", "x")
    samples = drawn(run)
    assert len(samples) == 2 * 4
    prompts = {row["prompt"][-1]["content"]: row["prompt"] for row in ROWS}
    expected = scorer.scores([(prompts[one["asked"]], one["text"]) for one in samples])
    more = 1.0 if reward else 0.0
    assert [one["reward"] for one in samples] == pytest.approx(
        [one + more for one in expected], abs=1e-5
    )
    assert len(set(expected)) > 1
    told = lines(run, "metrics", "eval_reward")
    assert len(told) == 2
    assert runs.status(run.folder).state == "finished"


def test_a_folder_of_a_whole_reward_model_scores_as_its_run(workspace: Path) -> None:
    found = runs.last_checkpoint(workspace / "runs" / "full")
    assert found is not None
    asked = [(row["prompt"], row["chosen"][0]["content"]) for row in HELD_OUT]
    by_run = Scorer("full", workspace, "cpu", "x").scores(asked)
    folder = str(found[1].relative_to(workspace))
    assert Scorer(folder, workspace, "cpu", "x").scores(asked) == pytest.approx(by_run, abs=1e-6)
    assert len(set(by_run)) > 1


def test_others_get_their_turn_between_batches_and_weights_are_read_once(workspace: Path) -> None:
    scorer = Scorer("lora", workspace, "cpu", "x")
    asked = [(row["prompt"], "yes") for row in ROWS]
    served: list[int] = []
    scorer.load().most = 5
    read = scorer.load()
    scorer.scores(asked, lambda: served.append(1))
    assert len(served) == 3
    assert scorer.load() is read


def test_what_scores_no_answers_is_refused_before_a_model_is_loaded(workspace: Path) -> None:
    reinforced(workspace, "letters", reinforcing("", "one.py:score", max_steps=1))
    for name, words in (
        ("nowhere", "neither a run nor a folder"),
        ("letters", "has learnt grpo, not to score answers"),
        ("tiny", "gives answers no number"),
        ("", "reward_model to a run of the task reward"),
    ):
        with pytest.raises(TrainingError, match=words) as refused:
            reinforced(workspace, f"refused-{name}", reinforcing(name))
        assert "training.reinforcement.reward" in str(refused.value)


def test_the_plan_counts_the_reward_model(workspace: Path) -> None:
    batches = Batches(dataset(ROWS, HELD_OUT), workspace, nobody_listens)
    for name, there in (("lora", True), ("", False)):
        made = reinforcing(name, "one.py:score")
        loaded = batches.laid(made, Head("causal"))
        recipe = batches.prepared(made, loaded, 4, nobody_listens)
        parts = batches.estimate(made, loaded, shape(recipe, made.training, 8)).parts
        assert any(one.name == "reward model" for one in parts) == there
        if there:
            [part] = [one for one in parts if one.name == "reward model"]
            model = Scorer("lora", workspace, "cpu", "x").load().loaded.base
            held = {id(one): one for one in model.parameters()}.values()
            assert part.bytes == pytest.approx(sum(one.nbytes for one in held), rel=0.1)


def measured_by(name: str, **training: Any) -> Session:
    """A run on answers whose evaluations score what is answered."""
    made = session(Prompt(), task="sft", metric_rows=4, evaluation_rows=4, **training)
    evaluation = EvaluationSettings(metrics=["reward"], reward_model=name)
    writes = GenerationSettings(max_new_tokens=4)
    return replace(made, model=TINY, evaluation=evaluation, generation=writes)


def test_a_run_reads_the_reward_model_of_its_evaluations_once(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(settings: ModelSettings, *more: Any) -> Any:
        read.append(settings.adapter)
        return load_model(settings, *more)

    monkeypatch.setattr("workbench.inference.scorer.load_model", counted)
    made = measured_by("lora", max_steps=3, eval_steps=1)
    loaded = load_model(TINY, workspace, nobody_listens)
    run = fine_tune(loaded, workspace, "measured", data=dataset(SAID, SAID[:4]), made=made)
    assert len(lines(run, "metrics", "eval_reward")) == 4
    assert read == ["lora"]


def test_the_plan_counts_the_reward_model_of_evaluations(workspace: Path) -> None:
    batches = Batches(dataset(SAID, SAID[:4]), workspace, nobody_listens)

    def parts(made: Session) -> dict[str, int]:
        loaded = batches.laid(made, Head("causal"))
        recipe = batches.prepared(made, loaded, 4, nobody_listens)
        counted = batches.estimate(made, loaded, shape(recipe, made.training, 4))
        return {one.name: one.bytes for one in counted.parts}

    made = measured_by("lora")
    count, width = Scorer("lora", workspace, "cpu", "x").memory()
    assert parts(made)["reward model"] == count * width
    unmeasured = replace(made, training=replace(made.training, metric_rows=0))
    assert "reward model" not in parts(unmeasured)
    with pytest.raises(TrainingError, match="reward_model: there is neither"):
        parts(measured_by("nowhere"))


def test_a_run_scored_by_a_model_is_resumed_to_the_last_bit(workspace: Path) -> None:
    made = reinforcing("lora", max_steps=4, evaluation_rows=0)
    whole = reinforced(workspace, "whole", made)
    loaded = load_model(TINY, workspace, nobody_listens)
    data, stop = dataset(ROWS, HELD_OUT), Hooks(stop=lambda step: step >= 2)
    part = fine_tune(loaded, workspace, "part", stop, data=data, made=made)
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    again = runs.Run(part.folder)
    loaded = load_model(TINY, workspace, nobody_listens)
    assert train(made, loaded, data, again, Hooks(), last[1]) == "finished"
    again.close()
    assert lines(again, "metrics", "reward") == lines(whole, "metrics", "reward")
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")


def test_answers_are_measured_by_a_reward_run(workspace: Path, tmp_path: Path) -> None:
    rows = dataset(ROWS, HELD_OUT).evaluation
    assert rows is not None
    told = {}
    for name in ("lora", "full"):
        task = Task(
            prompt=Prompt(),
            model=TINY,
            weights="base",
            evaluation=EvaluationSettings(metrics=["reward"], reward_model=name),
            generation=GenerationSettings(max_new_tokens=4),
            found=recognise_table(rows.table, DatasetSettings(), Prompt()),
            rows=rows,
            dataset="made",
            folder=workspace,
        )
        answerer = LocalAnswerer(load_model(TINY, workspace, nobody_listens), "base")
        results = Results(tmp_path)
        listener = Listener(threading.Event(), nobody_listens)
        told[name] = made = evaluate(answerer, task, results, listener)
        [figure] = made.metrics
        stored = results.measurement(made.measurement).rows
        results.close()
        prompts = {int(n): row["prompt"] for n, row in zip(rows.numbers, HELD_OUT, strict=True)}
        asked = [(prompts[one.reply.number], one.reply.answer) for one in stored]
        scores = Scorer(name, workspace, "cpu", "x").scores(asked)
        assert figure.name == "reward"
        assert figure.value == pytest.approx(sum(scores) / 4, abs=1e-5)
        assert figure.low <= figure.value <= figure.high
        assert [one.scores["reward"] for one in stored] == pytest.approx(scores, abs=1e-5)
    assert told["lora"].value != told["full"].value


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "The metric reward has no model"), ("nowhere", "evaluation.reward_model: there is")],
)
def test_a_metric_without_its_reward_model_is_refused(
    workspace: Path, name: str, words: str
) -> None:
    rows = dataset(ROWS, HELD_OUT).evaluation
    assert rows is not None
    task = Task(
        prompt=Prompt(),
        model=TINY,
        weights="base",
        evaluation=EvaluationSettings(metrics=["reward"], reward_model=name),
        generation=GenerationSettings(),
        found=recognise_table(rows.table, DatasetSettings(), Prompt()),
        rows=rows,
        dataset="made",
        folder=workspace,
    )
    answerer = LocalAnswerer(load_model(TINY, workspace, nobody_listens), "base")
    with pytest.raises((PromptError, ModelError), match=words):
        evaluate(answerer, task, Results(workspace), Listener(threading.Event(), nobody_listens))
