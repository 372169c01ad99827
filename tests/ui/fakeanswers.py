"""The answering side of the scripted worker: answers with tokens, measurements, a search.

The same answers for the same requests. A variant's answers depend on its name: the longer the name
the more of them are right, so that one variant is better than another.
"""

import time
from pathlib import Path
from typing import Any

import msgspec

from workbench import protocol as p
from workbench.protocol import AnyEvent
from workbench.session import Prompt

WORDS = ["The", " review", " is", " rather", " positive."]
OTHERS = [" not", " quite", "positive", "\n"]
VOCABULARY = [*WORDS, *OTHERS]


class FakeAnswers:
    rows: list[dict[str, Any]]
    versions: list[p.Version]
    cancelled: set[int]
    pace: float
    adapter: str
    live: p.RunStatus | None

    def __init__(self) -> None:
        self.split = ""  # whose rows are measured
        self.break_off = ""  # why a server breaks off after two tokens
        self.failing: set[int] = set()  # numbers of rows that a server refuses, until asked again
        self.answered: set[tuple[str, str, int]] = set()  # measurement's parts that were measured
        self.measured: dict[str, tuple[Prompt, p.Evaluated, list[p.MeasuredRow]]] = {}

    def on_event(self, event: AnyEvent) -> None:
        raise NotImplementedError

    # --- answers -----------------------------------------------------------------------------

    def Generate(self, request: p.Generate) -> None:  # noqa: N802
        tuned = bool(self.adapter or self.live)
        for weights in request.weights:
            if weights == "tuned" and not tuned:
                continue
            for sample in range(request.generation.num_return_sequences):
                self.answer(request, weights, sample)
        self.on_event(p.Done(request=request.id, cancelled=request.id in self.cancelled))

    def answer(self, request: p.Generate, weights: p.Weights, sample: int) -> None:
        step = self.live.step if self.live else -1
        told: dict[str, Any] = {"request": request.id, "weights": weights, "sample": sample}
        self.on_event(
            p.GenerationStarted(
                **told,
                prompt_tokens=50,
                step=step,
                seed=request.generation.seed + sample,
                samples=request.generation.num_return_sequences,
                cached_tokens=40,
            )
        )
        words = ["positive"] if weights == "tuned" else WORDS
        words = [*began(request), *words[len(began(request)) :]]
        said: list[str] = []
        problem = self.break_off if len(words) > 2 else ""
        for index, word in enumerate(words):
            if request.id in self.cancelled or (problem and index == 2):
                break
            said.append(word)
            tokens = [token_of(word, index)] if request.alternatives else []
            self.on_event(p.Tokens(**told, text=word, count=1, tokens=tokens))
            if self.pace:
                time.sleep(self.pace)
        self.on_event(
            p.GenerationFinished(
                **told,
                text="".join(said),
                tokens=len(said),
                seconds_to_first=0.31,
                tokens_per_second=18.2,
                reason="end" if len(said) == len(words) else "stopped",
                step=step,
                problem=problem,
            )
        )

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
                    split=self.split,
                )
            )
            if self.pace:
                time.sleep(self.pace)
        rows = list(before.values())
        event = evaluated(request, weights, key, rows, cached)
        self.measured[key] = (request.prompt, event, rows)
        self.remember(request.prompt, event)
        self.on_event(event)
        return True

    def remember(self, prompt: Prompt, event: p.Evaluated) -> None:
        """As the worker keeps it: a version of each text, with its figures."""
        kept = [one for one in self.versions if one.prompt == prompt]
        others = [one for one in self.versions if one.prompt != prompt]
        before = [f for one in kept for f in one.figures if f.measurement != event.measurement]
        number = kept[0].version if kept else f"v{len(self.versions) + 1}"
        now = 1_700_000_000.0 + event.request
        version = p.Version(
            version=number,
            name=prompt.name,
            prompt=prompt,
            first_run=kept[0].first_run if kept else now,
            last_run=now,
            answers=3,
            figures=[figure_of(event, now), *before],
        )
        self.versions = [version, *others]

    def ShowMeasurement(self, request: p.ShowMeasurement) -> None:  # noqa: N802
        prompt, event, rows = self.measured[request.measurement]
        self.on_event(
            p.MeasurementShown(
                request=request.id,
                figure=figure_of(event, 1_700_000_000.0),
                prompt=prompt,
                evaluated=event,
                rows=rows,
            )
        )

    def Compare(self, request: p.Compare) -> None:  # noqa: N802
        self.on_event(self.compared(request.id, request.a, request.b, "accuracy"))

    def JudgePairs(self, request: p.JudgePairs) -> None:  # noqa: N802
        self.on_event(p.Progress(request=request.id, what="judging", done=1, total=9, unit="pairs"))
        self.on_event(self.compared(request.id, request.a, request.b, "preferred"))

    def compared(self, request: int, a: str, b: str, metric: str) -> p.Compared:
        sides = [{row.number: row for row in self.measured[one][2]} for one in (a, b)]
        both = [n for n in sides[0] if n in sides[1]]
        changed = [
            p.Changed(
                number=n,
                expected=sides[0][n].expected,
                a=sides[0][n].answer,
                b=sides[1][n].answer,
                value_a=sides[0][n].value or 0.0,
                value_b=sides[1][n].value or 0.0,
            )
            for n in both
        ]
        gained = [one for one in changed if one.value_b > one.value_a]
        lost = [one for one in changed if one.value_b < one.value_a]
        values = [sum(row.value or 0 for row in side.values()) / len(side) for side in sides]
        better = len(gained) > len(lost) + 3
        return p.Compared(
            request=request,
            a=a,
            b=b,
            name_a=self.measured[a][0].name,
            name_b=self.measured[b][0].name,
            metric=metric,
            rows=len(both),
            value_a=values[0],
            value_b=values[1],
            difference=values[1] - values[0],
            low=0.021 if better else -0.08,
            high=0.31,
            p_value=0.0042 if better else 0.31,
            test="McNemar's exact test",
            verdict="B is better." if better else "There is no telling which is better.",
            gained=gained,
            lost=lost,
            notes=["3 of the examples of B are among the rows measured."],
        )

    # --- search and taking away --------------------------------------------------------------

    def Optimize(self, request: p.Optimize) -> None:  # noqa: N802
        start, settings = request.session.prompt(), request.session.optimize
        best, best_prompt, tried = 0.5, start, 0
        for index in range(1, settings.candidates + 1):
            if request.id in self.cancelled:
                break
            tried = index
            value = 0.5 + (index * 5 % 17 - 6) / 40
            prompt = changed(start, index)
            better = value > best
            if better:
                best, best_prompt = value, prompt
            self.on_event(
                p.Progress(
                    request=request.id,
                    what=f"trying candidate {index}",
                    done=index,
                    total=settings.candidates,
                    unit="prompts",
                    seconds_left=(settings.candidates - index) * 2,
                )
            )
            self.on_event(
                p.CandidateTried(
                    request=request.id,
                    index=index,
                    total=settings.candidates,
                    prompt=prompt,
                    what=f"“Answer with one word.” added; {index % 9 + 2} examples",
                    value=value,
                    low=value - 0.08,
                    high=min(1.0, value + 0.07),
                    rows=settings.rows,
                    best=better,
                    best_value=best,
                    spent=index * settings.rows,
                    budget=settings.candidates * settings.rows,
                    parent=max(0, index - 1),
                )
            )
            if self.pace:
                time.sleep(self.pace)
        stopped = request.id in self.cancelled
        held = None if stopped else self.held_out(request.id, start.name)
        words = "Stopped before the held-out rows were measured."
        self.on_event(
            p.Optimized(
                request=request.id,
                prompt=best_prompt,
                start=start,
                metric="accuracy",
                development_start=0.5,
                development_best=best,
                held_out=held,
                tried=tried,
                seconds=41,
                words=words if held is None else "The best is better than the start.",
            )
        )
        self.on_event(p.Done(request=request.id, cancelled=stopped))

    @staticmethod
    def held_out(request: int, name: str) -> p.Compared:
        return p.Compared(
            request=request,
            a="m-start",
            b="m-best",
            name_a=name,
            name_b=f"{name}, searched",
            metric="accuracy",
            rows=300,
            value_a=0.53,
            value_b=0.71,
            difference=0.18,
            low=0.11,
            high=0.25,
            p_value=0.00001,
            test="McNemar's exact test",
            verdict="B is better.",
        )

    def TakeAway(self, request: p.TakeAway) -> None:  # noqa: N802
        text = f"# {request.what} of {request.name}\n"
        if request.path:
            if Path(request.path).exists() and not request.overwrite:
                words = f"{request.path} is there already."
                self.on_event(p.Failed(request=request.id, message=words))
                return
            Path(request.path).write_text(text)
        self.on_event(p.TakenAway(request=request.id, text=text, path=request.path))

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


