"""`workbench eval`: variants of the prompt, measured on rows that are not trained on."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import Client, connected, duration, progress
from workbench.commands.generate import choose_adapter
from workbench.commands.starting import find_session
from workbench.protocol import Compare, Compared, Evaluate, Evaluated, MetricValue
from workbench.session import Prompt, Session
from workbench.text import literal, one_line
from workbench.worker.lane import RefusedError


def evaluate(
    word: str,
    *,
    rows: int,
    variants: list[str],
    metrics: list[str],
    adapter: str,
    fresh: bool,
    in_process: bool,
    as_json: bool,
) -> int:
    """A line for each variant and weights, with its figures; what all but the first are worth
    beside it."""
    path, _ = find_session(word)
    session = choose_adapter(sessions.load(path), adapter)
    evaluation = session.evaluation
    if rows:
        evaluation = replace(evaluation, rows=rows)
    if metrics:
        document = {**msgspec.to_builtins(evaluation), "metrics": metrics}
        evaluation = msgspec.convert(document, sessions.EvaluationSettings)
    session = replace(session, evaluation=evaluation)
    prompts = [session.named(name) for name in variants] or [session.prompt()]
    found: list[Evaluated] = []
    problems: dict[str, str] = {}
    with connected(path, in_process) as client:
        for prompt in prompts:
            try:
                found += measure(client, session, path, prompt, fresh)
            except RefusedError as error:  # the others are measured nevertheless
                if len(prompts) == 1:
                    raise
                problems[prompt.name] = str(error)
        compared = compare(client, path, found)
    failed = bool(problems) or any(one.failed or not one.metrics for one in found)
    if as_json:
        document = {"results": plain(found), "comparisons": plain(compared), "problems": problems}
        print(json.dumps(document))
        return int(failed)
    for result in found:
        print_result(result, several=len(prompts) > 1)
    for comparison in compared:
        print(literal(f"{comparison.name_b} beside {comparison.name_a}: {comparison.verdict}"))
    for name, problem in problems.items():
        print(f"workbench: {one_line(name)}: {literal(problem)}", file=sys.stderr)
    return int(failed)


def measure(
    client: Client, session: Session, path: Path, prompt: Prompt, fresh: bool
) -> list[Evaluated]:
    request = Evaluate(
        model=session.model_of(prompt),
        folder=str(sessions.workspace(path)),
        dataset=session.dataset,
        prompt=prompt,
        evaluation=session.evaluation,
        generation=session.generation_of(prompt),
        session_path=str(path.absolute()),
        fresh=fresh,
    )
    found = []
    with progress() as show:
        for event in client.ask(request, stoppable=True):
            show(event)
            if isinstance(event, Evaluated):
                found.append(event)
    return found


def compare(client: Client, path: Path, found: list[Evaluated]) -> list[Compared]:
    """What each is worth beside the first."""
    compared = []
    for other in found[1:]:
        request = Compare(
            folder=str(sessions.workspace(path)), a=found[0].measurement, b=other.measurement
        )
        event = client.answer(request)
        assert isinstance(event, Compared)
        compared.append(event)
    return compared


def plain(events: list[Any]) -> list[Any]:
    """Events as JSON's values, without what only their way through a socket needs."""
    made = [msgspec.to_builtins(one) for one in events]
    for one in made:
        one.pop("type", None)
        one.pop("request", None)
    return made


def print_result(one: Evaluated, several: bool) -> None:
    name = f"{literal(one.prompt)}  " if several else ""
    extras = [
        f"{one.left_out} left out: too long" if one.left_out else "",
        f"{one.failed} without an answer" if one.failed else "",
        f"{one.cached} known before" if one.cached else "",
    ]
    end = "".join(f", {extra}" for extra in extras if extra)
    told = [
        f"{figure.name} {shown(figure, figure.value)}  "
        f"(95 %: {shown(figure, figure.low)} to {shown(figure, figure.high)})"
        f"{'  ' if figure.signature else ''}{figure.signature}"
        for figure in one.metrics
    ] or [f"{one.metric}: no figure"]
    print(f"{name}{one.weights:5}  {told[0]}  {one.rows} rows in {duration(one.seconds)}{end}")
    for figure in told[1:]:
        print(f"{'':{len(name) + 7}}{figure}")
    for note in one.notes:
        print(f"{'':{len(name) + 7}}{literal(note)}")


def shown(metric: MetricValue, value: float) -> str:
    return f"{value:.1%}" if metric.unit == "share" else f"{value:.3g}"
