import json
import re
import threading
from pathlib import Path

import jsonschema
import pytest

from tests.tiny import make_tiny_tokenizer
from tests.work import load_tiny, nobody_listens
from workbench.inference.answering import Answer, Question, Wanted
from workbench.inference.constraints import constraint
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import LoadedModel, ModelError
from workbench.inference.prefixes import Prefixes
from workbench.session import GenerationSettings

SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["positive", "negative"]}, "stars": {"type": "integer"}},
    "required": ["label"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


def sentencepiece():  # type: ignore[no-untyped-def]
    """A tokenizer as Llama's first was: ▁ for spaces, bytes for what it does not know."""
    from pydoc_data.topics import topics

    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special[:3], show_progress=False)
    trainer.initial_alphabet = []
    made.train_from_iterator(sorted(topics.values())[:30], trainer)
    vocabulary = json.loads(made.to_str())["model"]
    words = list(vocabulary["vocab"])
    numbered = {word: n for n, word in enumerate([*special, *words[3:]])}
    merges = [tuple(pair) for pair in vocabulary["merges"]]
    made.model = models.BPE(
        vocab=numbered, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def answer(loaded: LoadedModel, labels=(), before: str = "", folder=Path(), **settings) -> Answer:
    chosen = GenerationSettings(**{"max_new_tokens": 80, **settings})
    one = LocalAnswerer(loaded, "base", Prefixes(), folder)
    question = Question(ids=list(range(5, 40)), before=before)
    return one.stream(question, chosen, nobody_listens, threading.Event(), Wanted(labels))


def test_an_answer_is_one_of_the_labels(tiny: LoadedModel) -> None:
    labels = ["positive", 'very "good"', "a/b\\n", "é, or so", "yes", "yes and no"]
    seen = set()
    for seed in range(12):
        made = answer(
            tiny, labels, constraint="labels", do_sample=True, temperature=5.0, top_k=0, seed=seed
        )
        assert made.text in labels
        assert made.reason == "end"
        seen.add(made.text)
    assert len(seen) > 2
    after_space = answer(tiny, labels, " ", constraint="labels")
    assert after_space.text[:1] == " "
    assert after_space.text[1:] in labels


def test_an_answer_matches_the_pattern(tiny: LoadedModel) -> None:
    pattern = r"\d{2}/(0|1)\d [a-c]{3,5}\."
    for seed in range(5):
        made = answer(
            tiny, constraint="regex", pattern=pattern, do_sample=True, temperature=4.0, seed=seed
        )
        assert re.fullmatch(pattern, made.text)
        assert made.reason == "end"


def test_an_answer_that_is_cut_off_says_so(tiny: LoadedModel) -> None:
    made = answer(tiny, constraint="regex", pattern="[a-z]{200}", max_new_tokens=4)
    assert (made.reason, made.tokens) == ("length", 4)


def test_an_answer_is_json_of_the_schema(tiny: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "review.json").write_text(json.dumps(SCHEMA))
    for said in (json.dumps(SCHEMA), "review.json"):
        for before in ("", " "):
            made = answer(
                tiny, (), before, tmp_path, constraint="json_schema", json_schema=said,
                do_sample=True, temperature=2.0,
            )  # fmt: skip
            assert made.reason == "end", made.text
            jsonschema.validate(json.loads(made.text), SCHEMA)


def test_each_row_of_a_batch_has_an_answer_of_its_own(tiny: LoadedModel) -> None:
    one = LocalAnswerer(tiny, "base", Prefixes())
    questions = [Question(ids=[*range(5, 40), 50 + n, 90 + n]) for n in range(8)]
    settings = GenerationSettings(
        constraint="regex", pattern="(a|b|c){1,9}(!|\\?)", do_sample=True, temperature=5.0
    )
    found: dict[int, Answer] = {}
    one.write(questions, settings, found.__setitem__, threading.Event())
    assert len(found) == 8
    for position, question in enumerate(questions):
        assert re.fullmatch("(a|b|c){1,9}(!|\\?)", found[position].text)
        alone = one.stream(question, settings, nobody_listens, threading.Event())
        assert alone.text == found[position].text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"constraint": "regex", "pattern": "ab(c"}, r"pattern: at character 3: unclosed group"),
        ({"constraint": "regex", "pattern": r"(a)\1"}, r"at character 4: backreferences are not"),
        ({"constraint": "regex"}, "generation.pattern is empty; write"),
        ({"constraint": "labels"}, "there are none; set evaluation.labels"),
        ({"constraint": "json_schema"}, "generation.json_schema is empty; write"),
        (
            {"constraint": "json_schema", "json_schema": '{\n  "type": }'},
            "generation.json_schema is no JSON: line 2, column 11: Expecting value",
        ),
        (
            {"constraint": "json_schema", "json_schema": '{"properties": {"a": {"type": "x"}}}'},
            "is no JSON schema: at properties/a/type: ",
        ),
        ({"constraint": "json_schema", "json_schema": "none.json"}, "none.json cannot be read"),
        (
            {"constraint": "json_schema", "json_schema": '{"not": {"type": "string"}}'},
            "generation.json_schema cannot be held to: Unimplemented keys",
        ),
    ],
)
def test_what_cannot_be_held_to_is_one_sentence_with_the_place(
    tiny: LoadedModel, settings: dict, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        answer(tiny, **settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("make", [make_tiny_tokenizer, sentencepiece])
def test_tokens_are_allowed_with_any_fast_tokenizer(make) -> None:
    tokenizer = make()
    words = len(tokenizer) + 5  # a model may have more than its tokenizer
    end = tokenizer.eos_token_id
    settings = GenerationSettings(constraint="regex", pattern="(good|bäd €) film")
    held = constraint(settings, tokenizer, words, [end])
    assert held is not None
    for text in ("good film", "bäd € film"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        matcher = held.matcher()
        for token in ids:
            allowed = matcher.allowed(words)
            assert allowed.shape == (words,)
            assert allowed[token]
            assert not allowed[end]
            assert not allowed[len(tokenizer) :].any()
            assert matcher.take(token)
        assert matcher.complete
