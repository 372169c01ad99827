"""What models that read a whole text have in common when they answer.

Knows questions and answers; knows nothing of metrics or screens. How a kind of head makes an answer
is in `classifier.py` and `masked.py`.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch

from workbench.data.reading import Reading
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
from workbench.inference.errors import ModelError
from workbench.inference.resident import Resident
from workbench.protocol import FormatFound, Token, Values
from workbench.session import GenerationSettings, Prompt, Session, SessionError, TrainingSettings
from workbench.session import load as load_session

MOST_TOKENS = 8192  # of a batch, padding included
WORDING = FormatFound(format="wording", recognised="wording", mapping={}, roles=[], why="")


class Reader(Resident):
    """Answers to a text. A row is read as it is in training, and cut as it is there."""

    context_length = 0  # a longer text is cut, so none is too long

    @property
    def scores(self) -> bool:
        """Whether it can tell the probability of a given answer."""
        return True

    # --- questions ---------------------------------------------------------------------------

    @cached_property
    def run(self) -> Session | None:
        """The session of the run that the tuned weights come from, where there is one."""
        path = self.folder / "runs" / self.loaded.adapter / "session.toml"
        try:
            return load_session(path) if self.loaded.adapter and path.exists() else None
        except SessionError:
            return None

    @property
    def longest(self) -> int:
        """Tokens that are read of a text."""
        asked = self.run.training.max_length if self.run else self.loaded.context_length
        return min(asked, self.loaded.context_length)

    def row_ids(
        self,
        prompt: Prompt,
        found: FormatFound,
        values: Values,
        _examples: Sequence[Values] = (),
    ) -> list[int]:
        """What is read of a row: the filled template, else the row's text.

        Raises:
            PromptError: where there is none.
        """
        if prompt.template.strip() and found.format == "text":
            found = WORDING
        settings = TrainingSettings(max_length=max(8, self.longest))
        encoder = Reading(self.loaded.tokenizer, prompt, found, settings)
        return encoder.encode(values)[0].input_ids

    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        """The last turn's text: there is nobody to talk to."""
        prompt = Prompt(name="text", template="{{ text }}")
        ids = self.row_ids(prompt, WORDING, {"text": str(turns[-1]["content"]) + start})
        return Question(turns=list(turns), start=start, ids=ids)

    # --- batches -----------------------------------------------------------------------------

    def batches(self, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Positions in batches of about equally long rows, the longest first."""
        batch: list[int] = []
        for place in sorted(range(len(rows)), key=lambda one: -len(rows[one])):
            width = len(rows[batch[0]]) if batch else 0
            if batch and (len(batch) == self.most or (len(batch) + 1) * width > MOST_TOKENS):
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def logits(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """What the model gives for these rows, in float32: [rows, outputs] of a classifier,
        [rows, longest, words] of a masked model."""
        known = self.loaded.base.config.get_text_config().pad_token_id
        pad = self.loaded.pad_token if known is None else known
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), pad)
        mask = torch.zeros_like(ids)
        for row, given in enumerate(rows):
            ids[row, : len(given)] = torch.tensor(given)
            mask[row, : len(given)] = 1
        more = {"use_cache": False} if "use_cache" in self.loaded.accepts else {}
        with self.loaded.answering(self.weights):
            found: torch.Tensor = self.loaded.model(
                input_ids=ids.to(self.loaded.device),
                attention_mask=mask.to(self.loaded.device),
                **more,
            ).logits
        return found.float()

    # --- answers -----------------------------------------------------------------------------

    def tokens(self, rows: Sequence[Sequence[int]], alternatives: int) -> list[list[Token]]:
        """The answer to each of a batch, piece by piece, with what else it might have been.

        Raises:
            ModelError: where there can be none to one of them.
        """
        raise NotImplementedError

    def joined(self, tokens: Sequence[Token]) -> str:
        """The text of an answer."""
        raise NotImplementedError

    def log_probabilities(
        self, rows: Sequence[Sequence[int]], answers: Sequence[str]
    ) -> list[list[float]]:
        """Of each answer to each of a batch.

        Raises:
            ModelError: where an answer is none that can be given.
        """
        raise NotImplementedError

    def stream(
        self,
        question: Question,
        _settings: GenerationSettings,
        on_text: OnText,
        stopped: threading.Event,
        wanted: Wanted = PLAIN,
    ) -> Answer:
        """See Answerer. There is nothing to go on from, and its labels are its own."""
        begun = time.perf_counter()
        if stopped.is_set():
            return Answer(reason="stopped")
        found = self.tokens([question.ids], wanted.alternatives)[0]
        answer = self.answered(found, begun)
        on_text(answer.text, answer.tokens, found if wanted.alternatives else [])
        return replace(answer, detail=found if wanted.alternatives else [])

    def write(
        self,
        questions: Sequence[Question],
        _settings: GenerationSettings,
        on_answer: OnAnswer,
        stopped: threading.Event,
        *,
        labels: Sequence[str] = (),  # noqa: ARG002
    ) -> None:
        rows = [question.ids for question in questions]
        for batch in self.batches(rows):
            if stopped.is_set():
                return
            begun = time.perf_counter()
            try:
                found = self.tokens([rows[one] for one in batch], 0)
            except ModelError:  # of some of its rows: each by itself says which
                for one in batch:
                    on_answer(one, self.alone(rows[one]))
                continue
            for one, tokens in zip(batch, found, strict=True):
                on_answer(one, self.answered(tokens, begun))

    def alone(self, row: Sequence[int]) -> Answer:
        begun = time.perf_counter()
        try:
            return self.answered(self.tokens([row], 0)[0], begun)
        except ModelError as error:
            return Answer(reason="failed", problem=str(error))

    def answered(self, tokens: list[Token], begun: float) -> Answer:
        seconds = time.perf_counter() - begun
        return Answer(
            text=self.joined(tokens),
            tokens=len(tokens),
            logprob=sum(token.logprob for token in tokens) if self.scores else None,
            seconds_to_first=seconds,
            seconds=seconds,
        )

    def choose(
        self,
        questions: Sequence[Question],
        labels: Sequence[str],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        rows = [question.ids for question in questions]
        for batch in self.batches(rows):
            if stopped.is_set():
                return
            found = self.log_probabilities([rows[one] for one in batch], labels)
            for one, values in zip(batch, found, strict=True):
                on_scores(one, values)

    def likelihood(
        self,
        questions: Sequence[Question],
        answers: Sequence[str],
        on_score: OnScore,
        stopped: threading.Event,
    ) -> None:
        for place, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            if stopped.is_set():
                return
            on_score(place, self.log_probabilities([question.ids], [answer])[0][0], 1)
