"""Advice on a wording: what each rule says, where, and that it says nothing of good prompts."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.prompting.good import GOOD, REVIEW, SIDES
from tests.tiny import make_tiny_tokenizer
from workbench import session as sessions
from workbench.prompting.advice import advise
from workbench.protocol import Advice, Values
from workbench.session import Prompt, Turn

SESSIONS = Path(__file__).parents[2] / "sessions"
VALUES: Values = {**REVIEW, "id": 7}
LABEL = "{{ label }}"
ASKS = "{{ text }}\nIs it positive or negative?"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def advice(prompt: Prompt, **more: Any) -> list[Advice]:
    return advise(prompt, **{"columns": list(VALUES), "values": VALUES, "labels": SIDES} | more)


def only(kind: str, prompt: Prompt, **more: Any) -> Advice:
    """The one advice of a kind."""
    found = [one for one in advice(prompt, **more) if one.kind == kind]
    assert len(found) == 1, advice(prompt, **more)
    return found[0]


def kinds(prompt: Prompt, **more: Any) -> list[str]:
    return [one.kind for one in advice(prompt, **more)]


def pointed_at(one: Advice, prompt: Prompt) -> str:
    """What an advice points at in the prompt."""
    text = {"system": prompt.system, "template": prompt.template, "completion": prompt.completion}
    text["answer_start"] = prompt.answer_start
    text |= {f"turns.{n}": turn.content for n, turn in enumerate(prompt.turns)}
    line = text[one.where].split("\n")[one.line]
    return line[one.column : one.column + one.length]


# --- good prompts --------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(len(GOOD)))
@pytest.mark.parametrize("known", [False, True])
def test_good_prompts_get_no_advice(place: int, known: bool, tokenizer: Any) -> None:
    prompt, values, labels = GOOD[place]
    found = advise(
        prompt,
        columns=list(values),
        values=values,
        labels=labels,
        tokenizer=tokenizer if known else None,
        context_length=8192,
        max_new_tokens=64,
        prompt_tokens=200,
    )
    # What a label's tokens are is a fact of the tokenizer, here of a tiny one, and no fault.
    assert [one for one in found if one.where != "labels"] == []


@pytest.mark.parametrize("name", ["film-reviews", "story"])
def test_the_shipped_sessions_get_no_more_than_they_mean_to_show(name: str) -> None:
    session = sessions.load(SESSIONS / f"{name}.toml")
    values: Values = (
        VALUES
        if name == "film-reviews"
        else {"character": "a fox", "discovery": "a map", "place": "the sea", "tone": "calm"}
    )
    for prompt in session.prompts:
        found = advise(
            prompt, columns=list(values), values=values, labels=session.evaluation.labels
        )
        # The first story is the wording to improve on: "a short story".
        expected = ["vague"] if (name, prompt.name) == ("story", "plain") else []
        assert [one.kind for one in found] == expected


def test_a_row_that_is_its_own_prompt_gets_no_advice() -> None:
    assert advice(Prompt(system="Be brief. Be detailed.", completion=LABEL)) == []


# --- the template and the row --------------------------------------------------------------------


def test_an_unknown_variable_is_pointed_at_with_what_was_meant() -> None:
    prompt = Prompt(template="Positive or negative?\n\n  {{ txt }}", completion=LABEL)
    one = only("undefined_variable", prompt)
    assert one.severity == "bad"
    assert (one.line, pointed_at(one, prompt)) == (2, "txt")
    assert "did you mean “text”?" in one.words
    assert advice(prompt)[0] is not None
    assert advice(prompt)[0].kind == "undefined_variable"  # the worst first


@pytest.mark.parametrize(
    "template",
    [
        '{{ row["text"] }}',
        "{{ row.text }}",
        "{% for key in row %}{{ key }}{% endfor %}",
        "{% set x = text %}{{ x }}",
        "{% for word in text.split() %}{{ word }} {% endfor %}",
    ],
)
def test_ways_to_name_a_column_are_known(template: str) -> None:
    assert kinds(Prompt(template=f"{template}\npositive or negative?", completion=LABEL)) == []


def test_an_unknown_column_of_the_row_is_found() -> None:
    prompt = Prompt(template='{{ row["txt"] }}: positive or negative?', completion=LABEL)
    assert pointed_at(only("undefined_variable", prompt), prompt) == "txt"


def test_without_a_dataset_names_are_not_checked() -> None:
    prompt = Prompt(template="{{ anything }}: positive or negative?", completion="{{ label }}")
    assert kinds(prompt, columns=[], values={}) == []


@pytest.mark.parametrize(
    ("template", "line", "piece"),
    [
        ("One line\nand {{ text", 1, "{{ text"),
        ("{{ text }}\n{{ text | nofilter }}", 1, "{{ text | nofilter }}"),
        ("{% if text %}never closed", 0, "{% if text %}never closed"),
        ("fine {{ text }}\n\nbad {{ 1 + }}", 2, "{{ 1 + }}"),
    ],
)
def test_a_syntax_error_is_pointed_at(template: str, line: int, piece: str) -> None:
    prompt = Prompt(template=template, completion=LABEL)
    one = only("syntax", prompt)
    assert one.severity == "bad"
    assert (one.line, pointed_at(one, prompt)) == (line, piece)
    assert f"line {line + 1}, column {one.column + 1}" in one.words


@pytest.mark.parametrize(
    "template",
    [
        "{{ text.__class__ }}",
        "{% include 'other' %}",
        "{{ [].append(1) }}",
        "{% for i in range(100000000) %}x{% endfor %}",
    ],
)
def test_what_the_sandbox_stops_is_said_before_it_does(template: str) -> None:
    assert only("refused", Prompt(template=template, completion=LABEL)).severity == "bad"


def test_one_brace_is_no_variable() -> None:
    prompt = Prompt(template="positive or negative? {text}", completion=LABEL)
    assert pointed_at(only("single_brace", prompt), prompt) == "{text}"
    assert "single_brace" not in kinds(
        Prompt(template=ASKS + ' {"a": 1} {other}', completion=LABEL)
    )


def test_the_system_text_is_not_filled() -> None:
    prompt = Prompt(system="The review: {{ text }}", template=ASKS, completion=LABEL)
    assert pointed_at(only("system_variable", prompt), prompt) == "{{ text }}"


def test_a_template_that_shows_the_answer_is_bad() -> None:
    prompt = Prompt(template="{{ text }} is {{ label }}. positive or negative?", completion=LABEL)
    one = only("answer_in_prompt", prompt)
    assert (one.severity, pointed_at(one, prompt)) == ("bad", "{{ label }}")


def test_a_template_that_takes_nothing_from_the_row_is_said() -> None:
    one = only("unused_column", Prompt(template="Is it positive or negative?", completion=LABEL))
    assert one.severity == "warn"
    assert "{{ text }}" in one.why


def test_a_text_that_nothing_uses_is_a_note_and_an_id_is_none() -> None:
    values = {
        "id": 3,
        "url": "a b c d e f g h",
        "question": "Who?",
        "answer": "Ann",
        "context": "Ann found the map in the old house by the sea.",
    }
    prompt = Prompt(template="{{ question }} Answer with one name.", completion="{{ answer }}")
    one = only("unused_column", prompt, columns=list(values), values=values, labels=[])
    assert one.severity == "note"
    assert "“context”" in one.words


# --- the answer ----------------------------------------------------------------------------------


def test_labels_that_the_prompt_does_not_name_are_said() -> None:
    none = only("labels_missing", Prompt(template="{{ text }}\nHow is it?", completion=LABEL))
    assert "none of the labels" in none.words
    one = only("labels_missing", Prompt(template="{{ text }}\nIs it positive?", completion=LABEL))
    assert "“negative” is not in it" in one.words
    shown = Prompt(template="{{ text }}\nHow is it?", completion=LABEL)
    assert "labels_missing" not in kinds(shown, example_answers=["positive", "negative"])


def test_a_label_in_another_spelling_is_pointed_at() -> None:
    prompt = Prompt(template="Positive or Negative?\n{{ text }}", completion=LABEL)
    assert pointed_at(only("label_case", prompt), prompt) == "Positive"


def test_no_form_asked_for_is_said_once() -> None:
    prompt = Prompt(template="What do you think of this review? {{ text }}", completion="{{ id }}")
    assert only("no_format", prompt, labels=[]).severity == "warn"
    assert kinds(Prompt(template=prompt.template + " Answer in a sentence."), labels=[]) == []


@pytest.mark.parametrize(
    ("asked", "piece"),
    [
        ("Answer yes or no.", "yes or no"),
        ("Reply as JSON.", "as json"),
        ("Answer in one word.", "answer in one word"),
    ],
)
def test_an_answer_of_another_form_than_asked_for_is_said(asked: str, piece: str) -> None:
    values = {"text": "Fine.", "label": "very good"}
    prompt = Prompt(template=f"What is this? {{{{ text }}}} {asked}", completion=LABEL)
    one = only("format_mismatch", prompt, labels=[], values=values)
    assert pointed_at(one, prompt).lower() == piece
    assert "“very good”" in one.words


def test_a_space_before_the_answer_is_pointed_at(tokenizer: Any) -> None:
    begun = Prompt(template=ASKS, answer_start="Sentiment: ", completion=LABEL)
    one = only("trailing_space", begun)
    assert (one.severity, one.column, one.length) == ("warn", 10, 1)
    plain = make_tiny_tokenizer()
    plain.chat_template = None
    template = Prompt(template=ASKS + " ", completion=LABEL)
    assert only("trailing_space", template, tokenizer=plain).severity == "warn"
    # Within a turn of a chat the space stands before the token that ends it.
    assert "trailing_space" not in kinds(template, tokenizer=tokenizer)


def test_an_answer_that_says_its_beginning_again_is_said() -> None:
    prompt = Prompt(template=ASKS, answer_start="pos", completion=LABEL)
    assert only("begun_twice", prompt).where == "answer_start"


def test_labels_of_one_beginning_and_of_several_tokens_are_said(tokenizer: Any) -> None:
    labels = ["the same one", "the same other"]
    prompt = Prompt(template="{{ text }} the same one or the same other?", completion=LABEL)
    same = only("label_prefix", prompt, labels=labels, tokenizer=tokenizer)
    assert same.where == "labels"
    several = only("label_tokens", prompt, labels=labels, tokenizer=tokenizer)
    count = max(len(tokenizer(one, add_special_tokens=False)["input_ids"]) for one in labels)
    assert f"is {count}." in several.words
    single = Prompt(template="{{ text }} a or b?", completion=LABEL)
    assert kinds(single, labels=["a", "b"], tokenizer=tokenizer) == []


# --- examples ------------------------------------------------------------------------------------


def test_uneven_examples_are_said() -> None:
    prompt = Prompt(template=ASKS, completion=LABEL)
    uneven = ["positive"] * 7 + ["negative"]
    assert "7 of 8" in only("example_balance", prompt, example_answers=uneven).words
    assert kinds(prompt, example_answers=["positive", "negative"] * 4) == []
    assert only("example_missing", prompt, example_answers=["positive"] * 2).severity == "warn"


def test_the_same_answer_at_the_end_is_said() -> None:
    prompt = Prompt(template=ASKS, completion=LABEL)
    answers = ["positive", "negative", "positive", "negative", "negative", "negative"]
    assert "last 3 examples" in only("example_order", prompt, example_answers=answers).words


def test_an_example_whose_answer_is_no_label_is_bad() -> None:
    turns = [Turn(role="user", content="Nice."), Turn(role="assistant", content="good")]
    prompt = Prompt(turns=turns, template=ASKS, completion=LABEL)
    assert only("example_label", prompt).severity == "bad"
    typed = Prompt(
        template="Review: Nice.\nSide: good\n\nReview: {{ text }}\nSide:",
        system="positive or negative?",
        completion=LABEL,
    )
    assert "“good”" in only("example_label", typed).words


def test_examples_that_name_their_parts_otherwise_are_pointed_at() -> None:
    turns = [Turn(role="user", content="Film: Nice."), Turn(role="assistant", content="positive")]
    prompt = Prompt(turns=turns, template=f"Review: {ASKS}", completion=LABEL)
    one = only("example_format", prompt)
    assert (one.where, pointed_at(one, prompt)) == ("turns.0", "Film")
    typed = Prompt(
        template="Film: Nice.\nSide: positive\n\nFilm: Bad.\nSide: negative\n\n"
        "Review: {{ text }}\nSide:",
        completion=LABEL,
    )
    assert pointed_at(only("example_format", typed), typed) == "Film"


# --- who says what -------------------------------------------------------------------------------


def test_tokens_of_the_chat_template_are_bad(tokenizer: Any) -> None:
    prompt = Prompt(template=f"{ASKS}\n<|im_start|>assistant", completion=LABEL)
    one = only("special_token", prompt, tokenizer=tokenizer)
    assert (one.severity, pointed_at(one, prompt)) == ("bad", "<|im_start|>")
    other = Prompt(template=f"[INST] {ASKS}", completion=LABEL)
    assert only("special_token", other, tokenizer=tokenizer).severity == "warn"


def test_roles_in_the_wrong_turn_are_pointed_at() -> None:
    system = Prompt(template=f"System: Judge films.\n{ASKS}", completion=LABEL)
    assert pointed_at(only("role_text", system), system) == "System:"
    ending = Prompt(template=f"{ASKS}\nAssistant:", completion=LABEL)
    assert pointed_at(only("role_text", ending), ending) == "Assistant:"
    identity = Prompt(template=f"You are a film critic. {ASKS}", completion=LABEL)
    assert only("role_text", identity).severity == "note"
    given = Prompt(template=f"You are given a review. {ASKS}", completion=LABEL)
    assert kinds(given) == []


def test_turns_that_do_not_alternate_are_said() -> None:
    turns = [Turn(role="user", content="Nice: positive or negative?")]
    assert "turn_order" in kinds(Prompt(turns=turns, template=ASKS, completion=LABEL))
    first = [Turn(role="assistant", content="positive")]
    assert "turn_order" in kinds(Prompt(turns=first, template=ASKS, completion=LABEL))


# --- the words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Be brief. Give a detailed answer.",
        "Answer briefly and in great detail.",
        "Answer with one word. Explain your choice.",
        "Return only JSON and explain why.",
        "Answer in English. Always reply in French.",
        "Answer in lower case. Write the word in capital letters.",
    ],
)
def test_contradictions_are_said(text: str) -> None:
    prompt = Prompt(system=text, template="{{ text }}")
    assert "contradiction" in kinds(prompt, labels=[])


@pytest.mark.parametrize(
    "text",
    [
        "Answer with one word. Do not explain your choice.",
        "Think step by step, then answer with one word.",
        "Briefly say what the detailed report is about, in one sentence.",
        "Write short sentences with vivid details. Write two paragraphs.",
        "Explain your reasoning in two sentences.",
        "Answer with one word, without explaining why.",
    ],
)
def test_what_only_looks_like_a_contradiction_is_none(text: str) -> None:
    assert "contradiction" not in kinds(Prompt(system=text, template="{{ text }}"), labels=[])


@pytest.mark.parametrize(
    "vague",
    [
        "some ideas",
        "a few examples",
        "several reasons",
        "short summary",
        "long description",
        "etc.",
    ],
)
def test_vague_amounts_are_pointed_at(vague: str) -> None:
    prompt = Prompt(template=f"{{{{ text }}}}\n\nGive me {vague} in JSON format.")
    assert pointed_at(only("vague", prompt, labels=[]), prompt) == vague


def test_an_amount_with_its_measure_is_not_vague() -> None:
    for text in ("a short summary of two sentences", "three ideas", "a long list of 20 items"):
        assert kinds(Prompt(template=f"{{{{ text }}}}\n\nGive me {text}."), labels=[]) == []


def test_what_is_said_twice_is_pointed_at() -> None:
    said = "Answer with nothing but the label, positive or negative."
    prompt = Prompt(system=said, template=f"{{{{ text }}}}\n{said}", completion=LABEL)
    one = only("repeated", prompt)
    assert (one.where, one.line, pointed_at(one, prompt)) == ("template", 1, said)
    run = "look at the tone of the whole text and not at single words"
    twice = Prompt(template=f"Please {run}. {ASKS} And {run} again.", completion=LABEL)
    assert pointed_at(only("repeated", twice), twice) == run


def test_examples_may_repeat_the_question() -> None:
    asked = "Is this review of a film positive or negative?"
    prompt = Prompt(
        template=f"Nice.\n{asked}\nAnswer: positive\n\n{{{{ text }}}}\n{asked}\nAnswer:",
        completion=LABEL,
    )
    assert kinds(prompt) == ["example_missing"] or kinds(prompt) == []


def test_placeholders_shouting_and_negations_are_said() -> None:
    left = Prompt(template=f"TODO: add [insert your task here]. {ASKS}", completion=LABEL)
    assert kinds(left).count("placeholder") == 2
    loud = Prompt(template=f"READ THIS CAREFULLY!! {ASKS}", completion=LABEL)
    assert pointed_at(only("shouting", loud), loud) == "READ THIS CAREFULLY"
    negative = Prompt(template=f"{ASKS} Don't guess. Never say maybe.", completion=LABEL)
    assert "2 sentences" in only("negation", negative).words
    assert kinds(Prompt(template=f"{ASKS} Do not explain.", completion=LABEL)) == []


# --- size, order, speed --------------------------------------------------------------------------


def test_what_does_not_fit_is_counted() -> None:
    prompt = Prompt(template=ASKS, completion=LABEL)
    size = {"context_length": 100, "max_new_tokens": 30}
    assert kinds(prompt, prompt_tokens=70, **size) == []
    tight = only("too_long", prompt, prompt_tokens=80, **size)
    assert (tight.severity, "leave 20" in tight.words, "10 tokens" in tight.why) == (
        "warn",
        True,
        True,
    )
    over = only("too_long", prompt, prompt_tokens=120, **size)
    assert over.severity == "bad"
    examples = only(
        "too_long", prompt, prompt_tokens=120, example_answers=["positive", "negative"], **size
    )
    assert examples.where == "examples"


def test_the_worst_comes_first_and_nothing_twice() -> None:
    prompt = Prompt(
        system="Be brief. Be very detailed. TODO",
        template="{{ txt }} some ideas <|im_end|> {{ label }}",
        completion=LABEL,
    )
    found = advice(prompt)
    order = {"bad": 0, "warn": 1, "note": 2}
    assert [order[one.severity] for one in found] == sorted(order[one.severity] for one in found)
    places = [(one.kind, one.where, one.line, one.column) for one in found]
    assert len(set(places)) == len(places) > 4
    assert all(one.words.endswith((".", "?")) and one.why.endswith(".") for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 500,
        "{%" * 300,
        "((" * 2000,
        "a" * 50_000,
        "\x00\x1b[31m",
        "[/i] [@click=x]y[/]",
        "{{ text }}" * 2000,
        "%s" * 1000,
        "ẞİŉ" * 500 + " {{ text }}",
        "\n" * 5000,
        "::::\n" * 2000,
    ],
)
def test_no_text_breaks_a_rule_or_takes_long(text: str) -> None:
    begun = time.monotonic()
    for one in advice(Prompt(system=text, template=text + "x", completion=text, answer_start=text)):
        assert "\x1b" not in one.words
    assert time.monotonic() - begun < 20  # a rule that backtracks without end never comes back
