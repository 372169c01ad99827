"""Jinja, as far as someone else's template may go: its sandbox, to a limited size.

Knows the language; knows nothing of prompts or rows.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import do_replace, do_tojson, make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

LARGEST = 1_000_000  # characters that a template may make; also its largest number
DEEPEST = 16  # spaces by which JSON is indented


class Generator(CodeGenerator):
    """Joins with `~` through the sandbox, which looks at the size."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which also refuses the operators and methods that fill the memory."""

    code_generator_class = Generator
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(one) for one in (left, right) if isinstance(one, str | list | tuple)]
        numbers = [abs(one) for one in (left, right) if isinstance(one, int | float)]
        if operator == "+" and sizes:
            bounded(sum(sizes))
        if operator == "*" and sizes and numbers and sizes[0] * numbers[0] > LARGEST:
            raise SecurityError(f"it repeats a text to more than {LARGEST:,} characters")
        if operator == "**" and any(number > 1000 for number in numbers):
            raise SecurityError("it raises to a power above 1,000")
        if operator == "%" and isinstance(left, str):
            raise SecurityError('"%" on a text is not allowed; write the parts one after another')
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, /, *values: Any, **named: Any) -> Any:
        # "x".ljust(10**10) and the like are one call, which no time limit can break into
        for value in (*values, *named.values()):
            if isinstance(value, int | float) and abs(value) > LARGEST:
                raise SecurityError(f"it calls a method with a number above {LARGEST:,}")
        return super().call(context, function, *values, **named)

    @staticmethod
    def joined(parts: Iterable[Any]) -> str:
        texts = [str(part) for part in parts]
        bounded(sum(map(len, texts)))
        return "".join(texts)


def bounded(size: int) -> None:
    """Raise SecurityError before a text of so many characters is made."""
    if size > LARGEST:
        raise SecurityError(f"it makes more than {LARGEST:,} characters")


@jinja2.pass_eval_context
def join(context: EvalContext, value: Iterable[Any], d: str = "", attribute: Any = None) -> str:
    """Jinja's filter, to a limited size."""
    if attribute is not None:
        value = map(make_attrgetter(context.environment, attribute), value)
    texts = [str(one) for one in value]
    bounded(sum(map(len, texts)) + len(str(d)) * len(texts))
    return str(d).join(texts)


@jinja2.pass_eval_context
def replace(context: EvalContext, s: str, old: str, new: str, count: int | None = None) -> str:
    """Jinja's filter, to a limited size."""
    bounded(len(str(s)) + str(s).count(str(old)) * len(str(new)))
    return do_replace(context, str(s), old, new, count)


@jinja2.pass_eval_context
def tojson(context: EvalContext, value: Any, indent: int | None = None) -> Any:
    """Jinja's filter, to a limited size."""
    if indent is not None and indent > DEEPEST:
        raise SecurityError(f"it indents JSON by more than {DEEPEST} spaces")
    return do_tojson(context, value, indent)


ENVIRONMENT = Sandbox(
    undefined=jinja2.StrictUndefined, finalize=lambda value: "" if value is None else value
)
for _unbounded in ("center", "format", "indent", "batch", "slice", "wordwrap"):
    del ENVIRONMENT.filters[_unbounded]
del ENVIRONMENT.globals["lipsum"]
ENVIRONMENT.filters |= {"join": join, "replace": replace, "tojson": tojson}


@lru_cache(maxsize=64)
def compiled(template: str) -> jinja2.Template:
    return ENVIRONMENT.from_string(template)


def syntax_place(template: str, lineno: int) -> tuple[int, int]:
    """Where in line `lineno`, counted from 1, an error is, and how many characters are wrong:
    Jinja tells the line alone."""
    begin = 0
    for _ in range(lineno - 1):
        begin = template.find("\n", begin) + 1
    end = template.find("\n", begin)
    line = template[begin : end if end >= 0 else len(template)]
    for found in re.finditer(r"\{\{|\{%|\{#", line):
        piece = re.match(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", line[found.start() :])
        if piece is None:  # it is never closed
            return begin + found.start(), len(line) - found.start()
        if piece[0].startswith("{{"):
            try:
                compiled(piece[0])
            except jinja2.TemplateSyntaxError:
                return begin + found.start(), len(piece[0])
    tag = line.find("{%")
    return (begin + tag, len(line) - tag) if tag >= 0 else (begin, len(line))


def syntax_words(template: str, error: jinja2.TemplateSyntaxError) -> str:
    """What is wrong with a template, with line and column counted from 1."""
    start, _ = syntax_place(template, error.lineno)
    line, column = template.count("\n", 0, start) + 1, start - template.rfind("\n", 0, start)
    what = str(error.message).partition(". ")[0].rstrip(".")
    return f"The template has an error in line {line}, column {column}: {what}."


def fixed_text(template: str) -> str:
    """What a template says whatever the row: its text outside of what is filled in and of what is
    conditional. Nothing of a template that is wrong."""
    try:
        parsed = ENVIRONMENT.parse(template)
    except jinja2.TemplateSyntaxError:
        return ""
    pieces = [
        part.data if isinstance(part, nodes.TemplateData) else " "
        for output in parsed.body
        if isinstance(output, nodes.Output)
        for part in output.nodes
    ]
    return re.sub(r"[ \t]+", " ", "".join(pieces)).strip()
