"""What rows are recognised as, and what the session says instead."""

import re
from typing import Any

import pytest
from datasets import Dataset
from trl import extract_prompt

from tests.tiny import reviews
from workbench.data.formats import ROLES, as_roles, default_prompt, filled, recognise
from workbench.data.languages import language
from workbench.data.prompting import PromptError, render
from workbench.data.sources import memory_table
from workbench.data.table import Column
from workbench.protocol import FormatFound
from workbench.session import DatasetSettings, Prompt

ASKED = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
OTHER = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No."}]
SHARED = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]
NOTHING = Prompt()
WORDING = Prompt(name="mine", template="{{ text }}", completion="{{ label }}")


def found(
    rows: list[dict[str, Any]] | dict[str, Any], prompt: Prompt = NOTHING, **settings: Any
) -> FormatFound:
    rows = [rows] if isinstance(rows, dict) else rows
    return recognise(memory_table(rows).columns, rows, DatasetSettings(**settings), prompt)


@pytest.mark.parametrize(
    ("row", "expected", "mapping"),
    [
        ({"text": "In the beginning"}, "text", {"text": "text"}),
        ({"id": 1, "Body": "In the beginning"}, "text", {"text": "Body"}),
        (
            {"prompt": "Q", "completion": "A"},
            "prompt_completion",
            {"prompt": "prompt", "completion": "completion"},
        ),
        (
            {"id": "x", "question": "Q", "answer": "A"},
            "prompt_completion",
            {"prompt": "question", "completion": "answer"},
        ),
        (
            {"context": "c", "question": "Q", "answers": {"text": ["A", "a"], "start": [1, 2]}},
            "prompt_completion",
            {"prompt": "question", "completion": "answers.text"},
        ),
        (
            {"prompt": ASKED[:1], "completion": ASKED[1:]},
            "prompt_completion",
            {"prompt": "prompt", "completion": "completion"},
        ),
        ({"messages": ASKED}, "messages", {"messages": "messages"}),
        ({"id": 1, "dialog": ASKED}, "messages", {"messages": "dialog"}),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": []}], "tools": "[]"},
            "messages",
            {"messages": "messages", "tools": "tools"},
        ),
        (
            {"conversations": SHARED, "system": "Be brief."},
            "sharegpt",
            {"conversations": "conversations", "system": "system"},
        ),
        ({"conversations": ASKED}, "messages", {"messages": "conversations"}),
        (
            {"instruction": "Add", "input": "1 2", "output": "3"},
            "alpaca",
            {"instruction": "instruction", "input": "input", "output": "output"},
        ),
        (
            {"instruction": "Add", "response": "3"},
            "prompt_completion",
            {"prompt": "instruction", "completion": "response"},
        ),
        (
            {"prompt": "Q", "chosen": "A", "rejected": "B"},
            "preference",
            {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        ),
        (
            {"chosen": ASKED, "rejected": OTHER},
            "preference",
            {"chosen": "chosen", "rejected": "rejected"},
        ),
        (
            {"text": "A long review.", "stars": 5},
            "classification",
            {"text": "text", "label": "stars"},
        ),
        (
            {"text": "Rain.", "tags": ["weather", "news"]},
            "classification",
            {"text": "text", "label": "tags"},
        ),
        (
            {"premise": "It rains.", "similarity": "x", "score": 1.25},
            "classification",
            {"text": "premise", "label": "score"},
        ),
        ({"en": "four", "fr": "quatre"}, "translation", {"source": "en", "target": "fr"}),
        (
            {"translation": {"de": "vier", "fr": "quatre"}},
            "translation",
            {"source": "translation.de", "target": "translation.fr"},
        ),
        (
            {"source_en": "four", "target_fr": "quatre"},
            "translation",
            {"source": "source_en", "target": "target_fr"},
        ),
        ({"a": 1, "b": 2.5}, "wording", {}),
        ({"a": "x y z", "b": "z y x"}, "wording", {}),
    ],
)
def test_a_format_is_recognised_by_columns_and_values(
    row: dict[str, Any], expected: str, mapping: dict[str, str]
) -> None:
    seen = found(row)
    assert (seen.format, seen.recognised, seen.mapping) == (expected, expected, mapping)
    assert seen.problem == ""
    assert set(seen.mapping) <= {role.rstrip("?") for role in ROLES[seen.format]}


def test_no_rows_and_no_columns_are_no_format() -> None:
    seen = recognise([], [], DatasetSettings(), Prompt())
    assert (seen.format, seen.problem) == ("wording", "")
    assert seen.why.startswith("No format is recognised in the columns none; write a template")


