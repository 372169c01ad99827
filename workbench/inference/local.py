"""The model in memory answers: one question as one watches, or many as fast as can be.

Knows questions and answers; knows nothing of rows, metrics or screens.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence


from workbench.data.prompting import encode_turns, end_of_turn
from workbench.inference.answering import Answer, OnAnswer, OnText, Question, Turn
from workbench.inference.choice import score_labels, with_ends
from workbench.inference.device import describe
from workbench.inference.errors import ModelError
from workbench.inference.generation import check_length, generate
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.protocol import Weights
from workbench.session import GenerationSettings

MOST_ROWS = 16


class LocalAnswerer:
    """Answers from the model in memory, with its own weights or those of its adapter."""

    scores = True

    def __init__(self, loaded: LoadedModel, weights: Weights, prefixes: Prefixes) -> None:
        self.loaded, self.weights, self.prefixes = loaded, weights, prefixes
        self.name = loaded.settings.name
        self.device = describe(loaded.device)
        self.context_length = loaded.context_length

    @property
    def fingerprint(self) -> str:
        said = f"{self.name} {self.loaded.settings.revision} {self.weights} {self.loaded.adapter}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        ids = encode_turns(self.loaded.tokenizer, list(turns), start)
        return Question(turns=list(turns), start=start, ids=ids)

    def stream(
        self,
        question: Question,
        settings: GenerationSettings,
        on_text: OnText,
        stopped: threading.Event,
        *,
        alternatives: int = 0,
        begin: Sequence[int] = (),
        begin_text: str = "",
        labels: Sequence[str] = (),
    ) -> Answer:
        begun = time.perf_counter()
        made = generate(
            self.loaded,
            question.ids,
            settings,
            self.weights,
            stopped,
            lambda text, count: on_text(text, count, []),
        )
        return Answer(
            text=made.text,
            tokens=made.tokens,
            reason=made.reason,
            seconds_to_first=made.seconds_to_first,
            seconds=time.perf_counter() - begun,
        )

    def write(
        self,
        questions: Sequence[Question],
        settings: GenerationSettings,
        on_answer: OnAnswer,
        stopped: threading.Event,
        *,
        labels: Sequence[str] = (),
    ) -> None:
        for position, question in enumerate(questions):
            if stopped.is_set():
                return
            try:
                answer = self.stream(
                    question, settings, lambda *_news: None, stopped, labels=labels
                )
            except ModelError as error:
                answer = Answer(reason="failed", problem=str(error))
            on_answer(position, answer)

    def choose(
        self,
        questions: Sequence[Question],
        labels: Sequence[str],
        on_scores: Callable[[int, list[float]], None],
        stopped: threading.Event,
    ) -> None:
        tokenizer = self.loaded.tokenizer
        for batch in self.batches(questions, stopped):
            ids = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in labels]
            ids = with_ends(ids, end_of_turn(tokenizer))
            for position in batch:
                check_length(self.loaded, len(questions[position].ids), max(map(len, ids)))
            with self.loaded.answering(self.weights):
                scores = score_labels(self.loaded, [questions[n].ids for n in batch], ids)
            for position, row in zip(batch, scores.tolist(), strict=True):
                on_scores(position, row)

    def likelihood(
        self,
        questions: Sequence[Question],
        answers: Sequence[str],
        on_score: Callable[[int, float, int], None],
        stopped: threading.Event,
    ) -> None:
        tokenizer = self.loaded.tokenizer
        end = list(end_of_turn(tokenizer))
        for position, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            if stopped.is_set():
                return
            ids = [*tokenizer(answer, add_special_tokens=False)["input_ids"], *end]
            with self.loaded.answering(self.weights):
                score = score_labels(self.loaded, [question.ids], [ids])
            on_score(position, float(score), len(ids))

    def batches(
        self, questions: Sequence[Question], stopped: threading.Event
    ) -> Iterator[list[int]]:
        order = sorted(range(len(questions)), key=lambda n: -len(questions[n].ids))
        for start in range(0, len(order), MOST_ROWS):
            if stopped.is_set():
                return
            yield order[start : start + MOST_ROWS]
