"""Asks models on servers: waiting is most of it, so each request has a thread of its own."""

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from typing_extensions import override

from workbench.protocol import (
    Done,
    Evaluate,
    Generate,
    JudgePairs,
    LoadModel,
    ModelLoaded,
    ModelStatus,
    Optimize,
    Weights,
)
from workbench.session import ModelSettings
from workbench.text import one_line
from workbench.worker.bench import Bench
from workbench.worker.lane import Job, Lane, RefusedError
from workbench.worker.shelf import Shelf
from workbench.worker.telling import question_of, tell_answers

if TYPE_CHECKING:
    from workbench.inference.answering import Answerer

END_SECONDS = 1.0  # that requests under way may take to end


class EndpointDesk(Lane):
    """Answers and measures with models of which none is in memory here."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__("servers")
        self.shelf = shelf
        self.bench = Bench(shelf, self.answerers)
        self.under_way: list[threading.Thread] = []
        self.handlers = {
            LoadModel: self.load,
            Generate: self.generate,
            Evaluate: self.bench.evaluate,
            JudgePairs: self.bench.judge_pairs,
            Optimize: self.bench.optimize,
        }

    @override
    def put(self, job: Job) -> None:
        self.under_way = [thread for thread in self.under_way if thread.is_alive()]
        thread = threading.Thread(target=self.work, args=(job,), name="server", daemon=True)
        self.under_way.append(thread)
        thread.start()

    @override
    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        deadline = time.monotonic() + END_SECONDS
        for thread in self.under_way:
            thread.join(max(0.0, deadline - time.monotonic()))

    @staticmethod
    def answerers(
        model: ModelSettings, folder: str, _wanted: tuple[Weights, ...], job: Job
    ) -> "list[tuple[Weights, Answerer]]":
        if not model.url:
            raise RefusedError(f"{model.name} runs here, not on a server: ask again.")
        from workbench.inference.endpoints import EndpointAnswerer

        answerer = EndpointAnswerer(model, Path(folder))
        answerer.connect(job.stopped)
        return [("base", answerer)]

    def load(self, request: LoadModel, job: Job) -> None:
        from workbench.inference.endpoints import check

        host = urlsplit(request.model.url).netloc or request.model.url
        job.progress(f"asking {one_line(host, 60)} for its models")
        found = check(request.model, job.stopped)
        status = ModelStatus(
            name=request.model.name,
            parameters=0,
            device=host,
            dtype="",
            context_length=0,
            note=found.note,
        )
        job.tell(ModelLoaded(request=job.id, model=status))

    def generate(self, request: Generate, job: Job) -> None:
        [(weights, answerer)] = self.answerers(request.model, request.folder, ("base",), job)
        examples = [values for _, values in self.shelf.examples(request, job)]
        question = question_of(request, answerer, examples)
        tell_answers(request, job, answerer, question, weights)
        self.bench.keep_version(request)
        job.tell(Done(request=job.id, cancelled=job.stopped.is_set()))


def is_remote(request: object) -> bool:
    """Whether a request can be served without a model in memory."""
    match request:
        case LoadModel() | Generate():
            return bool(request.model.url)
        case Evaluate():
            judge = request.evaluation.judge.model
            asks_judge = "judge" in request.evaluation.metrics
            return bool(request.model.url) and (not asks_judge or judge is None or bool(judge.url))
        case JudgePairs():
            return bool((request.evaluation.judge.model or request.model).url)
        case Optimize():
            session = request.session
            models = [session.model_of(session.prompt())]
            if session.optimize.method == "gepa":
                models.append(session.optimize.reflection_model or models[0])
            return all(model.url for model in models)
    return False
