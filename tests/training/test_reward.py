"""Reward models, trained within a run as TRL alone trains them, and what they answer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from tests.tiny import CHAT_TEMPLATE, make_tiny_model, make_tiny_tokenizer
from tests.training.by_trl import ENDS_WITH_THE_ANSWER, arguments, logged, preferences
from tests.work import Listener, dataset, fine_tune, lines, nobody_listens, session
from workbench import runs
from workbench import session as sessions
from workbench.data.formats import recognise_table
from workbench.inference.answerers import answerer_for
from workbench.inference.heads import Head
from workbench.inference.model import LoadedModel, load_model
from workbench.inference.prefixes import Prefixes
from workbench.inference.rewarding import RewardAnswerer
from workbench.session import ModelSettings, Prompt, Session
from workbench.training.errors import TrainingError
from workbench.training.loop import train

ROWS, HELD_OUT = preferences(16), preferences(8, 16)
EMPTY = Prompt()
HEAD = Head("classifier", problem="regression", fresh=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    make_tiny_model(made / "tiny")
    make_tiny_encoder(made / "bert")
    return made


def make_tiny_encoder(folder: Path) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = make_tiny_tokenizer()
    tokenizer.add_special_tokens({"sep_token": "[SEP]", "cls_token": "[CLS]"})
    tokenizer.chat_template = None
    opening, closing = tokenizer.cls_token_id, tokenizer.sep_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", opening), ("[SEP]", closing)],
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)


def with_output(folder: Path, name: str = "tiny") -> LoadedModel:
    settings = ModelSettings(name=name, dtype="float32", device="cpu")
    loaded = load_model(settings, folder, nobody_listens, HEAD)
    if name == "tiny":
        loaded.tokenizer.chat_template = ENDS_WITH_THE_ANSWER
    return loaded


def rewarding(**training: Any) -> Session:
    return session(EMPTY, task="reward", **training)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_losses_are_those_of_trl(folder: Path, tmp_path: Path, method: Any) -> None:
    made = rewarding(method=method, num_train_epochs=2.0, learning_rate=1e-3)
    loaded = with_output(folder)
    run = fine_tune(loaded, tmp_path, "ours", data=dataset(ROWS, HELD_OUT), made=made)
    expected = logged(
        RewardTrainer,
        arguments(RewardConfig, made, tmp_path),
        with_output(folder),
        made,
        ROWS,
        lambda row: max(len(row["chosen_ids"]), len(row["rejected_ids"])),
    )
    assert lines(run, "metrics", "loss") == pytest.approx([one["loss"] for one in expected], 1e-4)
    assert lines(run, "metrics", "reward_accuracy") == pytest.approx(
        [one["accuracy"] for one in expected]
    )
    assert len(expected) == 8


@pytest.mark.parametrize(("name", "rate"), [("tiny", 5e-3), ("bert", 2e-2)])
def test_better_answers_get_more_after_a_run(
    folder: Path, tmp_path: Path, name: str, rate: float
) -> None:
    made = rewarding(num_train_epochs=4.0, evaluation_rows=8, learning_rate=rate)
    loaded = with_output(folder, name)
    run = fine_tune(loaded, tmp_path, "a", data=dataset(ROWS, HELD_OUT), made=made)
    losses = lines(run, "metrics", "eval_loss")
    assert losses[-1] < losses[0] / 2
    assert lines(run, "metrics", "eval_reward_accuracy")[-1] == 1.0
    assert lines(run, "metrics", "eval_reward_margin")[-1] > 0


@pytest.mark.parametrize("name", ["tiny", "bert"])
def test_a_reward_model_answers_with_the_number_that_it_was_trained_to_give(
    folder: Path, tmp_path: Path, name: str
) -> None:
    made = rewarding(num_train_epochs=2.0, evaluation_rows=8)
    loaded = with_output(folder, name)
    if name == "tiny":
        loaded.tokenizer.chat_template = CHAT_TEMPLATE  # it writes on after the answer's end
    data = dataset(ROWS, HELD_OUT)
    run = fine_tune(loaded, tmp_path, "a", data=data, made=made)
    answerer = answerer_for(loaded, "tuned", Prefixes(), tmp_path)
    assert isinstance(answerer, RewardAnswerer)
    found = recognise_table(data.train.table, made.dataset, EMPTY)
    given = {
        side: [answerer.question([*row["prompt"], *row[side]]).ids for row in HELD_OUT]
        for side in ("chosen", "rejected")
    }
    assert given["chosen"] == [answerer.row_ids(EMPTY, found, row) for row in HELD_OUT]
    scores = {side: answerer.logits(rows)[:, 0] for side, rows in given.items()}
    margin = float((scores["chosen"] - scores["rejected"]).mean())
    assert margin == pytest.approx(lines(run, "metrics", "eval_reward_margin")[-1], abs=1e-5)
    with pytest.raises(Exception, match="there is none"):
        answerer.question(ROWS[0]["prompt"])


def test_a_resumed_run_goes_on_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    made = rewarding(num_train_epochs=2.0, evaluation_rows=4)
    data = dataset(ROWS, HELD_OUT)
    whole = fine_tune(with_output(folder), tmp_path, "whole", data=data, made=made)
    stop = Listener(stop=lambda step: step >= 5)
    part = fine_tune(with_output(folder), tmp_path, "part", stop, data=data, made=made)
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    again = runs.Run(part.folder)
    session_again = sessions.load(part.folder / "session.toml")
    assert train(session_again, with_output(folder), data, again, Listener(), last[1]) == "finished"
    again.close()
    for figure in ("loss", "eval_loss", "reward_margin"):
        assert lines(again, "metrics", figure) == lines(whole, "metrics", figure), figure


def test_rows_without_pairs_are_refused(folder: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "A", "completion": "b"}]
    with pytest.raises(TrainingError, match="chosen and a rejected answer"):
        fine_tune(with_output(folder), tmp_path, "a", data=dataset(rows, rows), made=rewarding())
