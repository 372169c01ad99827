"""Conversations as they are shown in a table and in full."""

import pytest

from workbench.turns import in_one_line, turns_of
from workbench.worker.data_desk import cell

TALK = [
    {"role": "system", "content": "You are a helpful assistant that answers in verse."},
    {"role": "user", "content": "Hi [/b]\nyou"},
    {"role": "assistant", "content": "Ho"},
]


def test_a_cell_shows_what_tells_one_conversation_from_another() -> None:
    assert cell(TALK, 60) == "system: You are a helpf…  user: Hi [/b]⏎you  assistant: Ho"
    assert cell(TALK, 30) == "system: You are a helpf…  use…"


def test_both_ways_of_writing_turns_are_shown_alike() -> None:
    other = [{"from": one["role"], "value": one["content"]} for one in TALK]
    assert turns_of(other) == turns_of(TALK)


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [],
        ["text"],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": "Hi", "name": "Ann"}],
        {"role": "user", "content": "Hi"},
    ],
)
def test_what_is_no_conversation_is_left_alone(value: object) -> None:
    assert turns_of(value) == []


def test_of_a_long_conversation_only_the_beginning_is_laid_out() -> None:
    turns = [("user", "x" * 1000)] * 1000
    assert len(in_one_line(turns, 100)) < 120
