"""Prompts and answers: what they are told with."""

from typing import Literal

import msgspec

from workbench.protocol.base import Event, Values, Weights


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a wording that makes answers worse."""

    kind: str  # undefined_variable, unused_column, no_format, contradiction, vague, repeated, …
    severity: Literal["bad", "warn", "note"]
    where: str  # system, template, completion, answer_start, examples, turns.0, labels, …
    line: int = 0  # from 0, in the text of `where`; -1: it has no place
    column: int = 0
    length: int = 0  # characters from there on
    words: str  # one sentence: what it is, and where
    why: str  # one sentence: what it does to the answers, and what to do


class PromptRendered(Event):
    text: str  # the exact text: the token ids decoded, special tokens shown
    token_count: int  # -1: a server has the tokenizer
    context_length: int
    tokens: list[str] = []  # the pieces, in order
    ids: list[int] = []
    answer: str = ""  # the completion, filled
    notes: list[str] = []  # such as: variables that are no column
    advice: list[Advice] = []  # the worst first
    examples: list[int] = []  # numbers of the rows that stand in it as examples
    # Tokens of system, turns, examples, template, answer start, and of what the chat template
    # writes around them: frame. Empty where the row is its own prompt.
    parts: dict[str, int] = {}


class ExamplesChosen(Event):
    numbers: list[int]
    keys: list[str]  # as in ExampleSettings.rows
    rows: list[Values]
    answers: list[str]
    words: str = ""  # how they were chosen, in a sentence


class GenerationStarted(Event):
    weights: Weights
    prompt_tokens: int
    step: int = -1  # the optimiser step whose weights answer; -1: no run is under way
    seed: int = 0
    device: str = ""
    sample: int = 0  # from 0
    samples: int = 1
    cached_tokens: int = 0  # of the prompt, that were computed for an earlier one


class Option(msgspec.Struct, frozen=True, array_like=True):
    """A token that might have come."""

    id: int
    text: str
    logprob: float  # natural logarithm


class Token(msgspec.Struct, frozen=True, array_like=True):
    """A token that came, and what else might have: the likeliest first."""

    id: int
    text: str
    logprob: float
    options: list[Option] = []


class Tokens(Event):
    """Text that has come since the last: neighbours for the same answer may be merged."""

    weights: Weights
    text: str
    count: int
    sample: int = 0
    tokens: list[Token] = []  # where probabilities were asked for

    def merge(self, later: "Tokens") -> "Tokens | None":
        """Both as one, or None where they do not belong together."""
        if (self.request, self.weights, self.sample) != (
            later.request,
            later.weights,
            later.sample,
        ):
            return None
        return Tokens(
            request=self.request,
            weights=self.weights,
            text=self.text + later.text,
            count=self.count + later.count,
            sample=self.sample,
            tokens=self.tokens + later.tokens,
        )


class GenerationFinished(Event):
    weights: Weights
    text: str
    tokens: int
    seconds_to_first: float
    tokens_per_second: float  # after the first token
    reason: Literal["end", "length", "stopped"]
    step: int = -1
    sample: int = 0
    problem: str = ""  # a server broke off, say: what came until then is `text`
    notes: list[str] = []  # what a server did not do as it was asked
