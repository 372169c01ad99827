"""Answers that are JSON of a schema.

The schema and the answers are data: nothing is fetched from the network, a pattern in a schema has
a limit on its time, and what is nested without end is no valid answer.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import regex  # type: ignore[import-untyped]

from workbench.data.prompting import PromptError
from workbench.measuring.metrics.metric import SHORT, RowError, RowMetric
from workbench.measuring.replies import Reply
from workbench.text import one_line

MATCHING = 1.0  # seconds that a pattern in a schema may take
LONGEST = 1_000_000  # characters of an answer that is read
VALUES = {"const", "enum", "default", "examples"}  # of a schema: what is in them is no schema


class OfSchema(RowMetric):
    """The share of answers that are JSON, and of the schema; spaces around them aside."""

    name = "json_schema"
    binary = True
    against = False

    def __init__(self, schema: str, folder: Path) -> None:
        self.validator = validator(load_schema(schema, folder))

    def score(self, reply: Reply) -> float | None:
        if len(reply.answer) > LONGEST:
            raise RowError(f"The answer is longer than {LONGEST:,} characters; it was not read.")
        try:
            return float(self.validator.is_valid(json.loads(reply.answer, parse_constant=refuse)))
        except (ValueError, RecursionError):
            return 0.0
        except TimeoutError:
            raise RowError(
                f"A pattern of the schema takes more than {MATCHING:g} second on this answer; "
                "simplify it."
            ) from None


def refuse(constant: str) -> None:
    """NaN and Infinity are no JSON, though Python reads them."""
    raise ValueError(constant)


def load_schema(schema: str, folder: Path) -> Any:
    """The schema of a setting: itself, or in the file that it names, seen from `folder`.

    Raises:
        PromptError: where there is none, or where it is no JSON.
    """
    if not schema.strip():
        raise PromptError(
            "The metric json_schema has no schema; set evaluation.json_schema to a schema, or to "
            "a file that holds one."
        )
    name, text = "evaluation.json_schema", schema
    if not schema.lstrip().startswith("{") and schema.strip() not in ("true", "false"):
        path = folder / Path(schema.strip()).expanduser()
        name = str(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise PromptError(
                f"The schema {one_line(name, 200)} cannot be read: {reason}; name a file that "
                "holds one, or write the schema itself."
            ) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise PromptError(
            f"{one_line(name, 200)} is not JSON: {error.msg} in line {error.lineno}, column "
            f"{error.colno}."
        ) from None
    except (RecursionError, ValueError):
        raise PromptError(f"{one_line(name, 200)} is no schema that can be read.") from None


def validator(schema: Any) -> Any:
    """What tells whether a value is of the schema, by the draft that the schema names (else the
    latest).

    Raises:
        PromptError: where it is no valid schema, or needs another that is not in it.
    """
    import jsonschema
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = one_line(error.json_path, SHORT)
        raise PromptError(
            f"The JSON schema is not valid at {where}: {one_line(error.message, 200)}."
        ) from None
    limited = jsonschema.validators.extend(
        kind, {"pattern": pattern, "patternProperties": pattern_properties}
    )
    made = limited(schema, registry=REGISTRY)
    try:
        for reference in references(schema):
            if reference.startswith("#") or kind.ID_OF(schema):
                continue
            raise PromptError(
                f'The JSON schema refers to "{one_line(reference, SHORT)}"; nothing is fetched: '
                "copy that schema into $defs and refer to it there."
            )
        made.is_valid(None)
    except (RecursionError, jsonschema.exceptions._WrappedReferencingError):
        raise PromptError(
            "The JSON schema refers to what is not in it, or to itself without end; correct its "
            "$ref."
        ) from None
    return made


def references(schema: Any) -> Iterator[str]:
    """All that a schema refers to."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            for key, value in one.items():
                if key in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                    yield value
                elif key not in VALUES:
                    waiting.append(value)


def pattern(_validator: Any, expression: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """The keyword `pattern`, with a limit on its time."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not regex.search(expression, instance, timeout=MATCHING):
        yield ValidationError("it does not match")


def pattern_properties(
    validator: Any, properties: dict[str, Any], instance: Any, _schema: Any
) -> Iterator[Any]:
    """The keyword `patternProperties`, with a limit on its time."""
    if not isinstance(instance, dict):
        return
    for expression, below in properties.items():
        for key, value in instance.items():
            if regex.search(expression, key, timeout=MATCHING):
                yield from validator.descend(value, below, path=key, schema_path=expression)
