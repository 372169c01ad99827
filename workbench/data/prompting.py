"""From a row and a prompt to the exact tokens that a model gets.

Knows templates, chat templates and token ids; knows nothing of models or where rows come from.
Templates are someone else's text: they run in a sandbox (`templates`), for a limited time.
"""

import difflib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import FrameType
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError

from workbench.data.templates import ENVIRONMENT, LARGEST, syntax_words
from workbench.data.templates import compiled as compiled  # noqa: PLC0414 - others call it here
from workbench.session import Prompt
from workbench.text import one_line

SECONDS = 2.0  # that a template may run
# After what is wrong with a row.
ADVICE = "Correct the row, the wording or the mapping, or leave the row out."
IGNORED = -100  # a label on which there is no loss
MARK = "␞answer␞"  # stands for the answer while the end of its turn is looked for


class PromptError(Exception):
    """A prompt that cannot be filled or encoded; the text is one sentence for the person."""


class TemplateError(PromptError):
    """A template that no row can fill."""


class RefusedTurnsError(PromptError):
    """A conversation that the model's chat template does not take."""


def render(template: str, values: dict[str, Any]) -> str:
    """The template filled from a row: `{{ column }}`, or `{{ row["any name"] }}`.

    A value that is missing in the row (None) is filled as nothing.

    Raises:
        TemplateError: where no row can fill it: naming line and column, the unknown variable and
            the columns there are, or what the template did that is not allowed.
        PromptError: where this row cannot.
    """
    if "{" not in template:
        return template
    try:
        made = compiled(template)
        pieces: list[str] = []
        size = 0
        with time_limit(SECONDS if "{%" in template else 0):
            for piece in made.generate({"row": values, **values}):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST:
                    raise SecurityError(f"it makes more than {LARGEST:,} characters")
        return "".join(pieces)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(syntax_words(template, error)) from None
    except jinja2.UndefinedError as error:
        raise unknown_variable(template, values, str(error)) from None
    except (SecurityError, TimeoutError) as error:
        raise TemplateError(f"The template is stopped: {str(error).rstrip('.')}.") from None
    except RecursionError:
        raise TemplateError("The template is stopped: it calls itself without end.") from None
    except Exception as error:  # whatever an expression does with a value of this row
        text = one_line(str(error), 200).rstrip(".") or type(error).__name__
        raise PromptError(f"The template cannot be filled from this row: {text}.") from None


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a template that runs longer; 0: no limit, at no cost.

    A loop without output gives no control back, and only the main thread gets signals: so its
    lines are traced.
    """
    if not seconds:
        yield
        return
    end = time.monotonic() + seconds

    def line(_frame: FrameType, _event: str, _argument: Any) -> Any:
        if time.monotonic() > end:
            raise TimeoutError(f"it runs for more than {seconds:g} seconds")
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if frame.f_code.co_filename == "<template>" else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


def unknown_variable(template: str, values: dict[str, Any], message: str) -> PromptError:
    """The error for an undefined variable, with what was probably meant."""
    from jinja2 import meta

    used = meta.find_undeclared_variables(ENVIRONMENT.parse(template)) - {"row"}
    columns = ", ".join(one_line(str(name), 60) for name in values) or "none"
    for name in sorted(used - set(values)):
        if not values:
            return PromptError(
                f'There is no row to fill "{name}" from; open a dataset that has rows.'
            )
        close = difflib.get_close_matches(name, [str(column) for column in values], 1)
        hint = f'perhaps "{one_line(close[0], 60)}" is meant; ' if close else ""
        return TemplateError(f'There is no column "{name}"; {hint}the columns are: {columns}.')
    return PromptError(
        f"The template cannot be filled: {one_line(message, 200)}; the columns are: {columns}."
    )


def messages(
    prompt: Prompt, values: dict[str, Any], examples: Sequence[dict[str, Any]] = ()
) -> list[dict[str, str]]:
    """The chat turns: the system's, if there is one, the typed ones, those of the examples (rows of
    the dataset, each worded as the row itself and answered) and the user's, filled from the row."""
    turns = [{"role": "system", "content": prompt.system}] if prompt.system.strip() else []
    turns += [{"role": turn.role, "content": render(turn.content, values)} for turn in prompt.turns]
    for example in examples:
        turns.append({"role": "user", "content": render(prompt.template, example)})
        turns.append({"role": "assistant", "content": started(prompt, answer(prompt, example))})
    return [*turns, {"role": "user", "content": render(prompt.template, values)}]


def answer(prompt: Prompt, values: dict[str, Any]) -> str:
    """The completion, filled from the row, without spaces around it."""
    return render(prompt.completion, values).strip()


def encode_prompt(
    tokenizer: Any,
    prompt: Prompt,
    values: dict[str, Any],
    examples: Sequence[dict[str, Any]] = (),
) -> list[int]:
    """The token ids that the model gets, up to where its answer begins.

    With a chat template: the turns, the head of the answer's turn and what the answer begins with.
    Without: system text, turns and template as plain text, after the tokenizer's own opening token
    if it has one.
    """
    return encode_turns(tokenizer, messages(prompt, values, examples), prompt.answer_start)


