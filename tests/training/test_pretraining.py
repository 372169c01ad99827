"""Continued pre-training: books and texts, every token of them, in packed rows."""

import math
import random
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
import torch

from tests.data.test_books import NOW
from tests.work import Listener, dataset, fine_tune, lines, load_tiny, nobody_listens, session
from workbench import journal, runs
from workbench.data.sources import Dataset, open_dataset
from workbench.inference.model import LoadedModel
from workbench.session import DatasetSettings, Prompt, Session
from workbench.training.errors import TrainingError
from workbench.training.loop import train
from workbench.training.pretraining import Pretraining
from workbench.training.recipe import Work

TEXTS = [text.strip() for text in sorted(topics.values())]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def shared(folder: Path) -> LoadedModel:
    """A tiny model that no test trains."""
    return load_tiny(folder)


def made(**training: Any) -> Session:
    return session(
        Prompt(), **{"task": "pretraining", "max_length": 64, "evaluation_rows": 8, **training}
    )


def prepared(loaded: LoadedModel, data: Dataset, chosen: Session, folder: Path) -> Pretraining:
    recipe = Pretraining(Work(chosen, loaded, data, folder))
    recipe.prepare()
    return recipe


def book(folder: Path, text: str, **settings: Any) -> Dataset:
    (folder / "book.txt").write_text(text, encoding="utf-8")
    return open_dataset(DatasetSettings(source="book.txt", **settings), folder, nobody_listens)


@pytest.mark.parametrize("seed", range(5))
def test_no_token_of_a_document_is_lost_or_doubled(
    shared: LoadedModel, tmp_path: Path, seed: int
) -> None:
    drawn = random.Random(seed)
    texts = [drawn.choice(TEXTS)[: drawn.randint(2, 900)] for _ in range(20)]
    longest = drawn.randint(8, 100)
    rows = [{"text": text} for text in texts]
    recipe = prepared(shared, dataset(rows, rows[:3]), made(max_length=longest), tmp_path)
    end = shared.tokenizer.eos_token_id
    expected = [shared.tokenizer(text)["input_ids"] + [end] for text in texts]
    got: list[int] = [token for ids in recipe.pieces.input_ids for token in ids]
    assert got == [token for ids in expected for token in ids]
    packed = [one for row in recipe.examples.rows for one in row]
    assert sorted(packed) == list(range(len(recipe.pieces)))
    assert max(recipe.examples.lengths) <= longest
    assert recipe.about()["documents"] == 20
    sizes = [len(shared.tokenizer.decode(ids[1:]).encode()) for ids in recipe.pieces.input_ids]
    text = sum(len(text.encode()) for text in texts)
    assert text - 4 * len(sizes) <= sum(recipe.pieces.bytes) <= text


def test_a_book_is_one_document_and_what_is_held_out_is_not_in_it(
    shared: LoadedModel, tmp_path: Path
) -> None:
    data = book(tmp_path, NOW, evaluation_share=0.2)
    recipe = prepared(shared, data, made(), tmp_path)
    table = data.train.table
    passages = [row["text"] for row in table.read(0, table.count) if isinstance(row, dict)]
    assert data.evaluation is not None
    held = set(data.evaluation.numbers.tolist())
    assert 0 < len(held) < len(passages) / 2
    runs_of: list[list[str]] = [[]]
    for number, passage in enumerate(passages):
        if number in held:
            runs_of.append([])
        else:
            runs_of[-1].append(passage)
    texts = ["\n\n".join(one) for one in runs_of if one]
    expected: list[int] = []
    for text in texts:
        expected += shared.tokenizer(text)["input_ids"]
    if len(passages) - 1 not in held:  # only the book's end is an end
        expected.append(shared.tokenizer.eos_token_id)
    assert [token for ids in recipe.pieces.input_ids for token in ids] == expected
    assert recipe.about()["documents"] == len(texts)
    assert "Project Gutenberg's header and licence are left out" in recipe.about()["text"]


def test_a_text_without_rows_to_hold_out_is_measured_on_its_last_pieces(
    shared: LoadedModel, tmp_path: Path
) -> None:
    data = book(tmp_path, "".join(TEXTS[:3]).replace("\n", " ").replace(" ", ""))
    assert data.evaluation is None
    recipe = prepared(shared, data, made(), tmp_path)
    whole = shared.tokenizer("".join(data.train[0]["text"]))["input_ids"]
    got = [*recipe.pieces.input_ids, *recipe.measured.input_ids]
    assert [token for ids in got for token in ids] == [*whole, shared.tokenizer.eos_token_id]
    assert len(recipe.measured) == round(0.05 * len(got))
    assert recipe.pieces.tokens == sum(map(len, recipe.pieces.input_ids))


