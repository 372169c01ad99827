"""Who answers prompts: a model in memory or one on a server, behind one interface.

Knows questions and answers; knows nothing of rows, metrics or where a model comes from.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from workbench.protocol import Token
from workbench.session import GenerationSettings

Turn = dict[str, Any]  # {"role": "system" | "user" | "assistant", "content": text}


@dataclass(frozen=True)
class Question:
    """A prompt, ready for the model that it was made for.

    `ids` are the exact tokens of a model in memory; a server gets `turns`, and `start`, what the
    answer has to begin with. `before` stands between the tokens and an answer whose probability is
    asked for: a space, after plain text and after a `start`.
    """

    turns: list[Turn] = field(default_factory=list)
    start: str = ""
    ids: list[int] = field(default_factory=list)
    before: str = ""

    @property
    def key(self) -> str:
        """The same for the same question, whatever row it came from."""
        said: Any = self.ids or [self.turns, self.start]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Answer:
    """What came: `problem` is a sentence where nothing (or not all) did."""

    text: str = ""
    tokens: int = 0
    reason: Literal["end", "length", "stopped", "failed"] = "end"
    logprob: float | None = None  # of all its tokens together, natural logarithm
    detail: list[Token] = field(default_factory=list)  # where alternatives were asked for
    problem: str = ""
    seconds_to_first: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """How one answer is to be given, beside its sampling.

    `labels` are those that an answer is held to, where the settings' constraint is "labels". Of so
    many `alternatives` each token tells the probability. What of the answer was there before is
    `begin`, its tokens, for a model in memory, and `begin_text` for a server, which has none of
    them.
    """

    labels: Sequence[str] = ()
    alternatives: int = 0
    begin: Sequence[int] = ()
    begin_text: str = ""


PLAIN = Wanted()
OnAnswer = Callable[[int, Answer], None]  # the question's position, its answer
OnText = Callable[[str, int, list[Token]], None]  # text, number of tokens, the tokens in detail
OnScores = Callable[[int, list[float]], None]  # the question's position, a number for each label
OnScore = Callable[[int, float, int], None]  # its position, the answer's number, its tokens


class Answerer(Protocol):
    """Answers questions. Its methods are called from one thread at a time."""

    @property
    def name(self) -> str:
        """Of the model, for the person."""

    @property
    def device(self) -> str:
        """Where it runs: cpu, cuda:0 …, or the server's host."""

    @property
    def fingerprint(self) -> str:
        """Changes with the weights: answers are kept by it."""

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together; 0: unknown."""

    @property
    def scores(self) -> bool:
        """Whether it can tell the probability of a given answer."""

    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        """A prompt for it of turns, the answer beginning with `start`.

        Raises:
            PromptError: where the model's chat template refuses them.
        """

    def stream(
        self,
        question: Question,
        settings: GenerationSettings,
        on_text: OnText,
        stopped: threading.Event,
        wanted: Wanted = PLAIN,
    ) -> Answer:
        """One answer, told as it comes; what of it was there before is told first.

        Of `num_return_sequences` only one: who wants several asks again, each with another seed.

        Raises:
            ModelError: when there can be no answer; the text is a sentence.
        """

    def write(
        self,
        questions: Sequence[Question],
        settings: GenerationSettings,
        on_answer: OnAnswer,
        stopped: threading.Event,
        *,
        labels: Sequence[str] = (),
    ) -> None:
        """An answer to each, in whatever order is the fastest; those that came are told even where
        `stopped` is set. A question that fails alone has an Answer with a `problem`.

        Raises:
            ModelError: when none can be answered (the server is down, the key is wrong).
        """

    def choose(
        self,
        questions: Sequence[Question],
        labels: Sequence[str],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        """The log-probability of each label as the answer to each question, told by position.

        Raises:
            ModelError: as `write`; also where the model `scores` nothing.
        """

    def likelihood(
        self,
        questions: Sequence[Question],
        answers: Sequence[str],
        on_score: OnScore,
        stopped: threading.Event,
    ) -> None:
        """The log-probability of a given answer to each question and its number of tokens (the one
        that ends it included), told by position: for perplexity.

        Raises:
            ModelError: as `choose`.
        """
