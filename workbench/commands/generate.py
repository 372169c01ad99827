"""`workbench generate`: an answer to the session's prompt for a row of its dataset."""

import json
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import Client, connected, progress
from workbench.commands.starting import find_session
from workbench.protocol import (
    AnyEvent,
    DatasetIndexed,
    DatasetOpened,
    Generate,
    GenerationFinished,
    GenerationStarted,
    HostLost,
    OpenDataset,
    ReadRow,
    Row,
    Token,
    Tokens,
    Weights,
)
from workbench.session import Session, SessionError
from workbench.text import literal
from workbench.worker.lane import RefusedError

BOTH: tuple[Weights, ...] = ("base", "tuned")


def choose_prompt(session: Session, name: str) -> Session:
    """The session with this one of its prompts in use."""
    if not name:
        return session
    names = [prompt.name for prompt in session.prompts]
    if name not in names:
        raise SessionError(
            f"There is no prompt {name} in the session; there is {', '.join(names)}."
        )
    return replace(session, active_prompt=name)


def choose_adapter(session: Session, adapter: str) -> Session:
    if not adapter:
        return session
    return replace(session, model=replace(session.model, adapter=adapter))


def read_row(client: Client, session: Session, folder: Path, row: int) -> Row:
    """The row at a position, broken ones included.

    Raises:
        RefusedError: where there is none, or it is broken.
    """
    opened = client.answer(OpenDataset(dataset=session.dataset, folder=str(folder)))
    assert isinstance(opened, DatasetOpened)
    while not opened.complete and opened.rows <= row:  # the rest of a large file is being read
        event = client.hear()
        if isinstance(event, DatasetIndexed):
            opened = event.opened
            if event.problem:
                raise RefusedError(event.problem)
        elif isinstance(event, HostLost):
            raise RefusedError(event.message)
    found = client.answer(ReadRow(index=row))
    assert isinstance(found, Row)
    if found.broken:
        raise RefusedError(f"Row {row + 1:,} is broken: {found.broken}")
    return found


def generate(
    word: str,
    *,
    row: int | None,
    prompt: str,
    adapter: str,
    weights: str,
    samples: int,
    alternatives: int,
    in_process: bool,
    as_json: bool,
) -> int:
    """Stream the answer to stdout; the figures go to stderr, or with it as JSON."""
    path, _ = find_session(word)
    session = choose_adapter(choose_prompt(sessions.load(path), prompt), adapter)
    number = session.layout.row + 1 if row is None else row  # counted from 1, as on the screen
    wanted = BOTH if weights == "both" else (cast(Weights, weights),)
    answers: list[dict[str, Any]] = []
    problem = ""
    with connected(path, in_process) as client, progress() as show:
        found = read_row(client, session, sessions.workspace(path), number - 1)
        request = asked(session, path, found, wanted, samples)
        request = replace(request, alternatives=alternatives if as_json else 0)
        tokens: dict[tuple[Weights, int], list[Any]] = {}
        for event in client.ask(request):
            show(event)
            if isinstance(event, Tokens):
                tokens.setdefault((event.weights, event.sample), []).extend(event.tokens)
            if isinstance(event, GenerationFinished):
                came = tokens.get((event.weights, event.sample), [])
                answers.append(answer_of(event, number, came))
                problem = problem or event.problem
            if not as_json:
                print_event(event, several=len(wanted) > 1)
    if as_json:
        print(json.dumps({"prompt": session.prompt().name, "answers": answers}))
    if problem:
        print(literal(problem), file=sys.stderr)
    return 1 if problem else 0


def asked(
    session: Session, path: Path, row: Row, weights: tuple[Weights, ...], samples: int
) -> Generate:
    """The request for answers to the prompt in use; `samples` 0: as many as the session says."""
    prompt = session.prompt()
    settings = session.generation_of(prompt)
    if samples:
        settings = replace(settings, num_return_sequences=samples, do_sample=samples > 1)
    return Generate(
        model=session.model_of(prompt),
        folder=str(sessions.workspace(path)),
        prompt=prompt,
        values=row.values,
        generation=settings,
        weights=weights,
        dataset=session.dataset,
        number=row.number,
        session_path=str(path.absolute()),
        labels=session.evaluation.labels,
    )


def answer_of(event: GenerationFinished, row: int, tokens: list[Token]) -> dict[str, Any]:
    """An answer as JSON, with its tokens where they came in detail."""
    answer = {"row": row, **msgspec.to_builtins(event)}
    if tokens:
        answer["detail"] = [told(one) for one in tokens]
    del answer["request"]
    answer.pop("type", None)
    return answer


def print_event(event: AnyEvent, *, several: bool) -> None:
    """The answer to stdout as it comes, its figures to stderr; with `several` whose it is."""
    if isinstance(event, GenerationStarted):
        if several or event.step >= 0 or event.samples > 1:
            step = f", step {event.step}" if event.step >= 0 else ""
            step += f", seed {event.seed}" if event.samples > 1 else ""
            print(f"[{event.weights}{step}]", file=sys.stderr, flush=True)
    elif isinstance(event, Tokens):
        # To a terminal literally; into a file or a pipe as the model wrote it.
        print(literal(event.text) if sys.stdout.isatty() else event.text, end="", flush=True)
    elif isinstance(event, GenerationFinished):
        print(flush=True)
        print(
            f"{event.tokens} tokens, first after {event.seconds_to_first:.2f} s, "
            f"{event.tokens_per_second:.1f} tokens/s, {event.reason}",
            file=sys.stderr,
        )


def told(token: Token) -> dict[str, Any]:
    """A token with its probability and what else might have come."""
    return {
        "id": token.id,
        "text": token.text,
        "logprob": token.logprob,
        "alternatives": [
            {"id": one.id, "text": one.text, "logprob": one.logprob} for one in token.options
        ],
    }
