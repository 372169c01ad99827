"""Masked language modelling: which words are hidden, and what is learnt of them."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch.nn import functional

from tests.encoders import bert, load, make_bert, make_tokenizer, nothing
from tests.tiny import reviews
from tests.training.test_classification import KINDS, small
from tests.work import Listener, dataset, fine_tune, lines
from workbench import runs
from workbench.data.formats import recognise_table
from workbench.data.reading import Reading, words_of
from workbench.data.sources import Dataset
from workbench.inference.heads import Head
from workbench.inference.model import load_model
from workbench.session import DatasetSettings, ModelSettings, Prompt, Session, TrainingSettings
from workbench.training.facts import settled
from workbench.training.loop import train
from workbench.training.masked_lm import EVALUATION, Masking, head_only_at

TEXTS = [{"text": row["text"]} for row in reviews(32)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("models")
    make_bert(where / "bert", "BertForMaskedLM")
    make_bert(where / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return where


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


def rows() -> Dataset:
    return dataset(TEXTS[:24], TEXTS[24:])


def session(model: ModelSettings | None = None, **training: Any) -> Session:
    settings = {
        "task": "masked_lm",
        "method": "full",
        "learning_rate": 3e-3,
        "per_device_train_batch_size": 4,
        "evaluation_rows": 0,
        "eval_steps": 0,
        "save_steps": 0,
        "pinned_count": 0,
        **training,
    }
    return Session(model=model or bert(), training=TrainingSettings(**settings))


def tune(made: Session, folder: Path, workspace: Path, name: str = "run") -> Any:
    made, loaded = load(made, folder)
    return fine_tune(loaded, workspace, name, data=rows(), made=made), loaded


def test_whole_words_are_hidden_and_8_of_10_of_their_tokens_masked(tokenizer: Any) -> None:
    masking = Masking(tokenizer, 0.3, whole_words=True, seed=0)
    text = " ".join(row["text"] for row in reviews(16))
    made = tokenizer(text)
    ids, words = made["input_ids"], words_of(made)
    shown_as = {"mask": 0, "same": 0, "other": 0}
    for epoch in range(40):
        shown, places = masking.hide(ids, words, epoch, 7)
        hidden = {words[place] for place in places}
        assert hidden.isdisjoint({-1})
        assert [n for n, word in enumerate(words) if word in hidden] == places.tolist()
        assert len(places) <= round(0.3 * sum(word >= 0 for word in words))
        others = numpy.setdiff1d(numpy.arange(len(ids)), places)
        assert (shown[others] == numpy.array(ids)[others]).all()
        for place in places:
            kind = "same" if shown[place] == ids[place] else "other"
            shown_as["mask" if shown[place] == tokenizer.mask_token_id else kind] += 1
    total = sum(shown_as.values())
    shares = [shown_as[one] / total for one in ("mask", "same", "other")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_what_is_hidden_comes_from_seed_epoch_and_row(tokenizer: Any) -> None:
    made = tokenizer(" ".join(row["text"] for row in reviews(8)))
    ids, words = made["input_ids"], words_of(made)

    def hidden(seed: int, epoch: int, row: int) -> tuple[list[int], list[int]]:
        shown, places = Masking(tokenizer, 0.15, True, seed).hide(ids, words, epoch, row)
        return shown.tolist(), places.tolist()

    assert hidden(0, 1, 2) == hidden(0, 1, 2)
    others = [hidden(1, 1, 2), hidden(0, 2, 2), hidden(0, 1, 3), hidden(0, EVALUATION, 2)]
    assert all(one != hidden(0, 1, 2) for one in others)


def test_single_tokens_are_hidden_where_words_need_not_be_whole(tokenizer: Any) -> None:
    made = tokenizer(" ".join(row["text"] for row in reviews(8)))
    masking = Masking(tokenizer, 0.2, whole_words=False, seed=0)
    ids, words = made["input_ids"], words_of(made)
    _, places = masking.hide(ids, words, 0, 0)
    assert len(places) == round(0.2 * sum(word >= 0 for word in words))


def test_long_texts_are_split_and_no_token_is_lost(tokenizer: Any) -> None:
    text = " ".join(row["text"] for row in reviews(16))
    table = dataset([{"text": text}], TEXTS).train.table
    found = recognise_table(table, DatasetSettings(), Prompt(name="first"))
    for overlong, wanted in (("split", None), ("cut", 1), ("drop", 0)):
        training = TrainingSettings(max_length=32, overlong=overlong)
        encoder = Reading(tokenizer, Prompt(name="first"), found, training, "words")
        parts = encoder.encode({"text": text})
        assert wanted is None or len(parts) == wanted
        assert all(len(part.input_ids) <= 32 for part in parts)
        for part in parts:
            assert part.input_ids[0] == tokenizer.cls_token_id
            assert part.input_ids[-1] == tokenizer.sep_token_id
            assert len(part.words) == len(part.input_ids)
        if overlong == "split":
            inside = [one for part in parts for one in part.input_ids[1:-1]]
            assert inside == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_computed_where_words_are_hidden_gives_the_same(kind: str, tmp_path: Path) -> None:
    import transformers

    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(tmp_path / kind)
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}Model")(small(kind, len(tokenizer)))
    model.save_pretrained(tmp_path / kind)
    settings = ModelSettings(name=kind, dtype="float32", device="cpu")
    loaded = load_model(settings, tmp_path, nothing, Head("masked", fresh=True))
    ids = torch.randint(5, len(tokenizer), (3, 12), generator=torch.Generator().manual_seed(0))
    places = torch.tensor([1, 5, 14, 35])
    with loaded.answering("base"):
        whole = loaded.model(input_ids=ids).logits.flatten(0, 1)[places]
        with head_only_at(loaded, places):
            few = loaded.model(input_ids=ids).logits
    assert few.shape == (1, 4, whole.shape[1])
    assert torch.allclose(few[0], whole, atol=1e-5)


def test_the_loss_is_that_of_transformers(folder: Path, tmp_path: Path) -> None:
    run, loaded = tune(session(bert("still"), max_steps=1, learning_rate=0.0), folder, tmp_path)
    made, again = load(session(bert("still")), folder)
    from workbench.training.recipe import Work
    from workbench.training.sampler import EpochSampler
    from workbench.training.tasks import recipe_of

    recipe: Any = recipe_of("masked_lm")(Work(made, again, rows(), tmp_path))
    recipe.prepare()
    sampler = EpochSampler(24, 4, 0, recipe.examples.lengths)
    masking = Masking(again.tokenizer, 0.15, True, 0)
    batch = [recipe.examples[index] for index in list(sampler)[:4]]
    longest = max(len(row["input_ids"]) for row in batch)
    ids, labels = torch.zeros((4, longest), dtype=torch.long), torch.full((4, longest), -100)
    for place, row in enumerate(batch):
        shown, places = masking.hide(row["input_ids"], row["learnt"], 0, row["index"])
        ids[place, : len(shown)] = torch.from_numpy(shown)
        labels[place, places] = torch.tensor(row["input_ids"])[places]
    with again.answering("base"):
        out = again.model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels)
    assert lines(run, "metrics", "loss") == pytest.approx([float(out.loss)], abs=1e-5)
    flat = functional.cross_entropy(out.logits.flatten(0, 1), labels.flatten())
    assert float(flat) == pytest.approx(float(out.loss))
    assert loaded.head.fresh


def test_the_loss_falls_and_more_words_are_guessed(folder: Path, tmp_path: Path) -> None:
    run, _ = tune(session(num_train_epochs=20.0, evaluation_rows=8), folder, tmp_path)
    found = [lines(run, "metrics", f"eval_{n}") for n in ("loss", "masked_accuracy", "perplexity")]
    losses, accuracy, perplexity = found
    assert losses[-1] < losses[0] * 0.7
    assert accuracy[-1] > accuracy[0]
    assert perplexity[-1] == pytest.approx(numpy.exp(losses[-1]))


def test_a_resumed_run_goes_on_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    made = session(num_train_epochs=2.0)
    whole, model = tune(made, folder, tmp_path, "whole")
    settled, first = load(made, folder)
    stop = Listener(stop=lambda step: step >= 8)  # in the second epoch
    part = fine_tune(first, tmp_path, "part", stop, data=rows(), made=settled)
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    _, other = load(made, folder)
    again = runs.Run(part.folder)
    assert train(settled, other, rows(), again, Listener(), last[1]) == "finished"
    again.close()
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")
    for (name, one), two in zip(
        other.model.named_parameters(), model.model.parameters(), strict=True
    ):
        assert torch.equal(one, two), name


def test_a_head_that_the_checkpoint_lacks_is_told_before_the_run(folder: Path) -> None:
    make_bert(folder / "bare")
    for name, expected in (("bare", "bare comes without one that guesses words"), ("bert", "")):
        made = settled(session(bert(name)), rows(), folder, nothing)
        told = [one.why for one in made.choices if one.setting == "head"]
        assert len(told) == bool(expected)
        assert all(one.startswith(expected) for one in told)
