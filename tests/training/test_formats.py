"""Rows of every format, learnt: what the trainer gets is what the token view shows."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.chats import MARKED, ROWS, TURNS, encoder, prompt_of
from tests.tiny import REVIEWS, make_tiny_model
from tests.training.batches import rows_in
from tests.training.plain import examples_of, plain_losses
from tests.work import Listener, dataset, fine_tune, lines, load_tiny, session
from workbench import journal, runs
from workbench.data.tokens import inspect
from workbench.inference.model import LoadedModel
from workbench.session import Prompt
from workbench.training.errors import TrainingError
from workbench.training.loop import arguments
from workbench.training.recipe import Work
from workbench.training.recorder import Recorder
from workbench.training.sft import SupervisedFineTuning

EMPTY = Prompt()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    make_tiny_model(made / "tiny")
    return made


def conversations(count: int) -> list[dict[str, Any]]:
    """Conversations of one to three answers."""
    drawn = random.Random(0)
    texts = [text for text, _ in REVIEWS]
    return [
        {
            "messages": [
                {"role": role, "content": f"{drawn.choice(texts)} ({n})"}
                for _ in range(drawn.randint(1, 3))
                for role in ("user", "assistant")
            ]
        }
        for n in range(count)
    ]


def batches(
    loaded: LoadedModel, rows: list[dict[str, Any]], prompt: Prompt, folder: Path, packing: str
) -> Any:
    """What the real trainer's data loader and collator yield."""
    made = session(prompt, per_device_train_batch_size=2, packing=packing)
    data = dataset(rows, rows[:1])
    recipe = SupervisedFineTuning(Work(made, loaded, data, folder))
    recipe.prepare()
    run = runs.Run.create(folder, "a", made, {})
    recorder = Recorder(
        made.training, run, Listener(), device=loaded.device, about={}, first_step=0
    )
    trainer = recipe.trainer(arguments(recipe, run), recorder)
    yield from trainer.get_train_dataloader()
    run.close()


@pytest.mark.parametrize("packing", ["on", "off"])
@pytest.mark.parametrize("template", ["marked", "plain", "none"])
@pytest.mark.parametrize("kind", ROWS)
def test_the_token_view_is_what_the_trainer_gets(
    kind: str, template: str, packing: str, folder: Path, tmp_path: Path
) -> None:
    loaded = load_tiny(folder)
    if template != "plain":
        loaded.tokenizer.chat_template = MARKED["chatml"] if template == "marked" else None
    row, prompt = ROWS[kind], prompt_of(kind)
    others = {
        "messages": {"messages": TURNS[:2]},
        "text": {"text": "Short."},
    }
    rows = [row, others.get(kind, row)]
    got = []
    for batch in batches(loaded, rows, prompt, tmp_path, packing):
        got += rows_in(batch)
    shown = []
    for one in rows:
        view = inspect(loaded.tokenizer, encoder(loaded.tokenizer, rows, prompt), one)
        first = view.sequences[0]
        shown.append((first.ids, [role.endswith("trained") for role in first.roles]))
    assert sorted(got) == sorted(shown)


@pytest.mark.parametrize("rows", [conversations(24), [{"text": one[0]} for one in REVIEWS * 3]])
def test_losses_of_other_formats_are_those_of_a_plain_trainer(
    rows: list[dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    made = session(EMPTY, num_train_epochs=2.0, gradient_accumulation_steps=2)
    data = dataset(rows, rows[:4])
    run = fine_tune(load_tiny(folder), tmp_path, "ours", data=data, made=made)
    expected = plain_losses(load_tiny(folder), made, data, tmp_path)
    assert lines(run, "metrics", "loss") == pytest.approx(expected, abs=1e-5)
    assert len(expected) == 6


def test_the_evaluation_loss_of_conversations_is_that_of_every_trained_token(
    folder: Path, tmp_path: Path
) -> None:
    loaded, rows = load_tiny(folder), conversations(12)
    made = session(EMPTY, evaluation_rows=12, max_steps=1, learning_rate=1e-9)
    data = dataset(rows, rows)
    run = fine_tune(loaded, tmp_path, "a", data=data, made=made)
    total, count = 0.0, 0
    for one in examples_of(loaded, made, data):
        with torch.no_grad():
            logits = loaded.model(torch.tensor([one.input_ids])).logits[0, :-1]
        labels = torch.tensor(one.labels[1:])
        total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        count += int((labels != -100).sum())
    assert lines(run, "metrics", "eval_loss")[-1] == pytest.approx(total / count, abs=1e-5)


def test_a_preference_is_learnt_as_its_chosen_answer(folder: Path, tmp_path: Path) -> None:
    rows = [{"prompt": f"Q {n}", "chosen": "Yes.", "rejected": "No, never."} for n in range(8)]
    pairs = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    found = [
        lines(
            fine_tune(
                load_tiny(folder), tmp_path, name, data=dataset(given, given), made=session(EMPTY)
            ),
            "metrics",
            "loss",
        )
        for name, given in (("preference", rows), ("pairs", pairs))
    ]
    assert found[0] == found[1]


def test_overlong_texts_are_split_into_rows_of_their_own(folder: Path, tmp_path: Path) -> None:
    rows = [{"text": " ".join(text for text, _ in REVIEWS)} for _ in range(4)]
    made = session(EMPTY, max_length=32, overlong="split")
    data = dataset(rows, rows)
    run = fine_tune(load_tiny(folder), tmp_path, "a", data=data, made=made)
    about = journal.read(run.folder / "events.jsonl")[0]
    whole = encoder(load_tiny(folder).tokenizer, rows, EMPTY).encode(rows[0])[0]
    assert about["tokens"] == 4 * len(whole.input_ids)
    assert about["rows"] == 4 * -(-len(whole.input_ids) // 32)


def test_rows_without_an_answer_are_left_out_and_counted(folder: Path, tmp_path: Path) -> None:
    rows = [*conversations(6), {"messages": TURNS[:1]}]
    run = fine_tune(
        load_tiny(folder), tmp_path, "a", data=dataset(rows, rows[:1]), made=session(EMPTY)
    )
    about = journal.read(run.folder / "events.jsonl")[0]
    assert (about["rows"], about["rows_left_out"]) == (6, 1)


def test_a_row_that_cannot_be_encoded_is_named_by_its_number(folder: Path, tmp_path: Path) -> None:
    rows = [*conversations(6), {"messages": []}, *conversations(2)]
    with pytest.raises(TrainingError, match=r"^Row 7 of the dataset: A list of turns"):
        fine_tune(
            load_tiny(folder), tmp_path, "a", data=dataset(rows, rows[:1]), made=session(EMPTY)
        )
