"""A prompt as the rules read it: its texts, their prose, and where something stands in them.

Knows texts and places; knows nothing of what is good or bad about them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import jinja2
from jinja2 import meta, nodes

from workbench.data import prompting
from workbench.data.prompting import PromptError
from workbench.data.templates import ENVIRONMENT
from workbench.protocol import Advice, Values
from workbench.session import Prompt
from workbench.text import one_line

Role = Literal["system", "user", "assistant", "start", "completion"]
Severity = Literal["bad", "warn", "note"]
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
WORD = re.compile(r"\w+")
ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "a an and answer are as be by do each following for from given how if in into is it of on "
        "or that the their this to was what when which who with you your write",
    )
)
Kind = tuple[str, Severity]


@dataclass(frozen=True)
class Text:
    """One of a prompt's texts. In `prose` everything of Jinja is blanked out, character by
    character, so that a place in it is a place in the text."""

    where: str  # as in an Advice
    role: Role
    raw: str

    @cached_property
    def prose(self) -> str:
        if "{" not in self.raw:
            return self.raw
        return JINJA.sub(lambda found: re.sub(r"[^\n]", "\x00", found[0]), self.raw)

    @cached_property
    def lower(self) -> str:
        """The prose in small letters, place by place."""
        lower = self.prose.lower()
        if len(lower) == len(self.prose):
            return lower
        return "".join(one if len(one.lower()) != 1 else one.lower() for one in self.prose)

    def sentences(self) -> Iterator[tuple[int, str]]:
        """Where each begins, and it without spaces around it."""
        for found in SENTENCE.finditer(self.prose):
            if text := found[0].strip():
                yield found.start() + found[0].index(text), text

    @cached_property
    def words(self) -> list[tuple[str, int, int]]:
        """Each word in small letters, where it begins and where it ends."""
        return [(found[0], found.start(), found.end()) for found in WORD.finditer(self.lower)]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words, once each. A rule that looks for some of them looks here first: to search a
        long text for all that any rule looks for would take longer than a key may."""
        return frozenset(word for word, _, _ in self.words)

    def place(self, start: int) -> tuple[int, int]:
        """Line and column from 0."""
        line = self.raw.count("\n", 0, start)
        return line, start - (self.raw.rfind("\n", 0, start) + 1)


@dataclass(frozen=True)
class Reading:
    """All that rules go by. `values` is the row that the prompt is shown with."""

    prompt: Prompt
    columns: Sequence[str]
    values: Values
    labels: Sequence[str] = ()
    tokenizer: Any = None
    context_length: int = 0
    max_new_tokens: int = 0
    prompt_tokens: int = 0
    example_answers: Sequence[str] = ()

    @cached_property
    def texts(self) -> list[Text]:
        prompt = self.prompt
        turns = [Text(f"turns.{n}", turn.role, turn.content) for n, turn in enumerate(prompt.turns)]
        found = [Text("system", "system", prompt.system), *turns]
        found.append(Text("template", "user", prompt.template))
        found.append(Text("answer_start", "start", prompt.answer_start))
        return [text for text in found if text.raw]

    @cached_property
    def template(self) -> Text:
        return Text("template", "user", self.prompt.template)

    @cached_property
    def instructions(self) -> list[Text]:
        """What says what to do: the system text and the template. Turns between are examples."""
        return [text for text in self.texts if text.where in ("system", "template")]

    @cached_property
    def english(self) -> bool:
        """Whether the instructions are in English: rules about words are about English ones."""
        words = [word for text in self.instructions for word, _, _ in text.words]
        return bool(words) and sum(word in ENGLISH for word in words) >= max(1, 0.12 * len(words))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words of the instructions."""
        return frozenset[str]().union(*(text.vocabulary for text in self.instructions))

    @cached_property
    def expected(self) -> str:
        """The answer of the row that is shown; empty where it has none."""
        try:
            return prompting.answer(self.prompt, self.values)
        except PromptError:
            return ""

    @cached_property
    def chat(self) -> bool | None:
        """Whether the model has a chat template; None: it is not known."""
        if self.tokenizer is None:
            return None
        return bool(getattr(self.tokenizer, "chat_template", None))

    @cached_property
    def typed_answers(self) -> list[str]:
        """Answers of the examples that are typed as turns, in order."""
        return [turn.content.strip() for turn in self.prompt.turns if turn.role == "assistant"]


def advice(text: Text, place: tuple[int, int], kind: Kind, words: str, why: str) -> Advice:
    """Advice about a place in a text: where it begins, and its length in characters."""
    line, column = text.place(place[0])
    return Advice(
        kind=kind[0],
        severity=kind[1],
        where=text.where,
        line=line,
        column=column,
        length=place[1],
        words=words,
        why=why,
    )


def general(where: str, kind: Kind, words: str, why: str) -> Advice:
    """Advice about something that is nowhere in particular."""
    return Advice(kind=kind[0], severity=kind[1], where=where, line=-1, words=words, why=why)


def shown(text: str, limit: int = 40) -> str:
    """A text in quotation marks, cut."""
    return f"“{one_line(text.strip(), limit)}”"


@lru_cache(maxsize=64)
def parsed(template: str) -> nodes.Template | None:
    """A template's syntax tree; None where it has an error."""
    try:
        return ENVIRONMENT.parse(template)
    except (jinja2.TemplateSyntaxError, RecursionError):
        return None


@lru_cache(maxsize=64)
def variables(template: str) -> frozenset[str]:
    """The columns that a template takes from a row, those by `row["name"]` included."""
    if "{" not in template or (tree := parsed(template)) is None:
        return frozenset()
    try:
        named = meta.find_undeclared_variables(tree)
    except jinja2.TemplateSyntaxError:  # a filter that there is not
        return frozenset()
    return frozenset((named | {name for _, name in of_row(tree)}) - {"row"})


def takes_all(template: str) -> bool:
    """Whether a template may take any column: it looks at `row` otherwise than by a name."""
    if "row" not in template or (tree := parsed(template)) is None:
        return False
    named = {id(row) for row, _ in of_row(tree)}
    return any(node.name == "row" and id(node) not in named for node in tree.find_all(nodes.Name))


def of_row(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    """Each `row["name"]` and `row.name`: the node of `row`, and the name."""
    for got in tree.find_all(nodes.Getattr):
        if isinstance(got.node, nodes.Name) and got.node.name == "row":
            yield got.node, got.attr
    for item in tree.find_all(nodes.Getitem):
        of, name = item.node, item.arg
        if isinstance(of, nodes.Name) and of.name == "row" and isinstance(name, nodes.Const):
            yield of, str(name.value)
