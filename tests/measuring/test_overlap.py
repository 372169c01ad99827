"""Rows that are measured and were seen before."""

from workbench.measuring.overlap import examples_overlap, tuning_overlap
from workbench.protocol import Values
from workbench.session import Prompt, Turn

PROMPT = Prompt(system="Judge.", template="Review: {{ text }}", completion="{{ label }}")
LONG = "A film about the sea that nobody who has seen it will ever forget, say its makers."


def rows(count: int = 12) -> list[tuple[int, Values]]:
    return [(number, {"text": f"film {number}", "label": "good"}) for number in range(count)]


def test_rows_that_were_not_seen_before_give_no_warning() -> None:
    other = [{"text": f"play {number}", "label": "good"} for number in range(9)]
    assert examples_overlap(PROMPT, rows(), other) == []
    assert tuning_overlap(PROMPT, rows(), other) == []


def test_an_example_that_is_measured_is_told_with_its_number() -> None:
    found = examples_overlap(PROMPT, rows(), [{"text": "film 2", "label": "good"}])
    assert len(found) == 1
    assert found[0].startswith("1 of 12 measured rows (3) is also among the prompt's examples")


def test_a_row_that_fills_the_template_the_same_is_the_same() -> None:
    found = examples_overlap(PROMPT, rows(), [{"text": "film  4", "label": "bad", "id": 7}])
    assert "(5) is" in found[0]


def test_a_typed_turn_that_is_a_measured_row_is_told() -> None:
    turns = [Turn(role="user", content="Review: film 7"), Turn(role="assistant", content="good")]
    prompt = Prompt(template=PROMPT.template, turns=turns)
    found = examples_overlap(prompt, rows())
    assert found[0].startswith("1 of 12 measured rows (8) is also in the prompt's own text")


def test_a_rows_long_text_within_the_prompts_text_is_told() -> None:
    prompt = Prompt(
        system=f"An example:\n{LONG.replace(' sea ', '  sea ')} good", template="{{ text }}"
    )
    measured = [*rows(), (12, {"text": LONG, "label": "good"})]
    assert "(13) is" in examples_overlap(prompt, measured)[0]


def test_tuning_rows_are_read_once_however_many() -> None:
    tuned = ({"text": f"film {number}", "label": "good"} for number in range(3, 20_000))
    found = tuning_overlap(PROMPT, rows(), tuned)
    assert found[0].startswith("9 of 12 measured rows (4, 5, 6, 7, 8, 9, 10, 11, …) are also")
    assert next(tuned, None) is None


def test_rows_that_cannot_be_filled_are_compared_by_their_values() -> None:
    prompt = Prompt(template="{{ missing }}")
    assert tuning_overlap(prompt, rows(), [{"text": "film 1", "label": "good"}])
    assert not tuning_overlap(prompt, rows(), [{"text": "\ud800\x00", "label": None}])


def test_a_template_without_variables_makes_no_two_rows_equal() -> None:
    assert not tuning_overlap(Prompt(template="Go on."), rows(), [{"text": "else"}])


def test_nothing_measured_gives_no_warning() -> None:
    assert examples_overlap(PROMPT, [], [{"text": "x"}]) == []


def test_an_instruction_that_all_rows_hold_is_no_rows_own() -> None:
    prompt = Prompt(system=LONG, template="{{ instruction }} {{ text }}")
    held = [(number, {"instruction": LONG, "text": str(number)}) for number in range(9)]
    assert examples_overlap(prompt, held) == []


def test_a_template_of_the_whole_row_is_compared_by_all_values() -> None:
    prompt = Prompt(template='{{ row["text"] }}')
    assert tuning_overlap(prompt, rows(), [{"text": "film 1", "label": "good"}])
    assert not tuning_overlap(prompt, rows(), [{"text": "film 1", "label": "other"}])
