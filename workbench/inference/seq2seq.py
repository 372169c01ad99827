"""An encoder-decoder in memory answers: it reads a text once, then writes another.

Knows questions and answers; knows nothing of rows, metrics or screens.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
from typing_extensions import override

from workbench.data.prompting import encode_turns
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
from workbench.inference.batches import batches
from workbench.inference.constraints import Constraint, constraint
from workbench.inference.decoding import Writing, begin_with, decode
from workbench.inference.errors import ModelError
from workbench.inference.generation import telling
from workbench.inference.resident import Resident, answered
from workbench.inference.sampling import Sampler
from workbench.inference.source_states import SourceStates, decoder_start, forced
from workbench.session import GenerationSettings

SCORED = 4096  # tokens of sources and answers that are scored together


class Seq2SeqAnswerer(Resident):
    """Answers from an encoder-decoder. A question's `ids` are all that the encoder reads: it reads
    both ways, so nothing of a source is kept."""

    scores = True
    context_length = 0  # of prompt and answer together there is no limit: each has its own

    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        ids = encode_turns(self.loaded.tokenizer, list(turns), start)
        return Question(turns=list(turns), start=start, ids=ids)

    def stream(
        self,
        question: Question,
        settings: GenerationSettings,
        on_text: OnText,
        stopped: threading.Event,
        wanted: Wanted = PLAIN,
    ) -> Answer:
        self.check(question, settings.max_new_tokens)
        begun = time.perf_counter()
        sampler = Sampler(settings, self.loaded.device)
        writing = self.writing(settings, sampler, wanted.labels, on_text, wanted.alternatives)
        given = list(wanted.begin)[: settings.max_new_tokens]
        if stopped.is_set():
            return answered(writing, begun)
        with telling(self.loaded, len(question.ids)), self.loaded.answering(self.weights):
            if settings.num_beams > 1 and not given:
                self.beams([question], [writing], settings, stopped, lambda _one: None)
            else:
                states = SourceStates(self.loaded, [question.ids])
                logits = states.begin([[*writing.prompt, *given]], len(given) + 1)[0]
                begin_with(writing, given, logits[:-1])
                decode(states, logits[-1:], [writing], sampler, stopped, lambda _one: None)
        return answered(writing, begun)

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
        fitting = self.fitting(questions, settings.max_new_tokens, on_answer)
        lengths = [len(questions[one].ids) for one in fitting]
        for batch in batches(lengths, self.most):
            if stopped.is_set():
                return
            begun = time.perf_counter()
            asked = [questions[fitting[one]] for one in batch]
            writings = [self.writing(settings, sampler, labels) for _ in batch]
            places = {id(one): fitting[n] for one, n in zip(writings, batch, strict=True)}

            def end(
                writing: Writing, places: dict[int, int] = places, begun: float = begun
            ) -> None:
                if writing.reason != "stopped":
                    on_answer(places[id(writing)], answered(writing, begun))

            with telling(self.loaded, max(lengths)), self.loaded.answering(self.weights):
                if settings.num_beams > 1:
                    self.beams(asked, writings, settings, stopped, end)
                    continue
                states = SourceStates(self.loaded, [one.ids for one in asked])
                logits = states.begin([list(one.prompt) for one in writings])[:, -1]
                decode(states, logits, writings, sampler, stopped, end)

    def beams(
        self,
        asked: Sequence[Question],
        writings: Sequence[Writing],
        settings: GenerationSettings,
        stopped: threading.Event,
        on_end: Callable[[Writing], None],
    ) -> None:
        """Answers by beam search, as transformers' `generate` does it."""
        loaded, begun = self.loaded, list(writings[0].prompt)
        states = SourceStates(loaded, [one.ids for one in asked], read=False)
        sampling: dict[str, Any] = {}
        if settings.do_sample:
            sampling = {
                "temperature": settings.temperature,
                "top_p": settings.top_p,
                "top_k": settings.top_k,
            }
            # the seed decides, and the process's random numbers go on as they were
        with torch.random.fork_rng(devices=[] if loaded.device.type == "cpu" else [loaded.device]):
            torch.manual_seed(settings.seed)
            made = loaded.base.generate(
                input_ids=states.source,
                attention_mask=states.mask,
                decoder_input_ids=torch.tensor([begun] * len(asked), device=loaded.device),
                generation_config=GenerationConfig(
                    num_beams=settings.num_beams,
                    do_sample=settings.do_sample,
                    max_new_tokens=settings.max_new_tokens,
                    repetition_penalty=settings.repetition_penalty,
                    eos_token_id=loaded.end_tokens or None,
                    pad_token_id=loaded.pad_token,
                    decoder_start_token_id=begun[0],
                    bad_words_ids=[[one] for one in states.never] or None,
                    early_stopping=True,
                    use_cache=True,
                    **sampling,
                ),
                stopping_criteria=StoppingCriteriaList([Stopped(stopped)]),
            )
        for writing, row in zip(writings, made[:, len(begun) :].tolist(), strict=True):
            for token in row:
                if writing.done or (token == loaded.pad_token and stopped.is_set()):
                    break
                writing.put(token, 0.0, [])
            writing.end()
            on_end(writing)

    def choose(
        self,
        questions: Sequence[Question],
        labels: Sequence[str],
        on_scores: OnScores,
        stopped: threading.Event,
    ) -> None:
        """As the protocol says: each label with the token that ends it, so that the numbers can be
        compared. A question that is longer than the context gets an empty list."""
        ids = [self.target(label) for label in labels]
        fitting = []
        for one, question in enumerate(questions):
            if len(question.ids) <= self.loaded.context_length:
                fitting.append(one)
            else:
                on_scores(one, [])
        lengths = [len(questions[one].ids) for one in fitting]
        most = max(1, SCORED // max(1, sum(map(len, ids))))
        for batch in batches(lengths, most):
            if stopped.is_set():
                return
            chosen = [fitting[one] for one in batch]
            with telling(self.loaded, max(lengths)), self.loaded.answering(self.weights):
                states = SourceStates(self.loaded, [questions[one].ids for one in chosen])
                states.select([row for row in range(len(chosen)) for _ in labels])
                scores = states.scores(ids * len(chosen), len(forced(self.loaded.tokenizer)))
            for place, one in enumerate(chosen):
                on_scores(one, scores[place * len(labels) : (place + 1) * len(labels)])

    def likelihood(
        self,
        questions: Sequence[Question],
        answers: Sequence[str],
        on_score: OnScore,
        stopped: threading.Event,
    ) -> None:
        """As the protocol says. One that is longer than the context is told as not a number, with
        its number of tokens."""
        before = len(forced(self.loaded.tokenizer))
        ids = [self.target(answer) for answer in answers]
        fitting = []
        for one, question in enumerate(questions):
            if max(len(question.ids), len(ids[one])) <= self.loaded.context_length:
                fitting.append(one)
            else:
                on_score(one, float("nan"), len(ids[one]) - before)
        lengths = [len(questions[one].ids) + len(ids[one]) for one in fitting]
        for batch in batches(lengths, self.most, tokens=SCORED):
            if stopped.is_set():
                return
            chosen = [fitting[one] for one in batch]
            with telling(self.loaded, max(lengths)), self.loaded.answering(self.weights):
                states = SourceStates(self.loaded, [questions[one].ids for one in chosen])
                scores = states.scores([ids[one] for one in chosen], before)
            for one, score in zip(chosen, scores, strict=True):
                on_score(one, score, len(ids[one]) - before)

    # --- what they share --------------------------------------------------------------------

    def target(self, text: str) -> list[int]:
        """An answer's tokens, with what the tokenizer puts around what is written."""
        return list(self.loaded.tokenizer(text_target=text)["input_ids"])

    def writing(
        self,
        settings: GenerationSettings,
        sampler: Sampler,
        labels: Sequence[str],
        on_text: OnText | None = None,
        alternatives: int = 0,
    ) -> Writing:
        """An answer that begins: after the token that starts the decoder, and its language."""
        held = self.constraint(settings, labels)
        more: dict[str, Any] = {"on_piece": on_text} if on_text else {}
        return Writing(
            self.loaded,
            [decoder_start(self.loaded), *forced(self.loaded.tokenizer)],
            settings.max_new_tokens,
            matcher=held.matcher() if held else None,
            random=sampler.random(),
            alternatives=alternatives,
            stream=TextSoFar(),
            **more,
        )

    def constraint(self, settings: GenerationSettings, labels: Sequence[str]) -> Constraint | None:
        if settings.constraint == "none":
            return None
        if not getattr(self.loaded.tokenizer, "is_fast", False):
            raise ModelError(
                f"{self.name} has a tokenizer that constraints cannot work with; set "
                "generation.constraint to none."
            )
        words = int(self.loaded.base.config.get_text_config().vocab_size)
        return constraint(
            settings,
            self.loaded.tokenizer,
            words,
            self.loaded.end_tokens,
            labels=labels,
            space=False,
            folder=self.folder,
        )

    @override
    def check(self, question: Question, new: int) -> None:
        """Raise ModelError where the prompt or its answer is longer than what the model reads."""
        limit = self.loaded.context_length
        if len(question.ids) > limit:
            raise ModelError(
                f"The prompt has {len(question.ids):,} tokens and {self.name} reads {limit:,}; "
                "shorten the prompt."
            )
        if new > limit:
            raise ModelError(
                f"{self.name} writes at most {limit:,} tokens; lower generation.max_new_tokens."
            )


class TextSoFar:
    """The text of tokens as they come, by decoding all of them: what is written is short, and a
    tokenizer that is written in Python has no stream."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.text = ""

    def step(self, backend: Any, token: int) -> str | None:
        """The text that a token adds; none while a character is not whole."""
        self.ids.append(token)
        text = backend.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd") or not text.startswith(self.text):
            return None
        piece, self.text = text[len(self.text) :], text
        return str(piece)


class Stopped(StoppingCriteria):
    """Ends a generation once the event is set."""

    def __init__(self, stopped: threading.Event) -> None:
        self.stopped = stopped

    def __call__(self, input_ids: torch.Tensor, _scores: Any, **_: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self.stopped.is_set(), device=input_ids.device)
