"""The answers to many questions, each asked once: what is known of before is not asked again.

Knows questions, answerers and a memory of answers; knows nothing of rows or metrics.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from workbench.inference.answering import Answer, Answerer, Question
from workbench.session import GenerationSettings

T = TypeVar("T")
KEPT_EVERY = 0.5  # seconds between answers that come and their being kept
CHUNK = 64  # questions between two looks at what else is asked; their prompts share a prefix


class Memory(Protocol):
    """Where answers are kept: `store.Results`."""

    def answers(self, keys: Sequence[str], kind: type[T]) -> dict[str, T]:
        """Those that there are, by key."""

    def keep(self, items: Iterable[tuple[str, Any]]) -> None:
        """Keep answers by key."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it is kept."""

    text: str = ""
    tokens: int = 0
    reason: str = "end"
    logprob: float | None = None
    scores: list[float] | None = None  # log-probability of each label
    problem: str = ""
    cached: bool = False


def key_of(fingerprint: str, question: Question, how: Any) -> str:
    """The same for the same weights, question and settings."""
    said = msgspec.json.encode([fingerprint, question.key, question.before, how], order="sorted")
    return hashlib.sha256(said).hexdigest()[:40]


class Answers:
    """Asks in chunks, keeps what comes at once, and looks between chunks at what else is asked.

    `tell(position, known)` is called once for each question, in whatever order.
    """

    def __init__(
        self,
        memory: Memory,
        stopped: threading.Event,
        between: Callable[[], None],
        fresh: bool = False,
    ) -> None:
        self.memory, self.stopped, self.between, self.fresh = memory, stopped, between, fresh

    def choose(
        self,
        answerer: Answerer,
        questions: Sequence[Question],
        labels: Sequence[str],
        tell: Callable[[int, Known], None],
    ) -> None:
        """The log-probability of each label as the answer to each question."""
        given = list(labels)

        def ask(chunk: Sequence[Question], on: Callable[[int, Known], None]) -> None:
            answerer.choose(
                chunk, given, lambda n, scores: on(n, Known(scores=list(scores))), self.stopped
            )

        self.ask(answerer, questions, ["choose", given], ask, tell)

    def write(
        self,
        answerer: Answerer,
        questions: Sequence[Question],
        settings: GenerationSettings,
        labels: Sequence[str],
        tell: Callable[[int, Known], None],
    ) -> None:
        """An answer to each question, written by the model."""
        constrained = list(labels) if settings.constraint == "labels" else []

        def ask(chunk: Sequence[Question], on: Callable[[int, Known], None]) -> None:
            answerer.write(
                chunk,
                settings,
                lambda n, answer: on(n, written(answer)),
                self.stopped,
                labels=constrained,
            )

        self.ask(answerer, questions, ["write", relevant(settings), constrained], ask, tell)

    def likelihood(
        self,
        answerer: Answerer,
        questions: Sequence[Question],
        answers: Sequence[str],
        tell: Callable[[int, Known], None],
    ) -> None:
        """The log-probability of a given answer to each question, and its number of tokens."""
        wanted = {id(question): answer for question, answer in zip(questions, answers, strict=True)}

        def ask(chunk: Sequence[Question], on: Callable[[int, Known], None]) -> None:
            answerer.likelihood(
                chunk,
                [wanted[id(one)] for one in chunk],
                lambda n, logprob, tokens: on(n, Known(logprob=logprob, tokens=tokens)),
                self.stopped,
            )

        self.ask(answerer, questions, ["likelihood"], ask, tell, answers)

    def ask(  # noqa: PLR0917
        self,
        answerer: Answerer,
        questions: Sequence[Question],
        how: list[Any],
        ask: Callable[[Sequence[Question], Callable[[int, Known], None]], None],
        tell: Callable[[int, Known], None],
        about: Sequence[str] = (),
    ) -> None:
        """`about`: what else is said of each question."""
        fingerprint = answerer.fingerprint
        keys = [
            key_of(fingerprint, question, [*how, *about[index : index + 1]])
            for index, question in enumerate(questions)
        ]
        places: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            places.setdefault(key, []).append(index)
        known = {} if self.fresh else self.memory.answers(list(places), Known)
        for key, value in known.items():
            for index in places.pop(key, ()):
                tell(index, msgspec.structs.replace(value, cached=True))
        # By length: little padding; the longest first, so that memory runs out at once or never.
        left = sorted(places, key=lambda key: -len(questions[places[key][0]].ids))
        for start in range(0, len(left), CHUNK):
            if self.stopped.is_set():
                return
            self.between()
            chunk = left[start : start + CHUNK]
            keeper = Keeper(self.memory)

            def on(
                position: int,
                made: Known,
                chunk: Sequence[str] = chunk,
                keeper: Keeper = keeper,
            ) -> None:
                if made.reason == "stopped":
                    return
                key = chunk[position]
                if not made.problem:
                    keeper.take(key, made)
                for index in places[key]:
                    tell(index, made)

            try:
                ask([questions[places[key][0]] for key in chunk], on)
            finally:  # what came is not asked again, whatever happened then
                keeper.flush()


class Keeper:
    """Keeps answers as they come, those of half a second together: a process that is killed has
    little to ask again."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.came, self.kept_at = memory, dict[str, Known](), time.monotonic()

    def take(self, key: str, known: Known) -> None:
        self.came[key] = known
        if time.monotonic() - self.kept_at > KEPT_EVERY:
            self.flush()

    def flush(self) -> None:
        came, self.came = self.came, {}
        if came:
            self.memory.keep(came.items())
        self.kept_at = time.monotonic()


def written(answer: Answer) -> Known:
    return Known(
        text=answer.text,
        tokens=answer.tokens,
        reason=answer.reason,
        logprob=answer.logprob,
        problem=answer.problem,
    )


def relevant(settings: GenerationSettings) -> dict[str, Any]:
    """Of the settings those that an answer depends on."""
    made: dict[str, Any] = msgspec.to_builtins(settings)
    made.pop("num_return_sequences")
    if made["num_beams"] == 1:  # as it was before there were several
        made.pop("num_beams")
    if not settings.do_sample:
        for name in ("temperature", "top_p", "top_k", "seed"):
            made.pop(name)
    return made
