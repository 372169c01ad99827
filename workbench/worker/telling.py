"""Tells what a model answers, whoever it is: one in memory or one on a server."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench.protocol import (
    Generate,
    GenerationFinished,
    GenerationStarted,
    Token,
    Tokens,
    Values,
    Weights,
)
from workbench.worker.lane import Job
from workbench.worker.prompt_desk import found_of, prompt_tokens, turns_of_request

if TYPE_CHECKING:
    from workbench.inference.answering import Answer, Answerer, Question


def question_of(
    request: Generate, answerer: "Answerer", examples: Sequence[Values] = ()
) -> "Question":
    """What a request asks, for whom it asks.

    Raises:
        PromptError: where the prompt cannot be filled from the row.
    """
    from workbench.inference.answering import Question
    from workbench.measuring.questions import tokenizer_of

    reads = getattr(answerer, "row_ids", None)
    if reads is not None:
        found = found_of(request)
        return Question(ids=reads(request.prompt, found, request.values, examples))
    tokenizer = tokenizer_of(answerer)
    if tokenizer is None:
        return answerer.question(turns_of_request(request, examples), request.prompt.answer_start)
    return Question(ids=prompt_tokens(tokenizer, request, examples))


def tell_answers(  # noqa: PLR0917
    request: Generate,
    job: Job,
    answerer: "Answerer",
    question: "Question",
    weights: Weights,
    step: int = -1,
) -> list[GenerationFinished]:
    """As many answers as the settings want, each with a seed of its own, told as they come."""
    settings = request.generation
    samples = settings.num_return_sequences if settings.do_sample else 1
    finished: list[GenerationFinished] = []
    for sample in range(samples):
        if job.stopped.is_set():
            break
        seed = settings.seed + sample
        job.tell(
            GenerationStarted(
                request=job.id,
                weights=weights,
                prompt_tokens=len(question.ids) or -1,
                step=step,
                seed=seed,
                device=answerer.device,
                sample=sample,
                samples=samples,
                cached_tokens=known_tokens(answerer, question),
            )
        )
        answer = streamed(request, job, answerer, question, weights, sample)
        event = replace(
            ended(answer, weights, getattr(answerer, "notes", ())),
            request=job.id,
            step=step,
            sample=sample,
        )
        job.tell(event)
        finished.append(event)
    return finished


def streamed(  # noqa: PLR0917
    request: Generate,
    job: Job,
    answerer: "Answerer",
    question: "Question",
    weights: Weights,
    sample: int,
) -> "Answer":
    """One answer, whose tokens are told as they come."""
    from workbench.inference.answering import Wanted

    def tell(text: str, count: int, tokens: list[Token]) -> None:
        job.tell(
            Tokens(
                request=job.id,
                weights=weights,
                text=text,
                count=count,
                sample=sample,
                tokens=tokens,
            )
        )

    settings = request.generation
    settings = replace(settings, seed=settings.seed + sample, num_return_sequences=1)
    wanted = Wanted(request.labels, request.alternatives, request.begin, request.begin_text)
    return answerer.stream(question, settings, tell, job.stopped, wanted)


def ended(answer: "Answer", weights: Weights, notes: Iterable[str]) -> GenerationFinished:
    """The figures of an answer."""
    after = answer.seconds - answer.seconds_to_first
    return GenerationFinished(
        weights=weights,
        text=answer.text,
        tokens=answer.tokens,
        seconds_to_first=answer.seconds_to_first,
        tokens_per_second=(answer.tokens - 1) / after if after > 0 else 0.0,
        reason="stopped" if answer.reason == "failed" else answer.reason,
        problem=answer.problem,
        notes=list(notes),
    )


def known_tokens(answerer: "Answerer", question: "Question") -> int:
    """Of the prompt, the tokens that were read for an earlier one."""
    prefixes = getattr(answerer, "prefixes", None)
    found = prefixes and prefixes.longest(answerer.fingerprint, question.ids[:-1])
    return len(found.ids) if found else 0
