"""What an answer must be: one of the labels, a match of a pattern, JSON of a schema.

By llguidance, which tells the tokens that may come next; knows nothing of models or prompts.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import jsonschema
import numpy
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer

from workbench.inference.errors import ModelError, reason
from workbench.session import GenerationSettings
from workbench.text import one_line

# A small model writes spaces and line breaks for ever where JSON lets it.
JSON_OPTIONS: Any = {"whitespace_pattern": r"[ \n]{0,40}"}
LARGEST = 1_000_000  # characters of a schema's file
TOKENIZERS: WeakKeyDictionary[Any, tuple[int, tuple[int, ...], LLTokenizer]] = WeakKeyDictionary()


class Matcher:
    """An answer under way: which tokens may come next, and whether it is complete."""

    def __init__(self, matcher: LLMatcher) -> None:
        self.matcher = matcher

    def allowed(self, words: int) -> numpy.ndarray:
        """True for each of so many tokens that may come next; the end only where it may end."""
        bits = numpy.frombuffer(self.matcher.compute_bitmask(), dtype=numpy.uint8)
        found = numpy.unpackbits(bits, bitorder="little")[:words].astype(bool)
        return numpy.pad(found, (0, words - len(found)))

    def take(self, token: int) -> bool:
        """The next token; false where it is not allowed."""
        return bool(self.matcher.consume_token(token))

    @property
    def complete(self) -> bool:
        """Nothing can be added to it."""
        return bool(self.matcher.is_stopped())


class Constraint:
    """What every answer of a batch must be; each gets a `Matcher` of its own.

    Raises:
        ModelError: when there is no such constraint; the text names the setting and the place.
    """

    def __init__(self, grammar: str, tokenizer: LLTokenizer, setting: str) -> None:
        self.start = LLMatcher(tokenizer, grammar, log_level=0)
        if self.start.is_error():
            raise ModelError(refusal(setting, self.start.get_error()))

    def matcher(self) -> Matcher:
        return Matcher(self.start.deep_copy())


def constraint(
    settings: GenerationSettings,
    tokenizer: Any,
    words: int,
    ends: Sequence[int],
    *,
    labels: Sequence[str] = (),
    space: bool = False,
    folder: Path = Path(),
) -> Constraint | None:
    """The settings' constraint for a model of so many `words`; none where there is none.

    `ends` are the tokens that end an answer; `space`: the answer begins with one; a schema's file
    is looked for in `folder`.

    Raises:
        ModelError: when it cannot be used; the text names the setting and what is wrong in it.
    """
    if settings.constraint == "none":
        return None
    known = guided(tokenizer, words, ends)
    lead = " " if space else " ?" if spaced(tokenizer, known) else ""
    if settings.constraint == "labels":
        grammar, setting = labels_grammar(labels, lead), "evaluation.labels"
    elif settings.constraint == "regex":
        setting = "generation.pattern"
        if not settings.pattern:
            raise ModelError(f"{setting} is empty; write a regular expression for the answer.")
        check_pattern(settings.pattern)
        pattern = f"{lead}(?:{settings.pattern})" if lead else settings.pattern
        grammar = LLMatcher.grammar_from_regex(pattern)
    else:
        setting = "generation.json_schema"
        grammar = schema_grammar(read_schema(settings.json_schema, folder, setting), lead)
    return Constraint(grammar, known, setting)


def labels_grammar(labels: Sequence[str], lead: str) -> str:
    if not labels:
        raise ModelError(
            "An answer is to be one of the labels and there are none; set evaluation.labels."
        )
    before = f"/{lead}/ " if lead else ""
    return f"start: {before}label\nlabel: " + " | ".join(json.dumps(one) for one in labels)


def schema_grammar(schema: Any, lead: str) -> str:
    if not lead:
        return str(LLMatcher.grammar_from_json_schema(schema, overrides=JSON_OPTIONS))
    if isinstance(schema, dict):
        schema = {"x-guidance": JSON_OPTIONS, **schema}
    return f"start: /{lead}/ value\nvalue: %json {json.dumps(schema)}"


def check_pattern(pattern: str) -> None:
    """Raise ModelError where it is no regular expression, naming the character."""
    found = LLMatcher.validate_grammar(LLMatcher.grammar_from_regex(pattern))
    if found:
        raise ModelError(refusal("generation.pattern", found))


def read_schema(text: str, folder: Path, setting: str) -> Any:
    """A JSON schema: the text itself, or what the file of this name holds.

    Raises:
        ModelError: when it cannot be read, or is no schema; the text says where.
    """
    where = setting
    if not text.strip():
        raise ModelError(f"{setting} is empty; write a JSON schema, or name a file that holds one.")
    if text.lstrip()[:1] not in ("{", "[") and text.strip() not in ("true", "false"):
        path = folder / Path(text.strip()).expanduser()
        where = one_line(str(path), 100)
        try:
            if path.stat().st_size > LARGEST:
                raise ModelError(f"{setting}: {where} is too large for a schema; name another.")
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{setting}: {where} cannot be read ({one_line(reason(error), 100)}); "
                "write a JSON schema, or name a file that holds one."
            ) from None
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{where} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}; "
            "correct it."
        ) from None
    except RecursionError:
        raise ModelError(f"{where} is nested too deeply; use a simpler schema.") from None
    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path) or "its top"
        raise ModelError(
            f"{where} is no JSON schema: at {one_line(place, 80)}: "
            f"{one_line(error.message, 120)}; correct it."
        ) from None
    return schema


def refusal(setting: str, message: str) -> str:
    """The sentence for what llguidance says is wrong."""
    lines = message.splitlines()
    what = next((line.partition("error:")[2].strip() for line in lines if "error: " in line), "")
    caret = next((n for n, line in enumerate(lines) if re.fullmatch(r"\s+\^+", line)), 0)
    if what and caret:
        code, mark = lines[caret - 1], lines[caret]
        column = mark.index("^") - (len(code) - len(code.lstrip())) + 1
        return f"{setting}: at character {column}: {one_line(what, 150)}; correct it."
    text = one_line(what or (lines[0] if lines else "it is refused"), 200).rstrip(".")
    return f"{setting} cannot be held to: {text}; write it without that."


def spaced(tokenizer: Any, known: LLTokenizer) -> bool:
    """The tokenizer puts a space before a text, as sentencepiece does; decoding takes it away."""
    ids = tokenizer("a", add_special_tokens=False)["input_ids"]
    return bool(known.decode_bytes(ids)[:1] == b" ")


def guided(tokenizer: Any, words: int, ends: Sequence[int]) -> LLTokenizer:
    """llguidance's view of a tokenizer; made once, it takes a second for a large one.

    Raises:
        ModelError: where its kind is not known.
    """
    known = TOKENIZERS.get(tokenizer)
    if known and known[:2] == (words, tuple(ends)):
        return known[2]
    try:
        made = from_tokenizer(tokenizer, n_vocab=words, eos_token=list(ends) or None)
    except Exception as error:  # a tokenizer of a kind that llguidance does not know
        raise ModelError(
            f"Answers cannot be held to a form with this model's tokenizer "
            f"({one_line(reason(error), 120)}); set generation.constraint to none."
        ) from error
    TOKENIZERS[tokenizer] = (words, tuple(ends), made)
    return made
