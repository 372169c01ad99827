"""The texts of a prompt, each under the name that advice and token counts give it.

`system`, `turns.0` …, `template`, `answer_start`, `completion`. Knows nothing of widgets.
"""

import msgspec

from workbench.session import Prompt

LABELS = {
    "system": "System",
    "examples": "Examples",
    "template": "Template",
    "answer_start": "Answer starts",
    "completion": "Answer to learn",
}


def names(prompt: Prompt) -> list[str]:
    """In the order in which the model gets them; the answer to learn is last."""
    turns = [f"turns.{index}" for index in range(len(prompt.turns))]
    return ["system", *turns, "template", "answer_start", "completion"]


def turn_index(name: str) -> int:
    """Which turn a name is of, from 0; -1: of none."""
    head, _, index = name.partition(".")
    return int(index) if head == "turns" and index.isdigit() else -1


def text_of(prompt: Prompt, name: str) -> str:
    at = turn_index(name)
    if at < 0:
        return str(getattr(prompt, name, ""))
    return prompt.turns[at].content if at < len(prompt.turns) else ""


def with_text(prompt: Prompt, name: str, text: str) -> Prompt:
    """The same prompt with one of its texts replaced; a turn that is not there stays so."""
    at = turn_index(name)
    if at < 0:
        return msgspec.structs.replace(prompt, **{name: text})
    turns = list(prompt.turns)
    if at < len(turns):
        turns[at] = msgspec.structs.replace(turns[at], content=text)
    return msgspec.structs.replace(prompt, turns=turns)


def label(prompt: Prompt, name: str) -> str:
    at = turn_index(name)
    if at < 0:
        return LABELS.get(name, name.capitalize())
    role = prompt.turns[at].role if at < len(prompt.turns) else "user"
    return f"{role.capitalize()} turn {at + 1}"


def example_words(prompt: Prompt) -> str:
    """The few-shot examples in a line: 8 examples, balanced, seed 0."""
    examples = prompt.examples
    number = len(examples.rows) if examples.choose == "picked" else examples.count
    if not number:
        return "none"
    words = [f"{number} example" if number == 1 else f"{number} examples", HOW[examples.choose]]
    if examples.choose in ("random", "balanced"):
        words.append(f"seed {examples.seed}")
    return ", ".join(words)


HOW = {
    "first": "the first rows",
    "random": "at random",
    "balanced": "balanced",
    "nearest": "nearest to the row",
    "picked": "picked",
}
