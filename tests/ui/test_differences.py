"""What differs between two wordings."""

import random

import msgspec
from rich.cells import cell_len

from tests.ui.fakeprompts import rich_session
from workbench.session import GenerationSettings, Prompt, Session, Turn
from workbench.text import literal
from workbench.ui.differences import prompt_lines, text_lines
from workbench.ui.widgets.lines import Line


def plain(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def difference(old: Prompt, new: Prompt) -> list[str]:
    return plain(prompt_lines(old, new, Session(), 100))


def test_equal_wordings_differ_in_nothing() -> None:
    for prompt in rich_session().prompts:
        assert difference(prompt, msgspec.structs.replace(prompt, name="other")) == []


def test_only_the_words_that_changed_are_marked() -> None:
    lines = text_lines("Answer with one word.", "Answer with a single word.", 100)
    assert plain(lines) == ["- Answer with one word.", "+ Answer with a single word."]
    removed = [text for text, ink in lines[0] if ink == "removed"]
    added = [text for text, ink in lines[1] if ink == "added"]
    assert (removed, added) == (["one"], ["a single"])


def test_far_lines_are_left_out() -> None:
    old = "\n".join(f"line {n}" for n in range(40))
    lines = plain(text_lines(old, old.replace("line 3\n", "row 3\n"), 100))
    assert lines == [
        "  line 1",
        "  line 2",
        "- line 3",
        "+ row 3",
        "  line 4",
        "  line 5",
    ]


def test_turns_settings_and_examples_are_named() -> None:
    old = Prompt(turns=[Turn(role="user", content="Hi")], template="{{ text }}")
    new = Prompt(
        turns=[Turn(role="assistant", content="Hi")],
        template="{{ text }}",
        generation=GenerationSettings(seed=3),
    )
    lines = difference(old, new)
    assert "User turn 1 → Assistant turn 1" in lines
    assert "- generation: the session's" in lines
    assert "+ generation.seed: 3" in lines
    lines = difference(old, Prompt(template="{{ text }}"))
    assert lines == ["User turn 1", "- Hi", "+ "]


def test_both_texts_are_there_whole_and_fit_any_width() -> None:
    draw = random.Random(7)
    for _ in range(300):
        old, new = ("".join(draw.choices("ab 宽\n.\x1b\t", k=draw.randrange(60))) for _ in range(2))
        wide = plain(text_lines(old, new, 10_000))
        for sign, text in (("-", old), ("+", new)):
            shown = [line[2:] for line in wide if line[:1] in (sign, " ") and "⋯" not in line]
            kept = iter(literal(text).split("\n"))
            assert all(any(line == one for one in kept) for line in shown)  # in their order
        width = draw.randrange(4, 40)
        assert all(cell_len(line) <= width for line in plain(text_lines(old, new, width)))
