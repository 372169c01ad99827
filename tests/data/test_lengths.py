"""Token counts of many rows: the Encoder's own, row for row, and what they cost."""

import random
import threading
from typing import Any

import numpy
import pytest
import torch
from datasets import Dataset
from trl import pack_dataset

from tests.data.chats import (
    MARKED,
    ROWS,
    THINKS,
    TURNS,
    bare,
    encoder,
    prompt_of,
    tokenizer_with,
    trl_template,
)
from tests.tiny import reviews
from workbench.data import costs
from workbench.data.counting import Counter
from workbench.data.engine import Stopped
from workbench.data.lengths import measure
from workbench.data.prompting import PromptError
from workbench.data.sources import Selection, memory_table
from workbench.protocol import LengthsMeasured
from workbench.session import Prompt, TrainingSettings
from workbench.training.sampler import EpochSampler

ODD = [
    "",
    " ",
    "  spaces around \n",
    "<|im_end|>",
    "a </think> b",
    "<think>\nx\n</think>\n\ny",
    "漢字 é 🙂",
    "[INST] x",
    "<|im_start|>",
]


def nobody(*_news: Any) -> None:
    pass


def many(kind: str, least: int = 0) -> list[dict[str, Any]]:
    """Rows of a kind, some of them odd; each text of `least` words or more."""
    drawn = random.Random(0)
    words = ["hat", "box", "warm", "very long indeed", "négligé", "\n", "  ", *ODD]

    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return " ".join(drawn.choices(words, k=drawn.randrange(least, 6)))
        if isinstance(value, list):
            return [changed(one) for one in value]
        if isinstance(value, dict):
            return {
                key: one if key in ("role", "from") else changed(one) for key, one in value.items()
            }
        return value

    row = ROWS[kind]
    return [row] * 20 + [changed(row) for _ in range(80)]


def measured(
    rows: list[dict[str, Any]],
    tokenizer: Any,
    prompt: Prompt,
    limit: int = 0,
    stopped: threading.Event | None = None,
    **training: Any,
) -> LengthsMeasured:
    made = encoder(tokenizer, rows[:20], prompt, **training)
    table = memory_table(rows)
    selection = Selection(table, numpy.arange(len(rows)))
    return measure(
        tokenizer,
        prompt,
        made.found,
        made.training,
        selection,
        limit,
        stopped or threading.Event(),
        nobody,
    )


TEMPLATES: dict[str, str | None] = {
    "none": None,
    "unknown": bare(MARKED["chatml"]),
    "marked": MARKED["chatml"],
    "strips": bare(MARKED["strips"]),
    "thinks": THINKS,
    "trl's": trl_template("qwen2_5"),
}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("kind", ROWS)
def test_counts_are_the_encoder_s_row_for_row(kind: str, template: str) -> None:
    tokenizer = tokenizer_with(TEMPLATES[template])
    # Without a template an empty prompt is no prompt: two words have at least a space.
    rows, prompt = many(kind, least=0 if tokenizer.chat_template else 2), prompt_of(kind)
    made = encoder(tokenizer, rows[:20], prompt)
    expected = [made.whole(made.said(row)[0]) for row in rows]
    counter = Counter(made)
    found = counter.lengths(rows)
    assert [count for count, _ in found] == [len(one.input_ids) for one in expected]
    for (count, first), example in zip(found, expected, strict=True):
        labels = [n for n, label in enumerate(example.labels) if label != -100]
        if first >= 0 and labels:
            assert first == labels[0] < count
    longest = int(numpy.median([count for count, _ in found]))
    if longest < 8:
        return
    result = measured(rows, tokenizer, prompt, max_length=longest)
    over = [one for one in expected if len(one.input_ids) > longest]
    assert result.cut == len(over)
    assert result.lost == sum(set(one.labels[:longest]) == {-100} for one in over)
    assert result.tokens == sum(min(len(one.input_ids), longest) for one in expected)


