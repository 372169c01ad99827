"""A Link with scripted answers: the same for the same requests, on a thread of its own.

Rows are given by the test; a "model" that answers `positive`; a run that writes real run files.
"""

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.ui.fakeanswers import FakeAnswers
from tests.ui.fakedata import FakeData
from tests.ui.fakeprompts import FakePrompts
from tests.ui.fakeruns import FakeRuns
from workbench import protocol as p
from workbench.protocol import AnyEvent, AnyRequest, RunStatus
from workbench.runs import Run
from workbench.session import Session

TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


class FakeLink(FakeAnswers, FakePrompts, FakeRuns, FakeData):
    """`pace` is the seconds between tokens and steps; 0 answers as fast as it can."""

    log_path: Path | None = None
    survives = True

    def __init__(self, rows: list[dict[str, Any]], pace: float = 0.0) -> None:
        FakeAnswers.__init__(self)
        FakePrompts.__init__(self)
        FakeRuns.__init__(self)
        FakeData.__init__(self)
        self.rows, self.pace = rows, pace
        self.sent: list[AnyRequest] = []
        self.numbers = itertools.count(1)
        self.queue: queue.Queue[AnyRequest | None] = queue.Queue()
        self.cancelled: set[int] = set()
        self.stop_run = threading.Event()
        self.closed = False
        self.answers: dict[type, Callable[[Any], None]] = {}  # a test's own answers
        self.prompt_problem = ""
        self.live: RunStatus | None = None
        self.adapter = ""
        self.steps = 24
        self.told: Callable[[AnyEvent], None] = lambda _: None

    def start(self, on_event: Callable[[AnyEvent], None]) -> None:
        self.told = on_event
        threading.Thread(target=self.serve, daemon=True).start()

    def send(self, request: AnyRequest) -> int:
        number = next(self.numbers)
        request = msgspec.structs.replace(request, id=number)
        self.sent.append(request)
        if isinstance(request, p.Cancel):
            self.cancelled.add(request.target)
        elif isinstance(request, p.StopTraining):
            self.stop_run.set()
        else:
            self.queue.put(request)
        return number

    def on_event(self, event: AnyEvent) -> None:
        self.told(event)

    def close(self) -> None:
        self.closed = True
        self.queue.put(None)

    def kinds(self) -> list[str]:
        return [type(request).__name__ for request in self.sent]

    def last(self, kind: type) -> Any:
        return next(request for request in reversed(self.sent) if isinstance(request, kind))

    # --- answering ---------------------------------------------------------------------------

    def serve(self) -> None:
        while (request := self.queue.get()) is not None:
            answer = self.answers.get(type(request)) or getattr(self, type(request).__name__)
            if isinstance(request, p.StartTraining):
                threading.Thread(target=answer, args=(request,), daemon=True).start()
            else:
                answer(request)

    def rest(self, seconds: float) -> None:
        if self.pace:
            time.sleep(seconds)

    def Hello(self, request: p.Hello) -> None:  # noqa: N802
        self.on_event(
            p.Welcome(
                request=request.id,
                version="1",
                pid=1,
                run=self.live,
                starters=[("film-reviews", "short film reviews, positive or negative")],
            )
        )

    def RenderPrompt(self, request: p.RenderPrompt) -> None:  # noqa: N802
        if self.prompt_problem:
            self.on_event(p.Failed(request=request.id, message=self.prompt_problem))
            return
        text, answer = request.prompt.template, request.prompt.completion
        for name, value in request.values.items():
            text = text.replace("{{ " + name + " }}", str(value))
            answer = answer.replace("{{ " + name + " }}", str(value))
        text = TEMPLATE.format(text)
        pieces = text.replace(" ", "\0 ").replace("\n", "\n\0").split("\0")
        self.on_event(
            p.PromptRendered(
                request=request.id,
                text=text,
                token_count=len(pieces),
                context_length=self.context_length,
                tokens=pieces,
                ids=[100 + 7 * index for index in range(len(pieces))],
                answer=answer,
                advice=self.advice,
                examples=self.chosen(request.prompt, request.number),
                parts=self.parts,
            )
        )

    def LoadModel(self, request: p.LoadModel) -> None:  # noqa: N802
        self.rest(0.3)
        self.adapter = request.model.adapter
        self.on_event(
            p.ModelLoaded(
                request=request.id,
                model=p.ModelStatus(
                    name=request.model.name,
                    parameters=134_515_008,
                    device="cpu",
                    dtype="bfloat16",
                    context_length=8192,
                    adapter=self.adapter,
                ),
            )
        )

    def StartTraining(self, request: p.StartTraining) -> None:  # noqa: N802
        self.stop_run.clear()
        name = request.run or "film-reviews-1"
        write_run(
            Path(request.folder),
            name,
            request.session,
            self.steps,
            on_event=self.on_event,
            pace=self.pace,
            link=self,
        )

    def news(self, event: AnyEvent) -> None:
        self.on_event(event)


def write_run(
    workspace: Path,
    name: str,
    session: Session,
    steps: int,
    *,
    on_event: Callable[[AnyEvent], None] = lambda _: None,
    pace: float = 0.0,
    link: FakeLink | None = None,
) -> RunStatus:
    """Write the files of a run as training does, with a loss that falls and a spike in it."""
    folder = workspace / "runs" / name
    resumed = folder.exists()
    run = Run(folder) if resumed else Run.create(workspace, name, session, {})
    start = 1

    def status(state: Any, step: int) -> RunStatus:
        return RunStatus(name=name, folder=str(folder), state=state, step=step, total_steps=steps)

    run.event("resumed" if resumed else "started", total_steps=steps)
    if link:
        link.live = status("running", 0)
    on_event(p.TrainingStarted(run=status("running", 0)))
    for step in range(start, steps + 1):
        loss = 0.5 + 3.2 * math.exp(-step / (steps / 6)) + 0.12 * math.sin(step * 1.7)
        run.metrics(
            step=step,
            epoch=step / steps,
            loss=loss + (2.5 if step == steps * 2 // 3 else 0),
            learning_rate=2e-4 * (1 - step / steps),
            grad_norm=1.3 + 0.4 * math.sin(step),
            tokens_per_second=203.4,
            tokens=step * 752,
            memory=1.21e9,
            seconds=step * 3.4,
        )
        if step % max(1, steps // 5) == 0:
            run.metrics(
                step=step,
                eval_loss=0.62 + 2.2 * math.exp(-step / (steps / 5)),
                eval_accuracy=0.5 + 0.4 * step / steps,
            )
            for row in (3, 7):
                run.sample(
                    step=step,
                    pinned=True,
                    number=row,
                    prompt="plain",
                    weights="tuned",
                    expected="positive",
                    text="positive" if step > steps // 2 else f"I think of row {row}",
                )
        if link:
            link.live = status("running", step)
        on_event(p.TrainingAdvanced(run=status("running", step), what="training"))
        if link and link.stop_run.is_set():
            break
        if pace:
            time.sleep(pace)
    checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    run.event("checkpoint", step=step)
    state = "stopped" if step < steps else "finished"
    run.event(state, step=step)
    run.close()
    if link:
        link.live = None
    ended = status(state, step)
    on_event(p.TrainingEnded(run=ended))
    return ended