def test_rows_of_a_running_text_are_a_stretch_of_it(shared: LoadedModel, tmp_path: Path) -> None:
    data = book(tmp_path, "\n".join(f"Verse {n} of it." for n in range(200)), evaluation_share=0)
    recipe = prepared(shared, data, made(rows=30, evaluation_rows=0), tmp_path)
    text = shared.tokenizer.decode([token for ids in recipe.pieces.input_ids for token in ids])
    first = int(text.split()[1])
    assert text == "\n".join(f"Verse {n} of it." for n in range(first, first + 30))


def test_other_rows_are_read_whole_with_a_loss_on_all_of_them(
    shared: LoadedModel, tmp_path: Path
) -> None:
    rows = [{"prompt": f"Ask {n}", "completion": "Answer."} for n in range(6)]
    recipe = prepared(shared, dataset(rows, rows), made(), tmp_path)
    assert all(list(edges) == [1, len(ids)] for ids, edges in zip(
        recipe.pieces.input_ids, recipe.pieces.trained, strict=True
    ))  # fmt: skip
    assert "<|im_start|>user" in shared.tokenizer.decode(recipe.pieces.input_ids[0])


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [(["", "  "], "no document of it has two tokens; choose another dataset.source")],
)
def test_what_has_nothing_to_learn_is_said(
    shared: LoadedModel, tmp_path: Path, texts: list[str], sentence: str
) -> None:
    rows = [{"text": text} for text in texts]
    with pytest.raises(TrainingError, match=sentence):
        prepared(shared, dataset(rows, rows), made(), tmp_path)


def test_short_documents_are_left_out_and_counted(shared: LoadedModel, tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("", TEXTS[0][:200], " ", "x")]
    recipe = prepared(shared, dataset(rows, rows), made(), tmp_path)
    assert recipe.about()["rows_left_out"] == 2
    assert recipe.about()["documents"] == 2


@pytest.mark.parametrize("packing", ["auto", "off"])
def test_packed_and_padded_measure_the_same_and_learn(
    folder: Path, tmp_path: Path, packing: str
) -> None:
    rows = [{"text": text[:1500]} for text in TEXTS[:24]]
    data = dataset(rows[:20], rows[20:])
    loaded = load_tiny(folder)
    chosen = made(packing=packing, num_train_epochs=2.0, eval_steps=0)
    run = fine_tune(loaded, tmp_path, "a", data=data, made=chosen)
    told = [one for one in journal.read(run.folder / "metrics.jsonl") if "eval_loss" in one]
    first, last = told[0], told[-1]
    assert last["eval_loss"] < first["eval_loss"] - 0.05
    assert last["eval_perplexity"] == pytest.approx(math.exp(last["eval_loss"]))
    assert last["eval_bits_per_byte"] < first["eval_bits_per_byte"]
    other = load_tiny(folder)
    recipe = prepared(other, data, chosen, tmp_path)
    total, count = 0.0, 0
    for ids in recipe.measured.input_ids:
        row = torch.tensor([list(ids)])
        with torch.no_grad():
            logits = other.model(row).logits[0, :-1]
        total += float(torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum"))
        count += len(ids) - 1
    assert first["eval_loss"] == pytest.approx(total / count, abs=1e-5)
    bits = total / math.log(2) / sum(recipe.measured.bytes)
    assert first["eval_bits_per_byte"] == pytest.approx(bits, rel=1e-5)
    about = journal.read(run.folder / "events.jsonl")[0]
    assert about["packing"].startswith("on" if packing == "auto" else "off")


def test_a_step_over_packed_rows_is_that_over_padded_ones(folder: Path, tmp_path: Path) -> None:
    """All rows in one step: then the order of the sequences cannot matter."""
    rows = [{"text": text[:300]} for text in TEXTS[:12]]
    data = dataset(rows, rows[:2])
    found = {}
    for packing in ("on", "off"):
        chosen = made(packing=packing, per_device_train_batch_size=64, max_steps=4, max_length=128)
        run = fine_tune(load_tiny(folder), tmp_path, packing, data=data, made=chosen)
        found[packing] = lines(run, "metrics", "loss")
    assert found["on"] == pytest.approx(found["off"], abs=2e-4)


def test_resuming_is_exact_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    rows = [{"text": text[:600]} for text in TEXTS[:16]]
    data = dataset(rows, rows[:2])
    chosen = made(lora_dropout=0.2, per_device_train_batch_size=8)
    whole = fine_tune(load_tiny(folder), tmp_path, "whole", data=data, made=chosen)
    part = fine_tune(
        load_tiny(folder), tmp_path, "part", Listener(stop=lambda s: s >= 3), data=data, made=chosen
    )
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    again = runs.Run(part.folder)
    assert train(chosen, load_tiny(folder), data, again, Listener(), last[1]) == "finished"
    again.close()
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")
    assert len(lines(whole, "metrics", "loss")) > 4
