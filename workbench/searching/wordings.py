"""Wordings to try: the person's, the session's, and some that are made by rules which hold for most
models.

Knows texts and templates; knows nothing of what any of them is worth. Each takes the same columns
from the row as the first and has its completion, so their figures can be compared. Sentences are
added to English instructions only; what is moved about is moved in any language.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from workbench.prompting.rules.form import named
from workbench.prompting.rules.reading import JINJA, Reading, parsed, variables
from workbench.searching.objective import key_of
from workbench.session import Prompt

PARAGRAPH = re.compile(r"\n[ \t]*\n")
# "{{ name }}" alone, and a line "Name: {{ name }}".
ALONE = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")
ASKS = re.compile(r"[^\n:]{1,40}:\s*")  # the last line of a template that the answer goes on in
FEW = 12  # labels that a sentence can name


@dataclass(frozen=True)
class Wording:
    prompt: Prompt
    what: str  # how it differs, in words
    made: bool = False  # by rule; else a person worded it

    @property
    def typed(self) -> bool:
        """Whether examples are typed into its template."""
        paragraphs = PARAGRAPH.split(self.prompt.template)
        shown = next((one for one in paragraphs if JINJA.search(one)), "")
        return any(looks_typed(one, shown) for one in paragraphs if one is not shown)


@dataclass(frozen=True)
class Parts:
    """A wording taken apart: what says what to do, and what shows the row."""

    instruction: str
    shown: str  # the paragraphs with Jinja in them


def wordings(
    start: Prompt, others: Sequence[Prompt], instructions: Sequence[str], labels: Sequence[str]
) -> list[Wording]:
    """The start first, then the session's other variants, the person's instructions, and the ones
    that are made of the start; each once."""
    made = [Wording(start, "as it is"), *of_session(start, others)]
    made += given(start, instructions)
    made += rephrased(start, labels)
    needed = variables(start.template)
    kept: dict[bytes, Wording] = {}
    for one in made:
        if one.prompt.template.strip() and usable(one.prompt, needed):
            kept.setdefault(key_of(one.prompt), one)
    return list(kept.values())


def usable(prompt: Prompt, needed: frozenset[str]) -> bool:
    """Whether it can be filled and takes from the row what it has to."""
    said = [prompt.template, *(turn.content for turn in prompt.turns)]
    return all(parsed(one) is not None for one in said) and needed <= variables(prompt.template)


def of_session(start: Prompt, others: Sequence[Prompt]) -> Iterator[Wording]:
    """The other variants that expect the same answers, asked as the start is."""
    for other in others:
        if other.name != start.name and other.completion.strip() == start.completion.strip():
            asked = replace(
                other, generation=start.generation, model=start.model, examples=start.examples
            )
            yield Wording(asked, f"the wording of “{other.name}”")


def given(start: Prompt, instructions: Sequence[str]) -> Iterator[Wording]:
    """The person's instructions in place of the start's."""
    parts = take_apart(start)
    for number, text in enumerate(instructions, 1):
        if text.strip():
            yield Wording(instructed(start, parts, text.strip()), f"instruction {number}")


def take_apart(prompt: Prompt) -> Parts:
    """Paragraphs of the template that take nothing from the row say what to do, with the system
    text; the others show the row. Examples that are typed before the row stay with neither."""
    paragraphs = [one for one in PARAGRAPH.split(prompt.template.strip("\n")) if one.strip()]
    filled = [place for place, one in enumerate(paragraphs) if JINJA.search(one)]
    if not filled:
        return Parts(prompt.system.strip(), prompt.template)
    first, last = filled[0], filled[-1]
    spoken = [one for one in paragraphs[:first] if not looks_typed(one, paragraphs[first])]
    spoken += paragraphs[last + 1 :]
    said = "\n".join([prompt.system.strip(), *spoken]).strip()
    return Parts(said, "\n\n".join(paragraphs[first : last + 1]))


def looks_typed(paragraph: str, shown: str) -> bool:
    """Whether a paragraph is an example in the form of what shows the row."""
    key = shown.partition(":")[0]
    return bool(key) and "{" not in key and paragraph.lstrip().startswith(f"{key}:")


def instructed(start: Prompt, parts: Parts, text: str) -> Prompt:
    """The text where the start has its instruction."""
    if start.system.strip():
        return replace(start, system=text, template=parts.shown)
    return replace(start, template=f"{text}\n\n{parts.shown}")


def rephrased(start: Prompt, labels: Sequence[str]) -> Iterator[Wording]:
    """What is made of the start: its instruction elsewhere, with the labels and the form named, and
    the row in another form."""
    parts = take_apart(start)
    keyed = with_keys(start, parts.shown)
    texts = [(parts.instruction, "")]
    if Reading(start, (), {}).english:
        texts += sentences(parts.instruction, labels)
    for shown, form in ((parts.shown, ""), (keyed, "the row's parts named")):
        for text, added in texts:
            if not text:
                continue
            said = ", ".join(one for one in (added, form) if one)
            yield made(start, text, shown, "", f"{said}, in the system text")
            yield made(start, "", f"{text}\n\n{shown}", "", f"{said}, before the row")
            if not asks(shown):
                yield made(start, "", f"{shown}\n\n{text}", "", f"{said}, after the row")
    yield made(start, "", keyed, "", "without an instruction, the row's parts named")
    last = keyed.rpartition("\n")[2]
    if asks(keyed) and "{" not in last and not start.answer_start:
        head = keyed[: -len(last)].rstrip("\n")
        system = parts.instruction
        yield made(start, system, head, last.strip(), f"the answer begins with “{last.strip()}”")


def made(start: Prompt, system: str, template: str, begun: str, what: str) -> Wording:
    prompt = replace(
        start, system=system, template=template, answer_start=begun or start.answer_start
    )
    return Wording(prompt, what.removeprefix(", "), made=True)


def asks(template: str) -> bool:
    """Whether the answer goes on in the template's last line."""
    return ASKS.fullmatch(template.rstrip().rpartition("\n")[2] + " ") is not None


def with_keys(start: Prompt, shown: str) -> str:
    """The row's parts with their names before them, and the answer's name at the end: what a model
    continues as a pattern."""
    said = shown
    if alone := ALONE.fullmatch(shown):
        said = f"{key_name(alone[1])}: {shown.strip()}"
    if asks(said):
        return said
    answer = ALONE.fullmatch(start.completion)
    return f"{said}\n{key_name(answer[1]) if answer else 'Answer'}:"


def key_name(column: str) -> str:
    return column.replace("_", " ").strip().capitalize()


def sentences(instruction: str, labels: Sequence[str]) -> list[tuple[str, str]]:
    """An English instruction with the labels named, in either order, and the form asked for."""
    base = f"{instruction.rstrip()} " if instruction else ""
    if not labels or len(labels) > FEW:
        return [(f"{base}Reply with the answer only.", "only the answer asked for")]
    orders = [
        (list(labels), "the labels named"),
        (list(labels)[::-1], "the labels named backwards"),
    ]
    found = [(f"{base}Answer with one of: {', '.join(order)}.", what) for order, what in orders]
    if instruction and all(named(label, instruction) for label in labels):
        found.insert(0, (f"{base}Answer with nothing but the label.", "only the label asked for"))
    return found
