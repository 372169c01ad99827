"""An encoder through the app's own path: trained, asked, measured, beside a chat model."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.encoders import make_bert
from tests.tiny import reviews
from tests.worker.conftest import Line
from workbench import journal
from workbench import session as sessions
from workbench.protocol import (
    Compare,
    Compared,
    DatasetOpened,
    Evaluate,
    Evaluated,
    Failed,
    Generate,
    GenerationFinished,
    InspectTokens,
    LengthsMeasured,
    MeasureLengths,
    OpenDataset,
    PromptRendered,
    RenderPrompt,
    StartTraining,
    Tokens,
    TokensInspected,
    TrainingEnded,
)
from workbench.session import DatasetSettings, ModelSettings, Prompt, Session, TrainingSettings


@pytest.fixture
def encoder(session: Session, tmp_path: Path) -> Session:
    """A session on a bare encoder, in which the rows' own text and label are used."""
    make_bert(tmp_path / "bert")
    return replace(
        session,
        model=ModelSettings(name="bert", dtype="float32", device="cpu"),
        prompts=[Prompt(name="rows")],
        active_prompt="rows",
        training=TrainingSettings(
            method="full",
            learning_rate=3e-3,
            num_train_epochs=6.0,
            per_device_train_batch_size=8,
            eval_steps=0,
            save_steps=0,
            pinned_count=2,
        ),
    )


def start(line: Line, session: Session, run: str) -> Any:
    line.send(
        StartTraining(
            session=session, session_path=str(line.path), folder=str(line.folder), run=run
        )
    )
    return line.wait_for(TrainingEnded, 120).run


def generate(line: Line, session: Session, **changes: Any) -> list[Any]:
    row = reviews(2)[1]
    asked = {
        "model": session.model,
        "folder": str(line.folder),
        "prompt": session.prompt(),
        "values": row,
        "generation": session.generation,
        "dataset": session.dataset,
        "weights": ("base", "tuned"),
        **changes,
    }
    return line.ask(Generate(**asked))


def evaluate(line: Line, session: Session, **changes: Any) -> list[Any]:
    asked = {
        "model": session.model,
        "folder": str(line.folder),
        "dataset": session.dataset,
        "prompt": session.prompt(),
        "generation": session.generation,
        "evaluation": replace(session.evaluation, rows=12, labels=[]),
        "weights": ("base", "tuned"),
        "session_path": str(line.path),
        **changes,
    }
    return line.ask(Evaluate(**asked))


def answers(events: list[Any]) -> dict[str, str]:
    return {one.weights: one.text for one in events if isinstance(one, GenerationFinished)}


def test_a_classifier_is_trained_asked_and_compared(
    open_line: Any, encoder: Session, session: Session
) -> None:
    line = open_line("in-process")
    [refused] = [one for one in generate(line, encoder) if isinstance(one, Failed)]
    assert "without a head, so it answers nothing by itself" in refused.message
    ended = start(line, encoder, "labels")
    assert (ended.state, ended.message) == ("finished", "")
    folder = line.folder / "runs" / "labels"
    frozen = sessions.load(folder / "session.toml").training
    assert (frozen.task, frozen.classification.labels) == (
        "classification",
        ["negative", "positive"],
    )
    measured = journal.read(folder / "metrics.jsonl")
    accuracy = [one["eval_accuracy"] for one in measured if "eval_accuracy" in one]
    assert accuracy[-1] > accuracy[0]
    samples = journal.read(folder / "samples.jsonl")
    assert {one["text"] for one in samples} <= {"negative", "positive"}
    assert answers(generate(line, encoder)) == {"tuned": "negative"}  # its base has no head
    [tokens] = [one for one in generate(line, encoder, alternatives=2) if isinstance(one, Tokens)]
    assert [one.text for one in tokens.tokens[0].options] == ["negative", "positive"]

    # The chat model takes its place; by the run's name the classifier comes back.
    theirs = [
        one
        for one in evaluate(line, session, prompt=encoder.prompt())
        if isinstance(one, Evaluated)
    ]
    tuned = replace(encoder, model=replace(encoder.model, adapter="labels"))
    [mine] = [one for one in evaluate(line, tuned) if isinstance(one, Evaluated)]
    assert (mine.weights, mine.rows, mine.failed) == ("tuned", 4, 0)
    assert mine.labels == ["negative", "positive"]
    assert mine.low <= mine.value <= mine.high
    [compared] = [
        one
        for one in line.ask(
            Compare(folder=str(line.folder), a=theirs[0].measurement, b=mine.measurement),
            last=Compared,
        )
        if isinstance(one, Compared)
    ]
    assert compared.verdict


