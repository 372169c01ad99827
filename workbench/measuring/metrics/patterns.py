"""Regular expressions that a right answer matches, filled from the row.

A pattern is the person's, a value in it is data: what a variable fills in is matched literally,
unless it goes through the filter `pattern`. Both may be hostile: filling and matching have a limit
on their time.
"""

from typing import Any

import jinja2
import regex  # type: ignore[import-untyped]

from workbench.data.prompting import SECONDS, PromptError, time_limit, unknown_variable
from workbench.data.templates import ENVIRONMENT, LARGEST
from workbench.measuring.metrics.metric import SHORT, RowError, RowMetric
from workbench.measuring.replies import Reply
from workbench.text import one_line

MATCHING = 1.0  # seconds that a match may take
LONGEST = 20_000  # characters of a filled pattern


class AsPattern(str):
    """A value that is a part of the pattern itself."""


def literally(value: Any) -> str:
    """What a variable of the template fills in."""
    if value is None:
        return ""
    return str(value) if isinstance(value, AsPattern) else str(regex.escape(str(value)))


FILLING = ENVIRONMENT.overlay(finalize=literally)
FILLING.filters = {**ENVIRONMENT.filters, "pattern": lambda value: AsPattern(str(value))}


class Matches(RowMetric):
    """The share of answers in which the pattern is found; ^ and $ tie it to the whole answer."""

    name = "regex"
    binary = True
    against = False

    def __init__(self, pattern: str) -> None:
        self.template = parsed(pattern)

    def score(self, reply: Reply) -> float | None:
        try:
            pattern = compiled(filled(self.template, reply.values))
            return float(pattern.search(reply.answer.strip(), timeout=MATCHING) is not None)
        except PromptError as error:
            raise RowError(str(error)) from None
        except TimeoutError:
            raise RowError(
                f"The pattern takes more than {MATCHING:g} second on this answer; avoid repeated "
                "groups within repeated groups, such as (a+)+."
            ) from None


def parsed(pattern: str) -> str:
    """The template of a pattern.

    Raises:
        PromptError: where there is none, or where it is no template.
    """
    if not pattern.strip():
        raise PromptError(
            "The metric regex has no pattern; set evaluation.pattern to what a right answer "
            "matches, such as ^{{ label }}."
        )
    try:
        FILLING.parse(pattern)
    except jinja2.TemplateSyntaxError as error:
        raise PromptError(
            f"evaluation.pattern has an error in line {error.lineno}: {error.message}. Write "
            "{% raw %} around braces that belong to the regular expression."
        ) from None
    if "{{" not in pattern and "{%" not in pattern:
        compiled(pattern)
    return pattern


def check_pattern(pattern: str, columns: list[str]) -> None:
    """Whether a pattern can be filled from rows of these columns.

    Raises:
        PromptError: naming the unknown variable, or the place of the error.
    """
    template = parsed(pattern)
    from jinja2 import meta

    used = meta.find_undeclared_variables(FILLING.parse(template)) - {"row"}
    if used - set(columns):
        row = dict.fromkeys(columns, "x")
        raise PromptError(f"evaluation.pattern: {unknown_variable(template, row, '')}")
    try:
        trial = filled(template, dict.fromkeys(columns, "x"))
    except PromptError:  # it may take other values than a letter
        return
    compiled(trial)


def filled(template: str, values: dict[str, Any]) -> str:
    """The pattern for a row.

    Raises:
        PromptError: when it cannot be filled.
    """
    if "{{" not in template and "{%" not in template and "{#" not in template:
        return template
    try:
        with time_limit(SECONDS if "{%" in template else 0):
            size, pieces = 0, []
            for piece in FILLING.from_string(template).generate({"row": values, **values}):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST:
                    break
    except jinja2.UndefinedError as error:
        raise unknown_variable(template, values, str(error)) from None
    except Exception as error:  # whatever an expression does with a value of this row
        reason = one_line(str(error), 200)
        raise PromptError(f"evaluation.pattern cannot be filled from this row: {reason}.") from None
    return "".join(pieces)


def compiled(pattern: str) -> Any:
    """The regular expression.

    Raises:
        PromptError: naming the place of the error.
    """
    if len(pattern) > LONGEST:
        raise PromptError(
            f"The pattern has {len(pattern):,} characters, more than {LONGEST:,}; shorten it."
        )
    try:
        return regex.compile(pattern)
    except regex.error as error:
        place = getattr(error, "pos", None)
        where = f" at position {place + 1}" if isinstance(place, int) else ""
        raise PromptError(
            f'The pattern "{one_line(pattern, SHORT)}" is no regular expression: '
            f"{error.msg}{where}."
        ) from None
    except (RecursionError, OverflowError, MemoryError):
        raise PromptError(
            f'The pattern "{one_line(pattern, SHORT)}" is nested too deeply; simplify it.'
        ) from None