def began(request: p.Generate) -> list[str]:
    """The words that an answer is begun with."""
    if request.begin_text:
        return [request.begin_text]
    return [VOCABULARY[one] for one in request.begin]


def token_of(word: str, index: int) -> p.Token:
    """Surer at the beginning than at the end, each with two others."""
    logprob = -0.04 - index * 0.5
    number = VOCABULARY.index(word) if word in VOCABULARY else -1
    others = [
        p.Option(VOCABULARY.index(other), other, logprob - 1.5 + (index > 2) * 2)
        for other in OTHERS[:2]
    ]
    return p.Token(number, word, logprob, [p.Option(number, word, logprob), *others])


def changed(prompt: Prompt, index: int) -> Prompt:
    """A candidate: another instruction, more examples."""
    examples = msgspec.structs.replace(prompt.examples, count=index % 9 + 2, seed=index)
    template = prompt.template.replace("negative?", "negative? Answer with one word.")
    return msgspec.structs.replace(prompt, template=template, examples=examples)


def figure_of(event: p.Evaluated, when: float) -> p.Figure:
    return p.Figure(
        measurement=event.measurement,
        time=when,
        weights=event.weights,
        model=event.model,
        metric=event.metric,
        value=event.value,
        low=event.low,
        high=event.high,
        rows=event.rows,
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