@pytest.mark.parametrize(
    ("problem", "metric", "labels", "measured_by"),
    [
        (
            "regression",
            "eval_spearman",
            {"positive": 1.5, "negative": -1.5},
            ["mae", "rmse", "pearson", "spearman"],
        ),
        (
            "multi_label",
            "eval_micro_f1",
            {"positive": ["good"], "negative": ["bad", "long"]},
            ["multilabel_micro_f1", "multilabel_macro_f1", "subset_accuracy"],
        ),
    ],
)
def test_numbers_and_several_labels_are_learnt_and_measured(  # noqa: PLR0917
    open_line: Any,
    encoder: Session,
    problem: str,
    metric: str,
    labels: dict[str, Any],
    measured_by: list[str],
) -> None:
    line = open_line("in-process")
    rows = [{**row, "label": labels[row["label"]]} for row in reviews(64)]
    path = line.folder / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = replace(encoder, dataset=DatasetSettings(source=path.name, evaluation_count=12))
    made = replace(made, training=replace(encoder.training, evaluation_rows=12))
    ended = start(line, made, problem)
    assert (ended.state, ended.message) == ("finished", "")
    folder = line.folder / "runs" / problem
    assert sessions.load(folder / "session.toml").training.classification.problem_type == problem
    told = [one for one in journal.read(folder / "metrics.jsonl") if "eval_loss" in one]
    assert told[-1]["eval_loss"] < told[0]["eval_loss"]
    assert told[-1][metric] > told[0][metric]
    tuned = replace(made, model=replace(made.model, adapter=problem))
    [measured] = [one for one in evaluate(line, tuned) if isinstance(one, Evaluated)]
    assert [one.name for one in measured.metrics] == measured_by
    assert (measured.rows, measured.failed, measured.labels) == (12, 0, [])
    figures = {
        f"eval_{one.name.removeprefix('multilabel_')}": one.value for one in measured.metrics
    }
    same = figures.keys() & {"eval_mae", "eval_pearson", "eval_micro_f1", "eval_subset_accuracy"}
    assert same
    for name in same:  # of numbers 4 digits are answered
        assert figures[name] == pytest.approx(told[-1][name], abs=1e-3)


def test_words_are_learnt_and_guessed(open_line: Any, encoder: Session) -> None:
    line = open_line("in-process")
    training = replace(encoder.training, task="masked_lm", num_train_epochs=4.0)
    ended = start(line, replace(encoder, training=training), "words")
    assert (ended.state, ended.message) == ("finished", "")
    metrics = journal.read(line.folder / "runs" / "words" / "metrics.jsonl")
    told = [one for one in metrics if "eval_loss" in one]
    assert told[-1]["eval_loss"] < told[0]["eval_loss"]
    assert told[-1]["eval_masked_accuracy"] > told[0]["eval_masked_accuracy"]
    samples = journal.read(line.folder / "runs" / "words" / "samples.jsonl")
    assert all("write [MASK]" in one["problem"] for one in samples)
    masked = replace(encoder, prompts=[Prompt(name="m", template="{{ text }} It is [MASK].")])
    masked = replace(masked, active_prompt="m", model=replace(encoder.model, adapter="words"))
    events = generate(line, masked, alternatives=3)
    [tokens] = [one for one in events if isinstance(one, Tokens)]
    assert len(tokens.tokens) == 1
    assert len(tokens.tokens[0].options) == 3
    assert answers(events)["tuned"] == tokens.tokens[0].text


def test_what_is_shown_of_a_row_is_what_the_classifier_gets(
    open_line: Any, encoder: Session
) -> None:
    line = open_line("in-process")
    line.ask(OpenDataset(dataset=encoder.dataset, folder=str(line.folder)), last=DatasetOpened)
    row = reviews(1)[0]
    common = {"model": encoder.model, "folder": str(line.folder), "prompt": encoder.prompt()}
    seen = line.ask(
        InspectTokens(**common, dataset=encoder.dataset, training=encoder.training, values=row),
        last=TokensInspected,
    )[-1]
    [shown] = seen.sequences
    assert shown.pieces[0] == "[CLS]"
    assert shown.pieces[-1] == "[SEP]"
    assert seen.badges == []
    assert "with one loss for the row as a whole" in seen.how
    rendered = line.ask(
        RenderPrompt(**common, dataset=encoder.dataset, values=row, generation=encoder.generation),
        last=PromptRendered,
    )[-1]
    assert rendered.ids == shown.ids
    lengths = line.ask(
        MeasureLengths(**common, dataset=encoder.dataset, training=encoder.training, rows=0),
        last=LengthsMeasured,
    )[-1]
    assert lengths.lost == 0
    assert lengths.rows > 0
