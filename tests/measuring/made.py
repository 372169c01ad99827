"""Replies, measurements and stores for the tests of measuring."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.data.splits import row_key
from workbench.measuring.metrics import choose_metrics, figure, score
from workbench.measuring.replies import Reply
from workbench.measuring.store import About, Measurement, StoredRow
from workbench.protocol import Evaluated, MetricValue
from workbench.session import EvaluationSettings, GenerationSettings, Prompt

WORDS = ["the", "a", "small", "cat", "dog", "sat", "ran", "flew", "over", "on", "mat", ".", "!"]


def sentences(count: int, seed: int = 0, changed: float = 0.3) -> tuple[list[str], list[str]]:
    """Expected sentences, and answers in which a share of the words is another."""
    draw = random.Random(seed)
    expected = [" ".join(draw.choices(WORDS, k=draw.randint(3, 15))) for _ in range(count)]
    answers = [
        " ".join(draw.choice(WORDS) if draw.random() < changed else word for word in one.split())
        for one in expected
    ]
    return expected, answers


def chosen_labels(
    count: int, labels: Sequence[str], right: float, seed: int = 0
) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    expected = [draw.choices(labels, range(len(labels), 0, -1))[0] for _ in range(count)]
    answers = [one if draw.random() < right else draw.choice(labels) for one in expected]
    return expected, answers


def replies_of(expected: Sequence[str], answers: Sequence[str], **more: Any) -> list[Reply]:
    return [
        Reply(
            number=number,
            expected=one,
            answer=answer,
            key=row_key(number, {"text": one}),
            **{name: values[number] for name, values in more.items()},
        )
        for number, (one, answer) in enumerate(zip(expected, answers, strict=True))
    ]


def figures_of(
    replies: Sequence[Reply],
    metrics: Sequence[Any] = (),
    labels: Sequence[str] = (),
    folder: Path = Path(),
    **settings: Any,
) -> dict[str, MetricValue]:
    """All figures that there are, by name."""
    chosen = choose_metrics(
        EvaluationSettings(metrics=list(metrics), **settings),
        labels,
        [reply.expected for reply in replies],
        folder,
    )
    scores = [score(chosen, reply)[0] for reply in replies]
    made = {metric.name: figure(metric, replies, scores) for metric in chosen}
    for metric in chosen:
        metric.close()
    return {str(name): value for name, value in made.items() if value is not None}


def measurement(
    replies: Sequence[Reply],
    metrics: Sequence[Any],
    labels: Sequence[str] = (),
    name: str = "first",
    **settings: Any,
) -> Measurement:
    """A measurement as the store gives it back."""
    evaluation = EvaluationSettings(metrics=list(metrics), **settings)
    chosen = choose_metrics(evaluation, labels, [reply.expected for reply in replies])
    rows = [StoredRow(reply=reply, scores=score(chosen, reply)[0]) for reply in replies]
    told = [figure(metric, replies, [row.scores for row in rows]) for metric in chosen]
    evaluated = Evaluated(
        weights="base",
        rows=len(rows),
        metric=chosen[0].words,
        value=told[0].value if told[0] else 0.0,
        low=0.0,
        high=1.0,
        seconds=1.0,
        metrics=[one for one in told if one],
    )
    about = About(
        prompt=Prompt(name=name),
        model="tiny",
        weights="base",
        evaluation=evaluation,
        generation=GenerationSettings(),
        metrics=[metric.name for metric in chosen],
        labels=list(labels),
    )
    return Measurement(
        id=name,
        session="sessions/a.toml",
        version="v",
        begun=0.0,
        complete=True,
        about=about,
        evaluated=evaluated,
        rows=rows,
    )
