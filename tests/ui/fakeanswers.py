"""The answering side of the scripted worker: answers with tokens, measurements, a search.

The same answers for the same requests. A variant's answers depend on its name: the longer the name
the more of them are right, so that one variant is better than another.
"""

import time
from typing import Any


from workbench import protocol as p
from workbench.protocol import AnyEvent
from workbench.session import Prompt

WORDS = ["The", " review", " is", " rather", " positive."]


class FakeAnswers:
    rows: list[dict[str, Any]]
    cancelled: set[int]
    pace: float
    adapter: str

    def __init__(self) -> None:
        self.failing: set[int] = set()  # numbers of rows that a server refuses, until asked again
        self.answered: set[tuple[str, str, int]] = set()  # measurement's parts that were measured
        self.measured: dict[str, tuple[Prompt, p.Evaluated, list[p.MeasuredRow]]] = {}

    def on_event(self, event: AnyEvent) -> None:
        raise NotImplementedError

    # --- measuring ---------------------------------------------------------------------------

    def Evaluate(self, request: p.Evaluate) -> None:  # noqa: N802
        numbers = request.numbers or list(range(3, len(self.rows), 9))[: request.evaluation.rows]
        for weights in request.weights:
            if weights == "tuned" and not self.adapter:
                continue
            if not self.measure(request, weights, numbers):
                self.on_event(p.Done(request=request.id, cancelled=True))
                return
        self.on_event(p.Done(request=request.id))

    def measure(self, request: p.Evaluate, weights: p.Weights, numbers: list[int]) -> bool:
        """One measurement, in pieces. False where it was cancelled."""
        key = request.retry or f"{request.prompt.name}-{weights}-{len(numbers)}"
        before = {row.number: row for row in self.measured[key][2]} if request.retry else {}
        if request.retry:
            self.failing.clear()
            numbers = [row.number for row in before.values() if row.problem]
        total, cached = len(numbers), 0
        piece = max(1, total // 5)
        for start in range(0, total, piece):
            if request.id in self.cancelled:
                return False
            rows = [
                self.measured_row(request, weights, one) for one in numbers[start : start + piece]
            ]
            cached += sum(row.cached for row in rows)
            before |= {row.number: row for row in rows}
            done = start + len(rows)
            self.on_event(
                p.Progress(
                    request=request.id,
                    what=f"measuring {request.prompt.name} · {weights}",
                    done=done,
                    total=total,
                    unit="rows",
                    seconds_left=(total - done) / 10,
                )
            )
            self.on_event(
                p.RowsMeasured(
                    request=request.id,
                    measurement=key,
                    weights=weights,
                    rows=rows,
                    done=done,
                    total=total,
                )
            )
            if self.pace:
                time.sleep(self.pace)
        rows = list(before.values())
        event = evaluated(request, weights, key, rows, cached)
        self.measured[key] = (request.prompt, event, rows)
        self.on_event(event)
        return True

    def measured_row(self, request: p.Evaluate, weights: str, number: int) -> p.MeasuredRow:
        expected = str(self.rows[number].get("label", ""))
        if number in self.failing:
            words = "The server refused it: 429 Too Many Requests."
            return p.MeasuredRow(number=number, expected=expected, answer="", problem=words)
        quality = len(request.prompt.name) + (6 if weights == "tuned" else 0)
        right = number * 7 % 17 < quality
        other = "positive" if expected == "negative" else "negative"
        part = (request.prompt.name, weights, number)
        cached = part in self.answered and not request.fresh
        self.answered.add(part)
        return p.MeasuredRow(
            number=number,
            expected=expected,
            answer=expected if right else other,
            value=float(right),
            confidence=0.5 + number % 5 / 10,
            cached=cached,
        )


def evaluated(
    request: p.Evaluate, weights: p.Weights, key: str, rows: list[p.MeasuredRow], cached: int
) -> p.Evaluated:
    known = [row for row in rows if row.value is not None]
    value = sum(row.value or 0 for row in known) / max(1, len(known))
    labels = ["negative", "positive"]
    confusion = [
        [sum(row.expected == one and row.answer == other for row in known) for other in labels]
        for one in labels
    ]
    low, high = max(0.0, value - 0.11), min(1.0, value + 0.09)
    metrics = [
        p.MetricValue(name="accuracy", value=value, low=low, high=high, interval="Wilson"),
        p.MetricValue(
            name="macro_f1", value=value - 0.01, low=low, high=high, interval="bootstrap of 2,000"
        ),
    ]
    return p.Evaluated(
        request=request.id,
        weights=weights,
        rows=len(known),
        metric="accuracy",
        value=value,
        low=low,
        high=high,
        seconds=4.1,
        labels=labels,
        confusion=confusion,
        measurement=key,
        prompt=request.prompt.name,
        model=request.model.name,
        metrics=metrics,
        calibration=[(0.55, 0.5, 9), (0.65, 0.6, 7), (0.75, 0.8, 6), (0.85, 0.7, 4)],
        failed=len(rows) - len(known),
        cached=cached,
    )


