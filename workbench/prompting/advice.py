"""Advice on a prompt's wording, as one types.

Each group of rules is a file in `rules`; here they are put in order. Nothing here asks a model: the
rules look at the texts, and at the tokenizer for what the labels are made of.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from workbench.prompting.rules import (
    contradictions,
    examples,
    form,
    labels,
    repetition,
    size,
    turns,
    variables,
    wording,
)
from workbench.prompting.rules.reading import Reading
from workbench.protocol import Advice, Values
from workbench.session import Prompt

RULES: tuple[Callable[[Reading], Iterable[Advice]], ...] = (
    variables.look,
    size.look,
    turns.look,
    form.look,
    labels.look,
    examples.look,
    contradictions.look,
    repetition.look,
    wording.look,
)
ORDER = {"bad": 0, "warn": 1, "note": 2}
WHERE = ("system", "turns", "examples", "template", "answer_start", "completion", "labels")


def advise(
    prompt: Prompt,
    *,
    columns: Sequence[str],
    values: Values,
    labels: Sequence[str] = (),
    tokenizer: Any = None,
    context_length: int = 0,
    max_new_tokens: int = 0,
    prompt_tokens: int = 0,
    example_answers: Sequence[str] = (),
) -> list[Advice]:
    """What makes the answers to a prompt worse, the worst first, then in the prompt's order.

    `columns` are the dataset's (empty: it has none, and names are not checked) and `values` the row
    that is shown; `labels` are the answers to choose among; `prompt_tokens` counts the filled
    prompt, 0 where it is not known; `example_answers` are those of the rows that stand before it,
    in their order. A prompt without a template is the row's own: nothing is said of it.
    """
    if not prompt.template.strip():
        return []
    reading = Reading(
        prompt,
        columns,
        values,
        [label.strip() for label in labels],
        tokenizer,
        context_length,
        max_new_tokens,
        prompt_tokens,
        example_answers,
    )
    found = [one for rule in RULES for one in rule(reading)]
    return sorted(once(found), key=lambda one: (ORDER[one.severity], *place(one)))


def place(one: Advice) -> tuple[int, str, int, int]:
    return WHERE.index(one.where.partition(".")[0]), one.where, one.line, one.column


def once(found: Iterable[Advice]) -> list[Advice]:
    """Without a second of a kind at the same place."""
    kept = {(one.kind, one.where, one.line, one.column): one for one in reversed(list(found))}
    return list(kept.values())
