"""Classifiers and masked models answer as any model does."""

import math
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.encoders import bert, make_bert, nothing
from tests.tiny import reviews
from workbench.inference.answerers import answerer_for
from workbench.inference.answering import Answer
from workbench.inference.errors import ModelError
from workbench.inference.heads import Head
from workbench.inference.model import load_model
from workbench.inference.prefixes import Prefixes
from workbench.session import GenerationSettings

GOING = threading.Event()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("models")
    make_bert(where / "bert", "BertForMaskedLM")
    return where


def answerer(folder: Path, head: Head) -> Any:
    loaded = load_model(bert(), folder, nothing, head)
    return answerer_for(loaded, "base", Prefixes(), folder)


def written(who: Any, texts: list[str]) -> dict[int, Answer]:
    found: dict[int, Answer] = {}
    questions = [who.question([{"content": text}]) for text in texts]
    who.write(questions, GenerationSettings(), found.__setitem__, GOING)
    return found


def test_labels_have_the_probabilities_of_the_head(folder: Path) -> None:
    who = answerer(folder, Head("classifier", ("bad", "good", "so-so"), fresh=True))
    questions = [who.question([{"content": row["text"]}]) for row in reviews(6)]
    found: dict[int, list[float]] = {}
    who.choose(questions, ["good", "bad", "so-so"], found.__setitem__, GOING)
    assert [sum(map(math.exp, found[n])) for n in range(6)] == pytest.approx([1.0] * 6)
    answers = written(who, [row["text"] for row in reviews(6)])
    for place, scores in found.items():
        assert answers[place].text == ["good", "bad", "so-so"][scores.index(max(scores))]
        assert answers[place].logprob == pytest.approx(max(scores))
    with pytest.raises(ModelError, match=r'^"fine" is none of the labels that bert .*bad, good'):
        who.choose(questions, ["fine"], found.__setitem__, GOING)


def test_a_head_at_random_is_the_same_for_the_same_seed(folder: Path) -> None:
    heads = [Head("classifier", ("a", "b"), fresh=True, seed=seed) for seed in (1, 1, 2)]
    torch.rand(3)  # what was drawn before has no part in it
    models = [load_model(bert(), folder, nothing, head).model for head in heads]
    one, same, other = (model.classifier.weight for model in models)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_several_labels_are_given_in_one_answer_and_numbers_as_numbers(folder: Path) -> None:
    who = answerer(folder, Head("classifier", ("a", "b", "c"), "multi_label", fresh=True))
    ids = who.question([{"content": "A film."}]).ids
    probabilities = who.logits([ids])[0].sigmoid()
    expected = [name for name, one in zip("abc", probabilities, strict=True) if one >= 0.5]
    assert written(who, ["A film."])[0].text == ", ".join(expected)
    assert who.in_order("c, a, other") == "a, c, other"
    assert not who.scores
    number = answerer(folder, Head("classifier", (), "regression", fresh=True))
    value = float(number.logits([ids])[0, 0])
    assert float(written(number, ["A film."])[0].text) == pytest.approx(value, rel=1e-3)


def test_words_are_guessed_where_the_mask_stands(folder: Path) -> None:
    who = answerer(folder, Head("masked"))
    found = written(who, ["A [MASK] film, [MASK].", "No mask."])
    assert len(found[0].text.split()) == 2
    assert "write [MASK] in the prompt's template" in found[1].problem
    question = who.question([{"content": "It is [MASK]."}])
    scores: dict[int, list[float]] = {}
    who.choose([question], ["film", "beautifully moving"], scores.__setitem__, GOING)
    tokenizer, place = who.loaded.tokenizer, question.ids.index(who.mask)
    word = tokenizer("film", add_special_tokens=False)["input_ids"]
    wide = [*question.ids[:place], *[who.mask] * len(word), *question.ids[place + 1 :]]
    logprobs = who.logits([wide])[0].log_softmax(-1)
    expected = sum(float(logprobs[place + n, one]) for n, one in enumerate(word))
    assert scores[0][0] == pytest.approx(expected, abs=1e-4)
    assert scores[0][1] < 0


def test_a_long_text_is_cut_with_its_ends_kept(folder: Path) -> None:
    who = answerer(folder, Head("classifier", ("a", "b"), fresh=True))
    ids = who.question([{"content": "film " * 500}]).ids
    tokenizer = who.loaded.tokenizer
    assert len(ids) == 64
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
