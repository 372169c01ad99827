"""Wordings that are made of a prompt."""

from msgspec.structs import replace

from workbench.prompting.rules.reading import variables
from workbench.searching.wordings import take_apart, wordings
from workbench.session import ExampleSettings, GenerationSettings, Prompt

LABELS = ["positive", "negative"]
PLAIN = Prompt(
    name="plain",
    template="Is this review positive or negative? Answer with one word.\n\n{{ text }}",
    completion="{{ label }}",
)
KEYED = Prompt(
    name="keyed",
    system="You label reviews as positive or negative.",
    template="Review: {{ text }}\nSentiment:",
    completion="{{ label }}",
)
GERMAN = Prompt(
    name="deutsch",
    template="Ist diese Kritik gut oder schlecht?\n\n{{ text }}",
    completion="{{ label }}",
)


def test_the_start_comes_first_and_none_comes_twice() -> None:
    for start in (PLAIN, KEYED, GERMAN):
        made = wordings(start, [], [], LABELS)
        assert made[0].prompt == start
        texts = [(one.prompt.system, one.prompt.template, one.prompt.answer_start) for one in made]
        assert len(set(texts)) == len(texts) > 4


def test_each_keeps_columns_completion_examples_and_settings() -> None:
    start = replace(
        PLAIN, examples=ExampleSettings(count=3), generation=GenerationSettings(max_new_tokens=5)
    )
    for one in wordings(start, [KEYED], ["Judge it."], LABELS):
        assert variables(one.prompt.template) == {"text"}
        assert one.prompt.completion == start.completion
        assert one.prompt.examples == start.examples
        assert one.prompt.generation == start.generation
        assert one.what


def test_instruction_and_row_are_told_apart() -> None:
    assert take_apart(PLAIN).shown == "{{ text }}"
    assert take_apart(PLAIN).instruction.startswith("Is this review")
    assert take_apart(KEYED).instruction == KEYED.system
    typed = "Review: Nice.\nSide: good\n\nReview: {{ text }}\nSide:"
    parts = take_apart(replace(PLAIN, template="Judge it.\n\n" + typed))
    assert (parts.instruction, parts.shown) == ("Judge it.", "Review: {{ text }}\nSide:")


def test_the_task_moves_to_the_system_text_and_back() -> None:
    moved = [(one.prompt.system, one.prompt.template) for one in wordings(PLAIN, [], [], LABELS)]
    assert (take_apart(PLAIN).instruction, "{{ text }}") in moved
    back = [(one.prompt.system, one.prompt.template) for one in wordings(KEYED, [], [], LABELS)]
    assert ("", f"{KEYED.system}\n\n{KEYED.template}") in back


def test_labels_are_named_in_either_order_and_parts_by_their_columns() -> None:
    texts = [one.prompt.system + one.prompt.template for one in wordings(PLAIN, [], [], LABELS)]
    assert any("one of: positive, negative." in text for text in texts)
    assert any("one of: negative, positive." in text for text in texts)
    assert any(text == "Text: {{ text }}\nLabel:" for text in texts)


def test_no_english_is_added_to_another_language() -> None:
    for one in wordings(GERMAN, [], [], ["gut", "schlecht"]):
        assert "Answer with" not in one.prompt.system + one.prompt.template


def test_the_persons_and_the_sessions_wordings_are_tried() -> None:
    other = replace(KEYED, name="other", completion="{{ rating }}")
    made = wordings(PLAIN, [KEYED, other], ["Judge it."], LABELS)
    said = [one.what for one in made]
    assert "the wording of “keyed”" in said
    assert not any("other" in one for one in said)  # it expects other answers
    given = next(one for one in made if one.what == "instruction 1")
    assert given.prompt.template == "Judge it.\n\n{{ text }}"


def test_a_wording_that_lacks_a_column_is_left_out() -> None:
    lacking = replace(PLAIN, name="lacking", template="Positive or negative?")
    assert all("lacking" not in one.what for one in wordings(PLAIN, [lacking], [], LABELS))


def test_a_wording_with_typed_examples_is_known() -> None:
    typed = "Review: Nice.\nSide: good\n\nReview: {{ text }}\nSide:"
    made = wordings(replace(PLAIN, template=typed), [], [], LABELS)
    assert made[0].typed
    assert not wordings(KEYED, [], [], LABELS)[0].typed