@pytest.mark.parametrize("kind", ["wording", "text", "messages"])
def test_usual_rows_are_counted_without_the_encoder(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizer_with()
    made = encoder(tokenizer, [ROWS[kind]], prompt_of(kind))
    asked = []
    whole = made.whole
    monkeypatch.setattr(made, "whole", lambda said: asked.append(1) or whole(said))
    counter = Counter(made)
    counter.lengths(many(kind))
    assert not counter.exact
    assert 0 < len(asked) < 40


def test_a_template_that_cannot_be_taken_apart_is_counted_by_the_encoder() -> None:
    sneaky = bare(MARKED["chatml"]).replace(
        "message['content'] +", "message['content'] | replace('hat', 'cap and hat') +"
    )
    tokenizer = tokenizer_with(sneaky)
    rows = many("messages")
    made = encoder(tokenizer, rows[:1])
    counter = Counter(made)
    found = counter.lengths(rows)
    assert counter.exact
    assert [count for count, _ in found] == [
        len(made.whole(made.said(row)[0]).input_ids) for row in rows
    ]


def test_a_tokenizer_that_closes_texts_is_counted_right() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokenizer_with(None)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 1), ("<|im_end|>", 2)]
    )
    for kind in ("text", "classification", "messages"):
        rows = many(kind)
        made = encoder(tokenizer, rows[:1])
        assert [count for count, _ in Counter(made).lengths(rows)] == [
            len(made.whole(made.said(row)[0]).input_ids) for row in rows
        ]


def test_the_figures_are_those_of_the_lengths() -> None:
    tokenizer, rows = tokenizer_with(), reviews(300)
    made = encoder(tokenizer, rows)
    lengths = numpy.array([len(made.encode(row)[0].input_ids) for row in rows])
    result = measured(rows, tokenizer, Prompt())
    assert (result.rows, result.of, result.max_length, result.batch_size) == (300, 300, 512, 16)
    assert result.quantiles["0"] == lengths.min()
    assert result.quantiles["100"] == lengths.max()
    assert result.quantiles["50"] == numpy.percentile(lengths, 50, method="inverted_cdf")
    assert sum(result.counts) == 300
    assert len(result.edges) == len(result.counts) + 1 <= 41
    assert result.edges[0] == lengths.min()
    assert result.edges[-1] > lengths.max()
    assert result.tokens == lengths.sum() <= result.grouped <= result.padded
    assert result.packed % 512 == 0
    assert result.packed >= lengths.sum()


def test_only_so_many_rows_are_measured_drawn_by_the_seed() -> None:
    rows = [{"text": "word " * (n % 50)} for n in range(400)]
    first = measured(rows, tokenizer_with(), Prompt(), limit=50, seed=1)
    again = measured(rows, tokenizer_with(), Prompt(), limit=50, seed=1)
    other = measured(rows, tokenizer_with(), Prompt(), limit=50, seed=2)
    assert (first.rows, first.of) == (50, 400)
    assert first.counts == again.counts
    assert first.tokens != other.tokens


def test_measuring_can_be_given_up() -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Stopped):
        measured(reviews(20), tokenizer_with(), Prompt(), stopped=stopped)


def test_what_was_measured_until_it_is_given_up_is_the_answer() -> None:
    stopped, rows = threading.Event(), reviews(5000)
    table = memory_table(rows)
    made = encoder(tokenizer_with(), rows[:20])
    told: list[float] = []

    def report(_what: str, done: float, _total: float, _unit: str) -> None:
        told.append(done)
        if done:
            stopped.set()

    result = measure(
        made.tokenizer,
        Prompt(),
        made.found,
        made.training,
        Selection(table, numpy.arange(5000)),
        0,
        stopped,
        report,
    )
    assert told == [0, result.rows / 2]
    assert result.of == 5000


