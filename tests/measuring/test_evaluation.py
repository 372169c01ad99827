import threading
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from msgspec.structs import replace

from tests.tiny import reviews
from tests.work import PROMPT, load_tiny, nobody_listens, rows
from workbench.data.formats import WORDING, recognise
from workbench.data.prompting import PromptError, encode_answer, encode_prompt
from workbench.data.sources import Selection, memory_table
from workbench.inference.answering import Answer
from workbench.inference.errors import ModelError
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.measuring.evaluation import Listener, Task, evaluate
from workbench.measuring.store import Results
from workbench.prompting.shots import Shots
from workbench.protocol import Evaluated, MeasuredRow
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    ExampleSettings,
    GenerationSettings,
    JudgeSettings,
    Prompt,
    Turn,
)

STARS = Prompt(name="stars", template="{{ text }} Stars?", completion="{{ stars }}")
SHORT = GenerationSettings(max_new_tokens=8)


class Counting:
    """An answerer that counts what it is asked."""

    def __init__(self, answerer: LocalAnswerer) -> None:
        self.answerer = answerer
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.answerer, name)

    def write(self, questions, *given, **named) -> None:
        self.asked += len(questions)
        self.answerer.write(questions, *given, **named)

    def choose(self, questions, *given) -> None:
        self.asked += len(questions)
        self.answerer.choose(questions, *given)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture
def answerer(tiny: LoadedModel) -> Counting:
    return Counting(LocalAnswerer(tiny, "base", Prefixes()))


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def selected(given: list[dict]) -> Selection:
    return Selection(memory_table(given), numpy.arange(len(given)))


def task(table: Selection, prompt: Prompt = PROMPT, **settings: Any) -> Task:
    return Task(
        prompt=prompt,
        model=load_settings(),
        weights="base",
        evaluation=EvaluationSettings(**settings),
        generation=SHORT,
        found=WORDING,
        rows=table,
        dataset="made",
        folder=Path(),
    )


def load_settings():
    from workbench.session import ModelSettings

    return ModelSettings(name="tiny")


def listening(stopped: threading.Event | None = None, told: list[MeasuredRow] | None = None):
    def rows(_id: str, came: list[MeasuredRow], _done: int, _total: int) -> None:
        if told is not None:
            told.extend(came)

    return Listener(stopped or threading.Event(), nobody_listens, rows)


def measure(answerer, wanted: Task, results: Results, **listener: Any) -> Evaluated:
    return evaluate(answerer, wanted, results, listening(**listener))


def log_probability(loaded: LoadedModel, prompt: list[int], label: list[int]) -> float:
    """The plain way: one row, no padding, no cache, all logits."""
    with torch.no_grad():
        logits = loaded.model(torch.tensor([[*prompt, *label]])).logits[0].log_softmax(-1)
    start = len(prompt) - 1
    return sum(float(logits[start + i, token]) for i, token in enumerate(label))


def test_accuracy_and_confusion_are_those_of_a_plain_loop(tiny, answerer, results) -> None:
    table = selected([{**one, "stars": str(i % 3)} for i, one in enumerate(reviews(30))])
    found = measure(answerer, task(table, STARS, rows=25), results)
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
    assert [one.name for one in found.metrics] == [
        "accuracy",
        "macro_f1",
        "matthews",
        "calibration",
    ]


def test_answers_that_are_no_classes_are_written_and_compared(answerer, results) -> None:
    table = selected([{"text": "a", "label": f"answer {i}"} for i in range(30)])
    found = measure(answerer, task(table), results)
    assert (found.metric, found.labels, found.value) == ("exact_match", [], 0.0)
    same = selected([{"text": "a"} for _ in range(30)])
    made = measure(
        answerer,
        task(same, Prompt(name="p", template="{{ text }}", completion="never so")),
        results,
    )
    assert made.rows == 30