def encode_turns(tokenizer: Any, turns: list[dict[str, Any]], start: str = "") -> list[int]:
    """The token ids of turns, up to where the answer to them begins or, where it has a `start`,
    goes on; see `encode_prompt`. For an encoder-decoder the whole text that it reads."""
    if getattr(tokenizer, "encoder_decoder", ""):
        if start:
            raise PromptError(
                "An encoder-decoder begins its answer by itself; leave the prompt's answer_start "
                "empty."
            )
        return list(tokenizer(plain_text(turns), add_special_tokens=True)["input_ids"])
    if getattr(tokenizer, "chat_template", None):
        text = chat_text(tokenizer, turns, head=True) + start
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    text = plain_text(turns, start)
    ids = list(tokenizer(text, add_special_tokens=True)["input_ids"])
    # Some tokenizers close every text, which is not where an answer begins.
    while len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:
        ids.pop()
    if not ids:
        raise PromptError("The prompt is empty; write a template.")
    return ids


def plain_text(turns: list[dict[str, Any]], start: str = "") -> str:
    """Turns as a text for a model without a chat template: an answer goes on in the line of what it
    answers, an empty line comes before all else. `start` is what the next answer begins with."""
    begun = [{"role": "assistant", "content": start}] if start else []
    text = ""
    for turn in [*turns, *begun]:
        if text and turn["role"] == "assistant":
            text += "" if text[-1:].isspace() else " "
        elif text:
            text += "\n\n"
        text += turn["content"]
    return text


def encode_answer(tokenizer: Any, prompt: Prompt, text: str) -> list[int]:
    """The token ids of an answer to the prompt, without the token that ends its turn."""
    text = before_answer(tokenizer, prompt) + text
    if getattr(tokenizer, "encoder_decoder", ""):  # whose words to write with may be others
        return list(tokenizer(text_target=text, add_special_tokens=False)["input_ids"])
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def before_answer(tokenizer: Any, prompt: Prompt) -> str:
    """What stands between prompt and answer: plain text, or what the answer begins with, goes on
    after a space. Nothing, for an encoder-decoder."""
    if getattr(tokenizer, "encoder_decoder", ""):
        return ""
    if prompt.answer_start:
        return "" if prompt.answer_start[-1:].isspace() else " "
    chat = getattr(tokenizer, "chat_template", None)
    return "" if chat or prompt.template[-1:].isspace() else " "


def started(prompt: Prompt, text: str) -> str:
    """An answer with what it begins with."""
    start = prompt.answer_start
    return f"{start}{'' if not start or start[-1:].isspace() else ' '}{text}"


@dataclass(frozen=True)
class Example:
    """A row to learn from: `labels` are the ids of what is learnt, -100 where there is no loss.

    The first token never has a loss: nothing stands before it to predict it from. Of an example
    that is `scored` the loss is on the row as a whole. `words`: which word each token is a piece
    of, -1 for none, where words are guessed.
    """

    input_ids: list[int]
    labels: list[int]  # as many as input_ids
    cut: bool = False  # longer than max_length: its end is missing
    name: str = "example"
    full_length: int = 0  # tokens before it was cut
    scored: bool = False
    words: Sequence[int] = ()

    @property
    def answer_length(self) -> int:
        """Tokens with a loss."""
        return len(self.labels) - self.labels.count(IGNORED)

    @property
    def answer_lost(self) -> bool:
        """Nothing is left to learn from."""
        return not self.scored and self.answer_length == 0


def cut_example(example: Example, max_length: int) -> Example:
    """The same without what lies beyond `max_length` tokens."""
    return Example(
        input_ids=example.input_ids[:max_length],
        labels=example.labels[:max_length],
        cut=len(example.input_ids) > max_length,
        name=example.name,
        full_length=len(example.input_ids),
    )


def encode_example(
    tokenizer: Any, prompt: Prompt, values: dict[str, Any], max_length: int
) -> Example:
    """The prompt, the answer and the token that ends its turn; cut after `max_length` tokens."""
    given = encode_prompt(tokenizer, prompt, values)
    learnt = encode_answer(tokenizer, prompt, answer(prompt, values))
    return cut_example(answered(tokenizer, given, learnt), max_length)


def answered(tokenizer: Any, given: list[int], learnt: list[int], name: str = "example") -> Example:
    """A prompt's tokens, those of its answer, and the one that ends it."""
    end = end_of_turn(tokenizer)
    return Example(
        input_ids=[*given, *learnt, *end],
        labels=[*[IGNORED] * len(given), *learnt, *end],
        name=name,
        full_length=len(given) + len(learnt) + len(end),
    )


def chat_text(tokenizer: Any, turns: list[dict[str, Any]], head: bool) -> str:
    """The turns as the tokenizer's chat template writes them."""
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=head))
    except Exception as error:  # a chat template may refuse with whatever it likes
        text = one_line(str(error), 200).rstrip(".")
        hint = " Leave the system text empty and put it in the template." if turns[1:] else ""
        raise RefusedTurnsError(
            f"The model's chat template refuses the prompt: {text}.{hint}"
        ) from None


@lru_cache(maxsize=4)
def end_of_turn(tokenizer: Any) -> tuple[int, ...]:
    """The token that ends an answer: the first that the chat template puts after it, if special.

    It is not always the tokenizer's `eos_token`: Gemma's chat ends a turn with another.
    """
    eos = tokenizer.eos_token_id
    if getattr(tokenizer, "chat_template", None):
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
        try:
            rest = chat_text(tokenizer, turns, head=False).rpartition(MARK)[2]
        except PromptError:
            rest = ""
        ids = tokenizer(rest.lstrip(), add_special_tokens=False)["input_ids"] if rest else []
        if ids and ids[0] in set(tokenizer.all_special_ids) | set(added_special(tokenizer)):
            return (ids[0],)
    return () if eos is None else (int(eos),)


def added_special(tokenizer: Any) -> list[int]:
    """Ids of the added tokens that are marked as special."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return [number for number, token in added.items() if token.special]