def test_counts_are_taken_again_where_a_later_row_shows_that_they_are_wrong() -> None:
    sneaky = bare(MARKED["chatml"]).replace(
        "message['content'] +", "message['content'] | replace('hat', 'cap and hat') +"
    )
    tokenizer = tokenizer_with(sneaky)
    plain = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    hats = {"messages": TURNS[:2]}
    rows = [plain] * 100 + [hats] * 2 + [plain] * 1946 + [hats] * 10
    made = encoder(tokenizer, rows[:1])
    expected = sum(
        len(made.whole(made.said(row)[0]).input_ids) * count
        for row, count in ((plain, 2046), (hats, 12))
    )
    assert measured(rows, tokenizer, Prompt()).tokens == expected


def test_a_row_that_cannot_be_filled_is_named() -> None:
    rows: list[dict[str, Any]] = [{"messages": TURNS} for _ in range(30)]
    rows[25] = {"messages": "what?"}
    with pytest.raises(PromptError, match=r"^Row 26 of the dataset: A list of turns"):
        measured(rows, tokenizer_with(), Prompt())


@pytest.mark.parametrize("seed", range(4))
def test_packs_are_as_many_as_trl_makes(seed: int) -> None:
    generator = numpy.random.default_rng(seed)
    lengths = generator.integers(1, 65, 500)
    rows = Dataset.from_dict({"input_ids": [[1] * int(length) for length in lengths]})
    expected = pack_dataset(rows.with_format("arrow"), seq_length=64, strategy="bfd")
    assert costs.packed(lengths, 64) == len(expected)
    few = generator.choice([3, 20, 21, 33, 64], 300)
    rows = Dataset.from_dict({"input_ids": [[1] * int(length) for length in few]})
    expected = pack_dataset(rows.with_format("arrow"), seq_length=64, strategy="bfd")
    assert costs.packed(few, 64) == len(expected)


def test_batches_cost_what_the_trainer_s_sampler_makes_of_them() -> None:
    lengths = numpy.random.default_rng(0).integers(5, 200, 2000)
    settings = TrainingSettings(per_device_train_batch_size=8, gradient_accumulation_steps=2)

    def cost(grouped: bool) -> int:
        torch.manual_seed(0)
        sampler = EpochSampler(2000, 16, 0, lengths.tolist() if grouped else ())
        order = lengths[list(sampler)]
        return sum(int(order[at : at + 8].max()) * 8 for at in range(0, 2000, 8))

    assert costs.padded(lengths, 8, 0) == pytest.approx(cost(False), rel=0.03)
    assert costs.grouped(lengths, settings) == pytest.approx(cost(True), rel=0.03)
    assert cost(True) < 0.8 * cost(False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_length": 20}, "would cut at most 1 % of the rows."),
        ({"train_sampling_strategy": "random"}, "Rows of like length together"),
        ({"max_length": 80}, ""),
        ({"max_length": 4096}, "max_length could be"),
    ],
)
def test_a_suggestion_is_what_helps_most(settings: dict[str, Any], sentence: str) -> None:
    rows = [{"text": "word " * (5 + 13 * n % 60)} for n in range(300)]
    said = measured(rows, tokenizer_with(), Prompt(), **settings).suggestion
    assert sentence in said
    if settings.get("max_length") == 20:
        enough = int(said.split()[1])
        assert measured(rows, tokenizer_with(), Prompt(), max_length=enough).cut <= 3
        assert measured(rows, tokenizer_with(), Prompt(), max_length=enough - 1).cut > 3


def test_dropped_and_split_rows_cost_what_is_left_of_them() -> None:
    rows = [{"text": "word " * n} for n in range(10, 40)]
    tokenizer = tokenizer_with()
    made = encoder(tokenizer, rows, max_length=30, overlong="split")
    parts = [len(part.input_ids) for row in rows for part in made.encode(row)]
    assert measured(rows, tokenizer, Prompt(), max_length=30, overlong="split").tokens == sum(parts)
    short = [
        len(one.input_ids)
        for row in rows
        for one in encoder(tokenizer, rows, max_length=30, overlong="drop").encode(row)
    ]
    assert measured(rows, tokenizer, Prompt(), max_length=30, overlong="drop").tokens == sum(short)