def test_each_row_is_told_and_kept_and_nothing_is_asked_twice(answerer, results) -> None:
    told: list[MeasuredRow] = []
    table = selected(reviews(20))
    first = measure(answerer, task(table), results, told=told)
    assert sorted(one.number for one in told) == list(range(20))
    assert answerer.asked == 20
    kept = results.measurement(first.measurement)
    assert [row.told("accuracy") for row in kept.rows] == sorted(told, key=lambda one: one.number)
    again = measure(answerer, task(table), results)
    assert (again.cached, answerer.asked) == (20, 20)
    assert (again.value, again.metrics) == (first.value, first.metrics)
    more = measure(answerer, task(selected(reviews(24))), results)
    assert (more.cached, answerer.asked) == (20, 24)
    other = measure(answerer, task(table, replace(PROMPT, system="You judge.")), results)
    assert (other.cached, answerer.asked) == (0, 44)
    fresh = measure(answerer, replace_task(task(table), fresh=True), results)
    assert (fresh.cached, answerer.asked) == (0, 64)


def replace_task(made: Task, **changes: Any) -> Task:
    from dataclasses import replace

    return replace(made, **changes)


def test_what_was_measured_before_it_was_stopped_is_kept_and_gone_on_with(
    answerer, results
) -> None:
    stopped = threading.Event()
    table = selected([{"text": f"row {i} " + "word " * i, "label": f"x{i}"} for i in range(100)])
    wanted = task(table, rows=100)
    chunks = 0

    def between() -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 2:
            stopped.set()

    found = evaluate(answerer, wanted, results, Listener(stopped, nobody_listens, between=between))
    assert found.rows == 64
    assert not results.measurement(found.measurement).complete
    whole = measure(answerer, wanted, results)
    assert whole.measurement == found.measurement
    assert (whole.rows, whole.cached) == (100, 64)
    assert results.measurement(found.measurement).complete


def test_an_answer_that_failed_is_told_counted_and_asked_again(tiny, results) -> None:
    class Failing(Counting):
        fails = True

        def write(self, questions, settings, on_answer, stopped, *, labels=()) -> None:
            for position in range(len(questions)):
                if self.fails and position % 2:
                    on_answer(position, Answer(reason="failed", problem="The server was busy."))
                else:
                    on_answer(position, Answer(text="yes", tokens=1))

    answerer = Failing(LocalAnswerer(tiny, "base", Prefixes()))
    table = selected([{"text": f"row {i}", "label": "yes"} for i in range(10)])
    found = measure(answerer, task(table, answer="write", metrics=["exact_match"]), results)
    assert (found.rows, found.failed, found.value) == (5, 5, 1.0)
    assert any("The server was busy." in note for note in found.notes)
    answerer.fails = False
    again = measure(answerer, task(table, answer="write", metrics=["exact_match"]), results)
    assert (again.rows, again.failed, again.cached) == (10, 0, 5)


def test_a_row_whose_answer_is_no_label_is_named(answerer, results) -> None:
    with pytest.raises(PromptError, match=r'evaluation.labels lacks "negative"'):
        measure(answerer, task(rows().evaluation, labels=["positive", "neutral"]), results)


def test_a_prompt_without_a_right_answer_says_what_to_set(answerer, results) -> None:
    with pytest.raises(PromptError, match=r"no completion to measure against; .*\{\{ label \}\}"):
        measure(answerer, task(rows().evaluation, Prompt(template="{{ text }}")), results)


def test_an_answer_can_be_measured_by_its_form_alone(answerer, results) -> None:
    found = measure(
        answerer,
        task(
            rows().evaluation, Prompt(template="{{ text }}"), metrics=["regex"], pattern=r"[\s\S]*"
        ),
        results,
    )
    assert (found.metric, found.value) == ("regex", 1.0)


