"""A translator and a reader of books, from the request to the last event."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.data.test_books import NOW
from tests.translating import ROWS, make_t5
from tests.worker.conftest import Line
from workbench import journal
from workbench import session as sessions
from workbench.protocol import Evaluate, Evaluated, Generate, GenerationFinished, TrainingEnded
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
    TrainingSettings,
)
from workbench.worker.link import LocalLink


@pytest.fixture
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_t5(tmp_path_factory.mktemp("t5"))


def opened(made: Session, folder: Path) -> Line:
    path = folder / "sessions" / "made.toml"
    sessions.save(made, path)
    line = Line(LocalLink(path), path)
    line.link.start(line.new.put)
    return line


def test_a_translator_is_chosen_trained_asked_and_measured(t5: Path, tmp_path: Path) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "pairs.jsonl").write_text(rows)
    made = Session(
        model=ModelSettings(name=str(t5), dtype="float32", device="cpu"),
        dataset=DatasetSettings(source="pairs.jsonl", evaluation_count=6),
        prompts=[Prompt(name="plain")],
        generation=GenerationSettings(max_new_tokens=6),
        evaluation=EvaluationSettings(metrics=["chrf", "bleu"], answer="write"),
        training=TrainingSettings(
            method="full",
            keep_base=True,
            num_train_epochs=12.0,
            learning_rate=1e-2,
            per_device_train_batch_size=8,
            evaluation_rows=6,
            metric_rows=6,
            pinned_count=1,
            eval_steps=0,
            save_steps=0,
        ),
    )
    line = opened(made, tmp_path)
    try:
        line.start_training(made)
        ended = line.wait_for(TrainingEnded)
        assert ended.run.state == "finished", ended.run.message
        run = Path(ended.run.folder)
        told = [one for one in journal.read(run / "metrics.jsonl") if "eval_loss" in one]
        assert told[-1]["eval_loss"] < told[0]["eval_loss"] / 2
        assert told[-1]["eval_chrf"] > told[0]["eval_chrf"]
        assert journal.read(run / "events.jsonl")[0]["task"] == "seq2seq"
        assert sessions.load(run / "session.toml").training.task == "seq2seq"
        tuned = replace(made.model, adapter=ended.run.name)
        heard = line.ask(
            Generate(
                model=tuned,
                folder=str(tmp_path),
                prompt=made.prompt(),
                values=ROWS[0],
                dataset=made.dataset,
                generation=made.generation,
                weights=("tuned",),
                session_path="",
            )
        )
        answer = next(one for one in heard if isinstance(one, GenerationFinished))
        assert answer.text
        heard = line.ask(
            Evaluate(
                model=tuned,
                folder=str(tmp_path),
                dataset=made.dataset,
                prompt=made.prompt(),
                generation=made.generation,
                evaluation=made.evaluation,
                weights=("base", "tuned"),
                session_path=str(line.path),
            )
        )
        measured = {one.weights: one for one in heard if isinstance(one, Evaluated)}
        assert [one.name for one in measured["tuned"].metrics] == ["chrf", "bleu"]
        assert measured["tuned"].value == pytest.approx(told[-1]["eval_chrf"])
        assert measured["base"].value == pytest.approx(told[0]["eval_chrf"])
    finally:
        line.link.close()


def test_a_book_is_read_by_a_run(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(NOW)
    made = Session(
        model=ModelSettings(name=str(tiny_model), dtype="float32", device="cpu"),
        dataset=DatasetSettings(source="book.txt", evaluation_share=0.2),
        prompts=[Prompt(name="go on")],
        generation=GenerationSettings(max_new_tokens=4),
        training=TrainingSettings(
            max_length=64, max_steps=6, learning_rate=1e-2, per_device_train_batch_size=8,
            eval_steps=0, save_steps=0, pinned_count=1,
        ),
    )  # fmt: skip
    line = opened(made, tmp_path)
    try:
        line.start_training(made)
        ended = line.wait_for(TrainingEnded)
        assert ended.run.state == "finished", ended.run.message
    finally:
        line.link.close()
    run = Path(ended.run.folder)
    told = [one for one in journal.read(run / "metrics.jsonl") if "eval_loss" in one]
    assert told[-1]["eval_bits_per_byte"] < told[0]["eval_bits_per_byte"]
    about = journal.read(run / "events.jsonl")[0]
    assert about["task"] == "pretraining"
    assert "Project Gutenberg's header and licence are left out" in about["text"]
