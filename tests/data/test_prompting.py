import time

import pytest

from tests.tiny import make_tiny_tokenizer
from workbench.data.prompting import (
    PromptError,
    answer,
    encode_example,
    encode_prompt,
    end_of_turn,
    messages,
    render,
)
from workbench.session import Prompt

ROW = {"text": "A [b]warm[/b] film.", "label": "positive", "review text": "spaced", "none": None}
PROMPT = Prompt(system="Judge.", template="Review: {{ text }}", completion=" {{ label }}\n")


@pytest.fixture(scope="module")
def tokenizer():
    return make_tiny_tokenizer()


def test_columns_fill_the_template_and_stay_as_they_are() -> None:
    assert render("{{ text }} / {{ label|upper }}", ROW) == "A [b]warm[/b] film. / POSITIVE"
    assert render('{{ row["review text"] }}', ROW) == "spaced"
    assert render("<{{ none }}>", ROW) == "<>"
    assert render("{% for c in label[:3] %}{{ c }}.{% endfor %}", ROW) == "p.o.s."


def test_values_are_no_templates() -> None:
    assert render("{{ text }}", {"text": "{{ 7 * 7 }} {% raw %}"}) == "{{ 7 * 7 }} {% raw %}"


def test_an_unknown_variable_is_named_with_the_columns_there_are() -> None:
    with pytest.raises(PromptError) as caught:
        render("{{ txet }}", ROW)
    assert str(caught.value) == (
        'There is no column "txet"; perhaps "text" is meant; '
        "the columns are: text, label, review text, none."
    )


def test_a_syntax_error_names_its_line_and_column() -> None:
    with pytest.raises(PromptError, match=r"error in line 2, column 4: "):
        render("fine\nso {{ text ", ROW)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ text * 100 }}{% endfor %}",
        '{{ "x" * 10**9 }}',
        "{{ 9 ** 9 ** 9 }}",
        '{{ "x".ljust(10**6 * 10**6) }}',
        '{{ "%1000000000d" % 1 }}',
        "{% set all = namespace(x='x' * 1000) %}{% for i in range(60) %}"
        "{% set all.x = all.x ~ all.x %}{% endfor %}",
        "{% set all = namespace(x='x' * 1000) %}{% for i in range(60) %}"
        "{% set all.x = all.x + all.x %}{% endfor %}",
        "{{ ('x' * 10**6)|replace('x', 'y' * 10**6) }}",
        "{{ range(99999)|join('y' * 10**6) }}",
        "{{ [1, 2]|tojson(indent=10**6) }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_without_end_is_stopped(template: str) -> None:
    begun = time.monotonic()
    with pytest.raises(PromptError, match=r"^The template is stopped: "):
        render(template, ROW)
    assert time.monotonic() - begun < 10


def test_texts_are_joined_replaced_and_written_as_json_as_in_jinja() -> None:
    assert (
        render("{{ label ~ 1 ~ '!' }}{{ 1 + 2 }}{{ 'a' + label }}", ROW) == "positive1!3apositive"
    )
    assert render("{{ label|replace('i', 'y', 1) }} {{ 'aXbX'|replace('X', '') }}", ROW) == (
        "posytive ab"
    )
    assert render("{{ ['b', 1]|join(', ') }} {{ [row]|join('', 'label') }}", ROW) == "b, 1 positive"
    assert render("{{ {'a': [1]}|tojson }} {{ [1]|tojson(indent=2) }}", ROW) == (
        '{"a": [1]} [\n  1\n]'
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ row.update(a=1) }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_template_reaches_nothing_but_the_row(template: str) -> None:
    values = dict(ROW)
    with pytest.raises(PromptError):
        render(template, values)
    assert values == ROW


def test_the_ids_are_those_of_the_chat_template(tokenizer) -> None:
    turns = messages(PROMPT, ROW)
    assert [turn["role"] for turn in turns] == ["system", "user"]
    expected = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
    assert encode_prompt(tokenizer, PROMPT, ROW) == expected["input_ids"]


def test_an_empty_system_text_is_no_turn() -> None:
    assert [turn["role"] for turn in messages(Prompt(template="x", system=" \n"), {})] == ["user"]


def test_an_example_is_the_whole_chat_with_labels_on_the_answer_and_its_end(tokenizer) -> None:
    example = encode_example(tokenizer, PROMPT, ROW, 512)
    turns = [*messages(PROMPT, ROW), {"role": "assistant", "content": answer(PROMPT, ROW)}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    assert tokenizer.decode(example.input_ids) == text.rstrip("\n")
    learnt = [one for one in example.labels if one != -100]
    assert tokenizer.decode(learnt) == "positive<|im_end|>"
    assert len(learnt) == example.answer_length
    assert example.labels[-len(learnt) :] == learnt
    assert not example.cut


def test_a_long_row_is_cut_and_says_so(tokenizer) -> None:
    whole = encode_example(tokenizer, PROMPT, ROW, 512)
    size = len(whole.input_ids)
    shorter = encode_example(tokenizer, PROMPT, ROW, size - 1)
    assert (len(shorter.input_ids), shorter.cut, shorter.answer_lost) == (size - 1, True, False)
    assert shorter.answer_length == whole.answer_length - 1
    lost = encode_example(tokenizer, PROMPT, ROW, size - whole.answer_length)
    assert (lost.cut, lost.answer_lost) == (True, True)
    assert set(lost.labels) == {-100}


def test_without_a_chat_template_the_text_is_plain_and_the_answer_follows_a_space() -> None:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = None
    example = encode_example(tokenizer, PROMPT, ROW, 512)
    assert tokenizer.decode(example.input_ids) == (
        "Judge.\n\nReview: A [b]warm[/b] film. positive<|im_end|>"
    )


def test_a_turn_ends_with_what_the_chat_template_puts_there() -> None:
    tokenizer = make_tiny_tokenizer()
    assert end_of_turn(tokenizer) == (tokenizer.convert_tokens_to_ids("<|im_end|>"),)
    tokenizer = make_tiny_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    assert end_of_turn(tokenizer) == (tokenizer.convert_tokens_to_ids("<|im_end|>"),)


def test_a_chat_template_that_refuses_is_one_sentence() -> None:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
    )
    with pytest.raises(PromptError, match=r"refuses the prompt: System role not supported\. Leave"):
        encode_prompt(tokenizer, PROMPT, ROW)