def test_the_perplexity_of_the_expected_answers_is_that_of_a_plain_loop(
    tiny, answerer, results
) -> None:
    table = selected(reviews(6))
    found = measure(
        answerer, task(table, metrics=["perplexity"], answer="write", labels=[]), results
    )
    end = tiny.tokenizer.convert_tokens_to_ids("<|im_end|>")
    total, tokens = 0.0, 0
    for row in table:
        label = [*encode_answer(tiny.tokenizer, PROMPT, row["label"]), end]
        total += log_probability(tiny, encode_prompt(tiny.tokenizer, PROMPT, row), label)
        tokens += len(label)
    expected = float(numpy.exp(-total / tokens))
    assert found.metrics[0].value == pytest.approx(expected, rel=1e-3)


def test_rows_longer_than_the_context_are_left_out_and_counted(answerer, results) -> None:
    long = [{"text": "word " * 700, "label": "positive"}]
    found = measure(answerer, task(selected(reviews(8) + long)), results)
    assert (found.rows, found.left_out) == (8, 1)
    with pytest.raises(PromptError, match="Every row is too long"):
        measure(answerer, task(selected(long)), results)


def test_rows_that_stand_in_the_prompt_as_examples_are_warned_of(answerer, results) -> None:
    table = selected(reviews(12))
    prompt = replace(PROMPT, examples=ExampleSettings(choose="first", count=2))
    shots = Shots(prompt, WORDING, table, Path(), nobody_listens, threading.Event())
    wanted = replace_task(task(table, prompt), shots=shots, same_table=True)
    found = measure(answerer, wanted, results)
    assert any("also among the prompt's examples" in note for note in found.notes)
    typed = replace(
        PROMPT, turns=[Turn(role="user", content=PROMPT.template.replace("{{ text }}", "x"))]
    )
    assert not any("among" in one for one in measure(answerer, task(table, typed), results).notes)


def test_a_judge_grades_each_answer_once(tiny, answerer, results) -> None:
    class Judge:
        name = "judge"
        device = "here"
        fingerprint = "judge"
        context_length = 0
        scores = False
        asked = 0

        def question(self, turns, start=""):
            from workbench.inference.answering import Question

            return Question(turns=list(turns), start=start)

        def write(self, questions, settings, on_answer, stopped, *, labels=()) -> None:
            for position in range(len(questions)):
                self.asked += 1
                on_answer(position, Answer(text="4", tokens=1))

    judge = Judge()
    table = selected(reviews(6))
    wanted = task(
        table, metrics=["judge"], answer="write", judge=JudgeSettings(rubric="Is it right?")
    )
    found = evaluate(answerer, wanted, results, listening(), judge=lambda: judge)
    assert (found.metric, found.value, found.rows) == ("judge", 4.0, 6)
    asked = judge.asked
    again = evaluate(answerer, wanted, results, listening(), judge=lambda: judge)
    assert (again.value, judge.asked) == (4.0, asked)


def test_nothing_is_lost_where_the_server_goes_away_in_the_middle(tiny, results) -> None:
    class Leaving(Counting):
        gone = True

        def write(self, questions, settings, on_answer, stopped, *, labels=()) -> None:
            on_answer(0, Answer(text="yes", tokens=1))
            if self.gone:
                raise ModelError("The server is down; start it and measure again.")
            for position in range(1, len(questions)):
                on_answer(position, Answer(text="yes", tokens=1))

    answerer = Leaving(LocalAnswerer(tiny, "base", Prefixes()))
    table = selected([{"text": f"row {i}", "label": "yes"} for i in range(10)])
    wanted = task(table, answer="write", metrics=["exact_match"])
    with pytest.raises(ModelError, match="down"):
        measure(answerer, wanted, results)
    answerer.gone = False
    found = measure(answerer, wanted, results)
    assert (found.rows, found.cached) == (10, 1)


def by_format(
    answerer, results: Results, given: list[dict], prompt: Prompt, **settings: Any
) -> Evaluated:
    """Rows measured as what they are recognised as."""
    table = selected(given)
    found = recognise(table.table.columns, given, DatasetSettings(), prompt)
    return measure(answerer, replace_task(task(table, prompt, **settings), found=found), results)


