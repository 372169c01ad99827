"""Who answers on a server: anything that speaks OpenAI's chat completions, by its address.

vLLM, SGLang, llama.cpp, Ollama, `transformers serve` or a hosted one. Knows questions and answers;
what servers understand is in `dialects`, what goes wrong with them in `faults`.
"""

import hashlib
import json
import math
import re
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from workbench.inference.answering import (
    PLAIN,
    Answer,
    OnAnswer,
    OnScore,
    OnScores,
    OnText,
    Question,
    Turn,
    Wanted,
)
from workbench.inference.arriving import Arriving, NonsenseError
from workbench.inference.connection import Connection, FaultError, check_url, interruptible
from workbench.inference.constraints import read_schema
from workbench.inference.dialects import OPTIONAL, Dialect, kind_of
from workbench.inference.errors import ModelError
from workbench.inference.faults import Fault, has_model, host, nonsense, there_is
from workbench.inference.scoring import Scorer
from workbench.inference.several import Several
from workbench.session import GenerationSettings, ModelSettings
from workbench.text import one_line

ESSENTIAL = frozenset({0, 401, 407})  # without an answer, a key, a proxy nothing else works either
NO_SCORES = (
    "The server at {host} does not tell the probability of a given answer; measure with "
    'evaluation.answer = "write".'
)


@dataclass(frozen=True)
class Checked:
    """What a server said when it was asked for its models."""

    models: list[str]
    seconds: float
    note: str = ""  # such as: it has no model of this name


def check(settings: ModelSettings, stopped: threading.Event | None = None) -> Checked:
    """Ask a server which models it has.

    Raises:
        ModelError: where it cannot be reached, does not take the key, or is no such server.
    """
    answerer = EndpointAnswerer(settings)
    begun = time.perf_counter()
    answerer.connect(stopped or threading.Event())
    seconds = time.perf_counter() - begun
    return Checked(answerer.models, seconds, answerer.missing())


