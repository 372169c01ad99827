import threading

import numpy
import pytest
import torch

from tests.tiny import reviews
from tests.work import PROMPT, load_tiny, nobody_listens, rows
from workbench.data.formats import recognise
from workbench.data.prompting import PromptError, encode_answer, encode_prompt, end_of_turn
from workbench.data.sources import Selection, memory_table
from workbench.inference.choice import score_labels, score_whole, with_ends
from workbench.inference.evaluation import evaluate, wilson
from workbench.inference.model import LoadedModel
from workbench.session import DatasetSettings, EvaluationSettings, Prompt

STARS = Prompt(name="stars", template="{{ text }} Stars?", completion="{{ stars }}")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


def selected(rows: list[dict]) -> Selection:
    return Selection(memory_table(rows), numpy.arange(len(rows)))


def measure(loaded: LoadedModel, table, prompt: Prompt = PROMPT, stopped=None, **settings):
    return evaluate(
        loaded,
        table,
        prompt,
        EvaluationSettings(**settings),
        "base",
        512,
        stopped or threading.Event(),
        nobody_listens,
    )


def log_probability(loaded: LoadedModel, prompt: list[int], label: list[int]) -> float:
    """The plain way: one row, no padding, no cache, all logits."""
    with torch.no_grad():
        logits = loaded.model(torch.tensor([[*prompt, *label]])).logits[0].log_softmax(-1)
    start = len(prompt) - 1
    return sum(float(logits[start + i, token]) for i, token in enumerate(label))


def test_the_scores_of_labels_are_those_of_one_row_at_a_time(tiny: LoadedModel) -> None:
    prompts = [encode_prompt(tiny.tokenizer, PROMPT, one) for one in reviews(8)]
    labels = [
        encode_answer(tiny.tokenizer, PROMPT, text) for text in ("positive", "negative", "so so")
    ]
    labels = with_ends(labels, end_of_turn(tiny.tokenizer))
    assert len({len(label) for label in labels}) > 1
    assert len({len(prompt) for prompt in prompts}) > 3
    expected = torch.tensor(
        [[log_probability(tiny, one, label) for label in labels] for one in prompts]
    )
    with tiny.answering("base"):
        torch.testing.assert_close(score_labels(tiny, prompts, labels), expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(score_whole(tiny, prompts, labels), expected, atol=1e-4, rtol=0)


def test_labels_of_one_token_need_no_more_than_the_next_token(tiny: LoadedModel) -> None:
    prompts = [encode_prompt(tiny.tokenizer, PROMPT, one) for one in reviews(4)]
    labels = [[40], [41], [300]]
    expected = [[log_probability(tiny, one, label) for label in labels] for one in prompts]
    with tiny.answering("base"):
        found = score_labels(tiny, prompts, labels)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)


def test_a_label_that_begins_another_is_told_apart_by_its_end() -> None:
    assert with_ends([[1], [1, 2]], [9]) == [[1, 9], [1, 2, 9]]
    assert with_ends([[1, 2], [3, 4]], [9]) == [[1, 2], [3, 4]]
    assert with_ends([[], [3]], [9]) == [[9], [3, 9]]


def test_accuracy_and_confusion_are_those_of_a_plain_loop(tiny: LoadedModel) -> None:
    table = selected([{**one, "stars": str(i % 3)} for i, one in enumerate(reviews(30))])
    found = measure(tiny, table, STARS, batch_size=7, rows=25)
    labels = ["0", "1", "2"]
    expected = [[0] * 3 for _ in range(3)]
    ids = [encode_answer(tiny.tokenizer, STARS, label) for label in labels]
    for row in table[:25]:
        prompt = encode_prompt(tiny.tokenizer, STARS, row)
        scores = [log_probability(tiny, prompt, label) for label in ids]
        expected[labels.index(row["stars"])][scores.index(max(scores))] += 1
    assert found.labels == labels
    assert found.confusion == expected
    assert found.value == sum(expected[i][i] for i in range(3)) / 25
    assert (found.rows, found.metric) == (25, "accuracy")
    assert found.low < found.value < found.high


def test_answers_that_are_no_classes_are_written_and_compared(tiny: LoadedModel) -> None:
    table = selected([{"text": "a", "label": f"answer {i}"} for i in range(30)])
    found = measure(tiny, table)
    assert (found.metric, found.labels, found.value) == ("exact match", [], 0.0)
    written = selected([{"text": "a"} for _ in range(30)])
    made = measure(tiny, written, Prompt(name="p", template="{{ text }}", completion="never so"))
    assert made.rows == 30


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20
    for right, total, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
    ]:
        assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)


def test_a_row_whose_answer_is_no_label_is_named(tiny: LoadedModel) -> None:
    with pytest.raises(PromptError, match=r'evaluation.labels lacks "negative"'):
        measure(tiny, rows().evaluation, labels=["positive", "neutral"])


def test_a_prompt_without_a_right_answer_says_what_to_set(tiny: LoadedModel) -> None:
    with pytest.raises(PromptError, match=r"no completion to measure against; .*\{\{ label \}\}"):
        measure(tiny, rows().evaluation, Prompt(template="{{ text }}"))


def test_measuring_stops_between_batches(tiny: LoadedModel) -> None:
    stopped = threading.Event()
    told: list[float] = []

    def report(what: str, done: float, total: float, unit: str) -> None:
        told.append(done)
        if what.startswith("measuring") and done >= 4:
            stopped.set()

    found = evaluate(
        tiny,
        rows().evaluation,
        PROMPT,
        EvaluationSettings(batch_size=4),
        "base",
        512,
        stopped,
        report,
    )
    assert (found.stopped, found.rows) == (True, 4)


def test_rows_longer_than_max_length_are_left_out_and_counted(tiny: LoadedModel) -> None:
    long = [{"text": "word " * 700, "label": "positive"}]
    found = measure(tiny, selected(reviews(8) + long))
    assert (found.rows, found.left_out) == (8, 1)


def by_format(loaded: LoadedModel, given: list[dict], prompt: Prompt):
    """Rows measured as what they are recognised as."""
    table = selected(given)
    found = recognise(table.table.columns, given, DatasetSettings(), prompt)
    return evaluate(
        loaded,
        table,
        prompt,
        EvaluationSettings(),
        "base",
        512,
        threading.Event(),
        nobody_listens,
        found,
    )


def test_rows_without_a_wording_are_measured_in_their_format_s(tiny: LoadedModel) -> None:
    given = reviews(16)
    own = by_format(tiny, given, Prompt())
    words = Prompt(template="{{ text }}\nLabel:", completion="{{ label }}")
    assert own.confusion == by_format(tiny, given, words).confusion
    assert (own.labels, own.rows) == (["negative", "positive"], 16)
    chats = [
        {
            "messages": [
                {"role": "user", "content": f"{row['text']}\nLabel:"},
                {"role": "assistant", "content": row["label"]},
            ]
        }
        for row in given
    ]
    assert by_format(tiny, chats, Prompt()).confusion == own.confusion
    pairs = [
        {"prompt": f"{row['text']}\nLabel:", "chosen": row["label"], "rejected": "no"}
        for row in given
    ]
    assert by_format(tiny, pairs, Prompt()).confusion == own.confusion


def test_a_text_has_no_answer_to_measure_against(tiny: LoadedModel) -> None:
    with pytest.raises(PromptError, match="A text has no answer to measure against; write"):
        by_format(tiny, [{"text": row["text"]} for row in reviews(4)], Prompt())
