"""The model in memory answers: one question as one watches, or many as fast as can be.

Knows questions and answers; knows nothing of rows, metrics or screens.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from typing_extensions import override

from workbench.data.prompting import encode_turns, end_of_turn
from workbench.inference.abilities import abilities
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
from workbench.inference.choice import rest_of_labels, with_ends
from workbench.inference.constraints import Constraint, constraint
from workbench.inference.decoding import Writing, begin_with, decode
from workbench.inference.generation import check_length, telling
from workbench.inference.resident import Resident, answered
from workbench.inference.sampling import Sampler
from workbench.inference.states import States, base_model
from workbench.inference.together import Together, Work
from workbench.session import GenerationSettings


class LocalAnswerer(Resident):
    """Answers by writing on."""

    scores = True

    @property
    def context_length(self) -> int:
        """Tokens of prompt and answer together; virtual ones take of them."""
        return self.loaded.room(self.weights)

    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        tokenizer = self.loaded.tokenizer
        ids = encode_turns(tokenizer, list(turns), start)
        said = start or ("" if tokenizer.chat_template else turns[-1]["content"])
        plain = bool(start) or not tokenizer.chat_template
        before = " " if plain and not said[-1:].isspace() else ""
        return Question(turns=list(turns), start=start, ids=ids, before=before)

    def stream(
        self,
        question: Question,
        settings: GenerationSettings,
        on_text: OnText,
        stopped: threading.Event,
        wanted: Wanted = PLAIN,
    ) -> Answer:
        """As the protocol says; an answer and what it began with have `max_new_tokens` together."""
        self.check(question, settings.max_new_tokens)
        begun = time.perf_counter()
        sampler = Sampler(settings, self.loaded.device)
        held = self.constraint(settings, wanted.labels, question)
        writing = Writing(
            self.loaded,
            question.ids,
            settings.max_new_tokens,
            matcher=held.matcher() if held else None,
            random=sampler.random(),
            alternatives=wanted.alternatives,
            on_piece=on_text,
        )
        given = list(wanted.begin)[: settings.max_new_tokens]
        if not stopped.is_set():
            with telling(self.loaded, len(question.ids)), self.answering():
                self.one(writing, given, sampler, stopped)
        return answered(writing, begun)

    def one(
        self, writing: Writing, given: list[int], sampler: Sampler, stopped: threading.Event
    ) -> None:
        """Read a prompt from where it differs from the last ones, and write its answer."""
        weights = self.fingerprint
        prompt = list(writing.prompt)
        can = abilities(self.loaded)
        begun = self.loaded.openings.begun
        keeps = can.keeps and begun + len(prompt) + writing.room <= can.limit
        prefix = self.prefixes.longest(weights, prompt[:-1]) if keeps else None
        states = States(self.loaded, 1, prefix)
        rest = prompt[len(prefix.ids) if prefix else 0 :]
        logits = states.read([[*rest, *given]], len(given) + 1)[0]  # [given + 1, words]
        begin_with(writing, given, logits[:-1])
        decode(states, logits[-1:], [writing], sampler, stopped, lambda _writing: None)
        if keeps:
            read = int(states.lengths[0]) - begun
            kept = states.kept([*prompt, *writing.ids][:read])
            if kept is not None:
                self.prefixes.keep(weights, kept)

    def write(
        self,
        questions: Sequence[Question],
        settings: GenerationSettings,
        on_answer: OnAnswer,
        stopped: threading.Event,
        *,
        labels: Sequence[str] = (),
    ) -> None:
        sampler = Sampler(settings, self.loaded.device)
        held = self.constraint(settings, labels, questions[0]) if questions else None
        fitting = self.fitting(questions, settings.max_new_tokens, on_answer)
        told: set[int] = set()
        begun = time.perf_counter()

        def act(batch: list[int], states: States, logits: torch.Tensor) -> None:
            nonlocal begun
            places: dict[int, int] = {}

            def end(writing: Writing) -> None:
                if writing.reason != "stopped":
                    told.add(places[id(writing)])
                    on_answer(fitting[places[id(writing)]], answered(writing, begun))

            writings = [
                Writing(
                    self.loaded,
                    questions[fitting[one]].ids,
                    settings.max_new_tokens,
                    matcher=held.matcher() if held else None,
                    random=sampler.random(),
                )
                for one in batch
            ]
            places.update({id(one): place for one, place in zip(writings, batch, strict=True)})
            decode(states, logits[:, -1], writings, sampler, stopped, end)
            begun = time.perf_counter()  # of the next batch

        with self.reading(fitting, questions) as together:
            work = Work(
                [questions[one].ids for one in fitting],
                act,
                stopped,
                room=settings.max_new_tokens,
                left=lambda one: one not in told,
            )
            together.read(work)

    def choose(
        self,
        questions: Sequence[Question],
        labels: Sequence[str],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        """As the protocol says: of all tokens of a label, and of the one that ends the turn where
        labels differ in length; see `choice.with_ends`. A question that is longer than the context
        gets an empty list."""
        end = end_of_turn(self.loaded.tokenizer)
        for before in sorted({question.before for question in questions}):
            ids = with_ends([self.encode(before + label) for label in labels], end)
            longest = max(map(len, ids), default=0)
            asked = [n for n, one in enumerate(questions) if one.before == before]
            fitting = []
            for one in asked:
                if len(questions[one].ids) + longest <= self.context_length:
                    fitting.append(one)
                else:
                    on_scores(one, [])
            if longest == 1 or abilities(self.loaded).keeps:
                self.choose_next(questions, fitting, ids, on_scores, stopped)
            else:
                self.choose_whole(questions, fitting, ids, on_scores, stopped)

    def choose_next(
        self,
        questions: Sequence[Question],
        fitting: list[int],
        labels: list[list[int]],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        """Labels' first tokens from one pass over the prompts, the rest from one that goes on."""
        first = [label[0] for label in labels]
        told: set[int] = set()

        def act(batch: list[int], states: States, logits: torch.Tensor) -> None:
            scores = logits[:, -1].log_softmax(-1)[:, first]
            if any(len(label) > 1 for label in labels):
                scores = scores + rest_of_labels(states, labels, self.loaded.pad_token)
            for one, row in zip(batch, scores.tolist(), strict=True):
                told.add(one)
                on_scores(fitting[one], row)

        with self.reading(fitting, questions) as together:
            work = Work(
                [questions[one].ids for one in fitting],
                act,
                stopped,
                room=max(map(len, labels)),
                exact=first,
                left=lambda one: one not in told,
            )
            together.read(work)

    def choose_whole(
        self,
        questions: Sequence[Question],
        fitting: list[int],
        labels: list[list[int]],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        """Every label of every prompt in a row of its own: for a state that cannot be repeated."""
        scores: dict[int, dict[int, float]] = {one: {} for one in fitting}

        def on_score(place: int, score: float) -> None:
            one, label = fitting[place // len(labels)], place % len(labels)
            scores[one][label] = score
            if len(scores[one]) == len(labels):
                on_scores(one, [scores[one][n] for n in range(len(labels))])

        pairs = [(questions[one].ids, label) for one in fitting for label in labels]
        self.score(pairs, on_score, stopped, questions)

    def likelihood(
        self,
        questions: Sequence[Question],
        answers: Sequence[str],
        on_score: OnScore,
        stopped: threading.Event,
    ) -> None:
        """As the protocol says. One that is longer than the context is told as not a number, with
        its number of tokens."""
        end = list(end_of_turn(self.loaded.tokenizer))
        pairs, places = [], []
        for place, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            ids = [*self.encode(question.before + answer), *end]
            if len(question.ids) + len(ids) > self.context_length or not ids:
                on_score(place, float("nan") if ids else 0.0, len(ids))
            else:
                pairs.append((question.ids, ids))
                places.append(place)
        self.score(
            pairs,
            lambda n, score: on_score(places[n], score, len(pairs[n][1])),
            stopped,
            questions,
        )

    def score(
        self,
        pairs: Sequence[tuple[list[int], list[int]]],
        on_score: Callable[[int, float], None],
        stopped: threading.Event,
        questions: Sequence[Question],
    ) -> None:
        """The log-probability of all tokens that follow each prompt."""
        told: set[int] = set()

        def act(batch: list[int], _states: States, logits: torch.Tensor) -> None:
            for row, one in enumerate(batch):
                ids = torch.tensor(pairs[one][1], device=logits.device)
                found = logits[row, -len(ids) - 1 : -1].log_softmax(-1)
                told.add(one)
                on_score(one, float(found.gather(1, ids[:, None]).sum()))

        with self.reading(range(len(pairs)), questions) as together:
            work = Work(
                [[*prompt, *ids] for prompt, ids in pairs],
                act,
                stopped,
                keep=[len(ids) + 1 for _, ids in pairs],
                left=lambda one: one not in told,
            )
            together.read(work)

    @override
    def check(self, question: Question, new: int) -> None:
        check_length(self.loaded, len(question.ids), new, self.weights)

    def encode(self, text: str) -> list[int]:
        return list(self.loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    def constraint(
        self, settings: GenerationSettings, labels: Sequence[str], question: Question
    ) -> Constraint | None:
        words = int(base_model(self.loaded).config.get_text_config().vocab_size)
        return constraint(
            settings,
            self.loaded.tokenizer,
            words,
            self.loaded.end_tokens,
            labels=labels,
            space=bool(question.before),
            folder=self.folder,
        )

    @contextmanager
    def answering(self) -> Iterator[None]:
        with self.loaded.answering(self.weights):
            yield

    @contextmanager
    def reading(self, fitting: Sequence[int], questions: Sequence[Question]) -> Iterator[Together]:
        longest = max((len(question.ids) for question in questions), default=0)
        with telling(self.loaded, longest), self.answering():
            weights = self.fingerprint if fitting else ""
            yield Together(self.loaded, self.prefixes, weights, self.most)