def test_why_names_the_columns_and_what_in_the_values_decided() -> None:
    assert found(reviews(60)).why == (
        "It is classification: text holds texts, and label holds 2 values (negative, positive) "
        "in the first 60 rows."
    )
    assert found({"messages": ASKED}).why == (
        "It is messages: messages holds lists of turns with role and content."
    )
    ratings = [{"text": f"A review of some length {n}", "rating": n / 7} for n in range(40)]
    assert "rating holds numbers from 0 to 5.57143" in found(ratings).why


def test_a_column_of_few_short_values_is_a_label_whatever_its_name() -> None:
    rows = [
        {"said": f"This is the sentence number {n}.", "mood": ("glad", "sad")[n % 2]}
        for n in range(40)
    ]
    assert found(rows).mapping == {"text": "said", "label": "mood"}
    assert found([{**row, "mood": "glad"} for row in rows]).format == "wording"
    different = [{**row, "mood": f"m{n}"} for n, row in enumerate(rows)]
    assert found(different).format == "wording"


def test_hundreds_of_labels_are_labels_where_some_come_again() -> None:
    rows = [{"text": f"a wish in words, {n}", "intent": f"wish {n * n % 307}"} for n in range(200)]
    seen = found(rows)
    assert seen.format == "classification"
    assert seen.mapping == {"text": "text", "label": "intent"}
    free = [{"text": f"a wish in words, {n}", "topic": f"topic {n}"} for n in range(200)]
    assert found(free).format == "text"


def test_a_mapping_that_names_the_label_alone_keeps_the_text_that_is_recognised() -> None:
    rows = [{"text": f"a wish in words, {n}", "wish": f"wish {n}"} for n in range(200)]
    assert found(rows).format == "text"
    seen = found(rows, mapping={"label": "wish"})
    assert (seen.format, seen.problem) == ("classification", "")
    assert seen.mapping == {"text": "text", "label": "wish"}


def test_a_label_is_no_thumb_where_the_session_says_another_format() -> None:
    rows = [
        {"frage": f"Was kostet Nummer {n}?", "antwort": f"{n} Euro", "art": "ab"[n % 2]}
        for n in range(40)
    ]
    mapping = {"prompt": "frage", "completion": "antwort"}
    seen = found(rows, format="prompt_completion", mapping=mapping)
    assert (seen.recognised, seen.problem) == ("classification", "")
    assert seen.mapping == mapping


def test_thousands_of_columns_are_looked_at_in_a_few_rows() -> None:
    class Counted(dict[str, Any]):
        looked = 0

        def __getitem__(self, name: str) -> Any:
            Counted.looked += 1
            return super().__getitem__(name)

    rows = [Counted({f"c{n}": "x" for n in range(4000)}) for _ in range(200)]
    columns = [Column(f"c{n}", "text") for n in range(4000)]
    assert recognise(columns, rows, DatasetSettings(), Prompt()).format == "wording"
    assert 0 < Counted.looked < 800_000


def test_a_filled_wording_makes_the_examples_and_what_the_rows_are_is_said() -> None:
    seen = found(reviews(8), WORDING)
    assert (seen.format, seen.recognised, seen.roles) == ("wording", "classification", [])
    assert seen.why.startswith('The wording "mine" makes the examples; the rows look like classif')
    forced = found(reviews(8), WORDING, format="classification")
    assert forced.format == "classification"
    assert found({"messages": ASKED}, Prompt(template="{{ messages }}")).format == "messages"


def test_the_session_says_another_format_and_other_columns() -> None:
    rows = [{**row, "stars": n % 5, "other": "x"} for n, row in enumerate(reviews(20))]
    seen = found(rows, format="classification", mapping={"label": "stars"})
    assert seen.mapping == {"text": "text", "label": "stars"}
    assert seen.why.startswith("The session says classification")
    assert found(rows, format="text").mapping == {"text": "text"}
    by_roles = found(rows, mapping={"prompt": "text", "completion": "other"})
    assert (by_roles.format, by_roles.recognised) == ("prompt_completion", "classification")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mapping": {"label": "lable"}}, r'column "lable" for label, which is not there; .*text'),
        ({"mapping": {"labels": "label"}}, r"has not; its roles are: text, label\.$"),
        (
            {"format": "messages", "mapping": {"messages": "text"}},
            r"for messages, and it holds texts; a list of turns with role and content is needed\.$",
        ),
        (
            {"format": "text", "mapping": {"text": "turns"}},
            r"for text, and it holds lists; a text is needed\.$",
        ),
        ({"format": "translation"}, r"needs a column for source and target; name it in dataset\."),
        ({"format": "preference"}, r"needs a column for chosen and rejected"),
    ],
)
def test_a_mapping_that_does_not_fit_is_a_problem(settings: dict, sentence: str) -> None:
    rows = [{**row, "turns": ASKED} for row in reviews(4)]
    chosen = {"format": "classification", **settings}
    problem = found(rows, **chosen).problem
    assert re.search(sentence, problem), problem
    assert "\n" not in problem