def test_rows_without_a_wording_are_measured_in_their_format_s(answerer, results) -> None:
    given = reviews(16)
    own = by_format(answerer, results, given, Prompt())
    words = Prompt(template="{{ text }}\nLabel:", completion="{{ label }}")
    assert own.confusion == by_format(answerer, results, given, words).confusion
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
    assert by_format(answerer, results, chats, Prompt()).confusion == own.confusion
    pairs = [
        {"prompt": f"{row['text']}\nLabel:", "chosen": row["label"], "rejected": "no"}
        for row in given
    ]
    by_label = by_format(answerer, results, pairs, Prompt(), metrics=["accuracy"])
    assert by_label.confusion == own.confusion
    preferred = by_format(answerer, results, pairs, Prompt())
    assert (preferred.metric, preferred.rows, preferred.labels) == ("preferred", 16, [])


def test_which_of_two_answers_is_preferred_is_asked_only_of_rows_with_two(
    answerer, results
) -> None:
    with pytest.raises(PromptError, match=r"preferred is of rows with a chosen .*these rows have"):
        by_format(answerer, results, reviews(4), Prompt(), metrics=["preferred"])


def test_a_text_has_no_answer_to_measure_against(answerer, results) -> None:
    with pytest.raises(PromptError, match="A text has no answer to measure against; write"):
        by_format(answerer, results, [{"text": row["text"]} for row in reviews(4)], Prompt())


def test_rows_without_a_right_answer_are_told_and_no_mistakes(answerer, results) -> None:
    given = reviews(12)
    given[3]["label"] = None
    made = measure(answerer, task(selected(given), labels=["positive", "negative", ""]), results)
    assert made.rows == 11
    assert made.labels == ["positive", "negative"]
    assert "1 row has no right answer, the first: row 4; left out." in made.notes
    written = task(selected(given), metrics=["exact_match"], answer="write")
    assert measure(answerer, written, results).rows == 11  # labels are found in the rows
    for row in given:
        row["label"] = None
    with pytest.raises(PromptError, match=r"^No row has a right answer \(the first: row 1\)"):
        measure(answerer, task(selected(given)), results)


def test_rows_without_a_value_for_the_prompt_are_told(answerer, results) -> None:
    given = reviews(12)
    given[2]["text"] = given[5]["text"] = None
    made = measure(answerer, task(selected(given)), results)
    assert (
        '2 rows have no value of "text", the first: row 3; the prompt has nothing in its place.'
        in made.notes
    )
    shouted = replace(PROMPT, template="{{ text.upper() }}")
    with pytest.raises(PromptError, match=r"^Row 3: The template cannot be filled: "):
        measure(answerer, task(selected(given), shouted), results)


def test_what_has_no_figure_is_told(answerer, results) -> None:
    wanted = task(selected(reviews(12)), metrics=["calibration"], answer="write")
    made = measure(answerer, wanted, results)
    assert not made.metrics
    assert made.notes == [
        "There is no figure of calibration: it goes by the probability of labels, and the answers "
        "were written."
    ]


def test_examples_that_are_gone_are_told(answerer, results) -> None:
    given = reviews(12)
    pool = selected(reviews(24)[12:])
    prompt = replace(PROMPT, examples=ExampleSettings(choose="picked", count=1, rows=["3:beef"]))
    shots = Shots(prompt, WORDING, pool, Path(), nobody_listens, threading.Event())
    made = measure(answerer, replace_task(task(selected(given), prompt), shots=shots), results)
    assert any(note.startswith("Examples: ") for note in made.notes), made.notes


def test_answers_are_kept_while_others_of_their_batch_are_under_way(answerer, results) -> None:
    """A process that is killed has little to ask again."""
    kept: list[int] = []

    class Slow(Counting):
        def choose(self, questions, labels, on, stopped) -> None:
            for position in range(len(questions)):
                on(position, [-1.0, -2.0])
                time.sleep(0.06)
                with results.database.reading() as connection:
                    kept.append(*connection.execute("select count(*) from answers").fetchone())

    measure(Slow(answerer.answerer), task(selected(reviews(24))), results)
    assert any(0 < count < 24 for count in kept)