class EndpointAnswerer:
    """Answers from a server.

    `fingerprint` is of the server's address and the model's name: what stands behind the name can
    change without a sign, and answers that were kept are then those of the old weights. `scores`
    and `context_length` are known once the server was asked for its models (`connect`).
    """

    def __init__(self, settings: ModelSettings, folder: Path = Path()) -> None:
        """Nothing is sent. The file of a JSON schema is looked for in `folder`.

        Raises:
            ModelError: where the address cannot be one.
        """
        check_url(settings)
        self.settings, self.folder = settings, folder
        self.name = settings.name
        self.device = host(settings)
        said = f"{settings.url.rstrip('/')}\n{settings.name}"
        self.fingerprint = hashlib.sha256(said.encode()).hexdigest()[:16]
        self.context_length = 0
        self.scores = False
        self.models: list[str] = []
        self.dialect = Dialect()
        self.connected = False
        self.ends: list[int] = []

    @property
    def notes(self) -> list[str]:
        """What the server does not do as it was asked, a sentence each."""
        return list(self.dialect.notes)

    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        before = " " if start and not start[-1].isspace() else ""
        return Question(turns=list(turns), start=start, before=before)

    def connect(self, stopped: threading.Event) -> None:
        """Learn which server it is and what it has; it is done once, before the first question.

        Raises:
            ModelError: where the server cannot be reached or does not take the key.
        """

        async def asked() -> None:
            async with Connection(self.settings) as connection:
                await self.learn(connection)

        self.run(asked(), stopped)

    def missing(self) -> str:
        """A sentence where the server lists its models and this is none of them."""
        if not self.models or has_model(self.name, self.models):
            return ""
        return (
            f"The server at {self.device} lists no model {one_line(self.name, 80)}; "
            f"{there_is(self.models)}."
        )

    def stream(
        self,
        question: Question,
        settings: GenerationSettings,
        on_text: OnText,
        stopped: threading.Event,
        wanted: Wanted = PLAIN,
    ) -> Answer:
        settings, labels = self.held(settings, wanted.labels)
        wanted = replace(wanted, labels=labels)
        begun, detailed = wanted.begin_text, wanted.alternatives > 0
        if begun:
            on_text(begun, 0, [])
        arriving = Arriving(on_text, self.settings, begun, detailed=detailed)

        async def asked() -> Answer:
            async with Connection(self.settings, self.models) as connection:
                await self.learn(connection)
                return await self.ask(connection, arriving, question, settings, wanted, stream=True)

        answer: Answer | None = self.run(asked(), stopped)
        if answer is None:
            return arriving.answer(stopped=True)
        if detailed and not answer.detail and answer.tokens and not answer.problem:
            self.dialect.note(OPTIONAL["logprobs"])
        return answer

    def write(
        self,
        questions: Sequence[Question],
        settings: GenerationSettings,
        on_answer: OnAnswer,
        stopped: threading.Event,
        *,
        labels: Sequence[str] = (),
    ) -> None:
        """See Answerer. So many at once as `concurrency` says. Where the server is gone in the
        middle, what is left is told as failed, and can be asked again."""
        settings, labels = self.held(settings, labels)
        wanted = Wanted(labels)

        async def one(connection: Connection, position: int) -> None:
            question = questions[position]
            arriving = Arriving(untold, self.settings)
            on_answer(position, await self.ask(connection, arriving, question, settings, wanted))

        self.each(len(questions), one, lambda n, why: on_answer(n, failed(why)), stopped)

    def choose(
        self,
        questions: Sequence[Question],
        labels: Sequence[str],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        """See Answerer. A question that fails has no scores: it gets an empty list."""

        async def one(connection: Connection, position: int) -> None:
            scorer = self.scorer(connection)
            found = await connection.retrying(lambda: scorer.labels(questions[position], labels))
            on_scores(position, found)

        self.each(len(questions), one, lambda n, _why: on_scores(n, []), stopped)

    def likelihood(
        self,
        questions: Sequence[Question],
        answers: Sequence[str],
        on_score: OnScore,
        stopped: threading.Event,
    ) -> None:
        """See Answerer. Of a question that fails: NaN and 0 tokens."""

        async def one(connection: Connection, position: int) -> None:
            scorer, answer = self.scorer(connection), answers[position]
            score, tokens = await connection.retrying(
                lambda: scorer.answer(questions[position], answer)
            )
            on_score(position, score, tokens)

        self.each(len(questions), one, lambda n, _why: on_score(n, math.nan, 0), stopped)

    def scorer(self, connection: Connection) -> Scorer:
        if not self.scores:
            raise ModelError(NO_SCORES.format(host=self.device))
        return Scorer(connection, self.ends)

    def held(
        self, settings: GenerationSettings, labels: Sequence[str]
    ) -> tuple[GenerationSettings, Sequence[str]]:
        """The settings with a schema in place of its file's name; labels where they hold.

        Raises:
            ModelError: where the constraint is none.
        """
        if settings.constraint == "json_schema":
            schema = read_schema(settings.json_schema, self.folder, "generation.json_schema")
            settings = msgspec.structs.replace(settings, json_schema=json.dumps(schema))
        if settings.constraint == "regex" and not settings.pattern:
            raise ModelError(
                "generation.pattern is empty; write a regular expression for the answer."
            )
        if settings.constraint != "labels":
            return settings, ()
        if not labels:
            raise ModelError(
                "An answer is to be one of the labels and there are none; set evaluation.labels."
            )
        return settings, labels

    # --- one question ---------------------------------------------------------------------------

    async def ask(
        self,
        connection: Connection,
        arriving: Arriving,
        question: Question,
        settings: GenerationSettings,
        wanted: Wanted,
        *,
        stream: bool = False,
    ) -> Answer:
        """One answer, asked for again where it makes sense.

        Raises:
            FaultError: where nothing came.
        """

        async def attempt() -> Answer:
            while True:
                body = self.dialect.request(question, settings, wanted, stream=stream)
                begun = question.start + wanted.begin_text
                anew = "" if self.dialect.goes_on() == "flags" else begun
                arriving.expect(anew, self.dialect.wraps(wanted.labels))
                fault = await self.exchange(connection, body, arriving)
                if not fault or arriving.anything:
                    return ended(arriving, fault, stream)
                if not self.dialect.leave_out(body, fault.refused, fault.parameter):
                    raise FaultError(fault)

        answer = await connection.retrying(attempt)
        if answer.reason == "end":
            self.dialect.check(answer.text, settings, wanted.labels)
        return answer

    async def exchange(
        self, connection: Connection, body: dict[str, Any], arriving: Arriving
    ) -> Fault | None:
        """Send a request and take in what comes; why it failed, if it did."""
        try:
            async with aclosing(connection.chat(body)) as pieces:
                async for piece in pieces:
                    arriving.add(piece)
        except FaultError as error:
            return error.fault
        except NonsenseError:
            return nonsense(self.settings)
        return None

    # --- many questions -------------------------------------------------------------------------

    def each(
        self,
        count: int,
        one: Callable[[Connection, int], Awaitable[None]],
        left: Callable[[int, Fault], None],
        stopped: threading.Event,
    ) -> None:
        """Ask so many questions, some at once.

        Raises:
            ModelError: where the server answers none of them.
        """

        async def all_of_them() -> None:
            async with Connection(self.settings, self.models) as connection:
                await self.learn(connection)
                await Several(count, left).ask(self.settings.concurrency, one, connection)

        if count and not stopped.is_set():
            self.run(all_of_them(), stopped)

    def run(self, work: Any, stopped: threading.Event) -> Any:
        """What `interruptible` gives; a fault becomes a sentence."""
        try:
            return interruptible(work, stopped)
        except FaultError as error:
            words = error.fault.words
        raise ModelError(words)

    async def learn(self, connection: Connection) -> None:
        """Ask the server which models it has: by how it lists them it is known. One that has no
        such list is asked all the same."""
        if self.connected:
            return
        try:
            listed = await connection.get("models")
        except FaultError as error:
            if error.fault.code in ESSENTIAL:
                raise
            listed = None
        data = listed.get("data") if isinstance(listed, dict) else None
        models = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
        self.models = [str(one["id"]) for one in models if "id" in one]
        connection.models = self.models
        self.dialect.kind = kind_of(models)
        mine = next((one for one in models if has_model(self.name, [str(one.get("id"))])), {})
        self.context_length = context_in(mine)
        if self.dialect.kind == "vllm":
            self.dialect.version = await version_of(connection)
            self.scores = True
        self.connected = True


def context_in(model: dict[str, Any]) -> int:
    """Tokens of the model's context, where the server tells: vLLM and SGLang, llama.cpp."""
    meta = model.get("meta")
    said = model.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else 0)
    return said if isinstance(said, int) and said > 0 else 0


async def version_of(connection: Connection) -> tuple[int, ...]:
    """vLLM's version, empty where it does not say."""
    try:
        said = await connection.get("/version")
    except FaultError:
        return ()
    text = str(said.get("version", "")) if isinstance(said, dict) else ""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def failed(fault: Fault) -> Answer:
    return Answer(reason="failed", problem=fault.words)


def ended(arriving: Arriving, fault: Fault | None, stream: bool) -> Answer:
    """What came of an answer until it ended, in whatever way."""
    if arriving.finish or not (fault or stream):
        return arriving.answer(problem=arriving.missing())
    if not arriving.anything:
        return arriving.answer(problem=arriving.missing())
    why = f" {fault.words}" if fault else ""
    return arriving.answer(problem=f"The answer broke off in the middle.{why}")


def untold(_text: str, _count: int, _tokens: list[Any]) -> None:
    """What is written is told when it is whole."""