def test_turns_come_in_one_shape_whatever_they_were() -> None:
    given = [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello."},
    ]
    seen = found({"conversations": given})
    assert as_roles(seen, {"conversations": given})["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
    ]
    parts = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]}]
    row = {"messages": parts}
    assert as_roles(found(row), row)["messages"] == [{"role": "user", "content": "ab"}]
    text = {"messages": '[{"role": "user", "content": "Hi"}]'}
    assert as_roles(found(text), text)["messages"] == [{"role": "user", "content": "Hi"}]
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    row = {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}
    assert as_roles(found(row), row)["messages"] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
            ],
        }
    ]


def test_a_picture_in_a_turn_is_refused_in_a_sentence() -> None:
    row = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}
    with pytest.raises(PromptError, match=r"a part of the kind image_url, and the model reads"):
        as_roles(found(row), row)


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": ASKED, "rejected": OTHER},
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    ],
)
def test_an_implicit_prompt_is_that_of_trl(row: dict[str, Any]) -> None:
    expected = Dataset.from_list([row]).map(extract_prompt)[0]
    assert as_roles(found(row), row) == expected


def test_equal_answers_have_no_prompt_of_all_of_them() -> None:
    row = {"chosen": ASKED, "rejected": ASKED}
    shape = as_roles(found(row), row)
    assert (shape["prompt"], shape["chosen"]) == (ASKED[:1], ASKED[1:])


def test_a_prompt_that_the_answers_say_again_counts_once() -> None:
    row = {"prompt": "Hi", "chosen": ASKED, "rejected": OTHER}
    shape = as_roles(found(row), row)
    assert shape == {"prompt": ASKED[:1], "chosen": ASKED[1:], "rejected": OTHER[1:]}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"text": "Rain.", "label": ["wet", "cold"]},
            {"prompt": "Rain.\nLabel:", "completion": "wet, cold"},
        ),
        (
            {"text": "It rains all day.", "label": 3.0},
            {"prompt": "It rains all day.\nLabel:", "completion": "3"},
        ),
        (
            {"en": "four", "fr": "quatre"},
            {"prompt": "Translate from English to French:\nfour", "completion": "quatre"},
        ),
        (
            {"translation": {"en": "four", "fr": "quatre"}},
            {"prompt": "Translate from English to French:\nfour", "completion": "quatre"},
        ),
        (
            {"question": "Q", "answers": {"text": ["A", "B"]}},
            {"prompt": "Q", "completion": "A"},
        ),
        (
            {"instruction": "Add", "input": "1 2", "output": "3"},
            {"prompt": "Add\n\n1 2", "completion": "3"},
        ),
        (
            {"instruction": "Sing", "input": "", "output": "La"},
            {"prompt": "Sing", "completion": "La"},
        ),
        ({"text": "In the beginning"}, {"text": "In the beginning"}),
        ({"messages": ASKED}, {"messages": ASKED}),
    ],
)
def test_every_format_has_a_wording_of_its_own(row: dict[str, Any], expected: dict) -> None:
    assert filled(found(row), Prompt(), row) == expected


def test_a_format_s_wording_fills_a_template_of_the_prompt_pane() -> None:
    row = {"en text": "four", 'fr "x"': "quatre"}
    seen = found(row, format="translation", mapping={"source": "en text", "target": 'fr "x"'})
    own = default_prompt(seen)
    assert render(own.completion, row) == "quatre"
    assert render(own.template, row).endswith(":\nfour")


def test_a_system_text_and_a_history_come_before_the_instruction() -> None:
    row = {
        "instruction": "And 2?",
        "input": "",
        "output": "4",
        "system": "Double.",
        "history": [["1?", "2"]],
    }
    assert filled(found(row), Prompt(), row)["messages"] == [
        {"role": "system", "content": "Double."},
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "And 2?"},
        {"role": "assistant", "content": "4"},
    ]
    seen = found({"messages": ASKED})
    assert filled(seen, Prompt(system="Be brief."), {"messages": ASKED})["messages"] == [
        {"role": "system", "content": "Be brief."},
        *ASKED,
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fr", "French"),
        ("fr_FR", "French"),
        ("fra_Latn", "French"),
        ("german", "German"),
        ("text_de", "German"),
        ("id", ""),
        ("label", ""),
        ("text", ""),
    ],
)
def test_a_column_named_after_a_language_is_known(name: str, expected: str) -> None:
    assert language(name) == expected
