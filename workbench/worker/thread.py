"""The Worker: the one thread that owns the model, runs fine-tuning and inference.

Compiled code and CUDA graphs are bound to the thread that made them, and one model in memory
serves both jobs, so all of that happens here. While it trains, it works off what was asked in the
meantime between two optimiser steps, with the weights as they are at that step.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench import runs
from workbench.protocol import (
    AnyEvent,
    Done,
    Evaluate,
    Generate,
    GenerationFinished,
    JudgePairs,
    LoadModel,
    ModelLoaded,
    Optimize,
    RunStatus,
    StartSweep,
    StartTraining,
    SteerTraining,
    Weights,
)
from workbench.session import ModelSettings
from workbench.worker.bench import Bench
from workbench.worker.endpoint_desk import EndpointDesk
from workbench.worker.heads import own_head, tuned_head
from workbench.worker.imports import imported, let_go
from workbench.worker.lane import Job, Lane, RefusedError
from workbench.worker.shelf import Shelf
from workbench.worker.sweeping import SweepBench
from workbench.worker.telling import question_of, tell_answers
from workbench.worker.training import RunBench

if TYPE_CHECKING:
    from workbench.inference.answering import Answerer
    from workbench.inference.heads import Head
    from workbench.inference.model import LoadedModel
    from workbench.inference.prefixes import Prefixes


class Worker(Lane):
    """Loads a model, answers from it, measures it, trains it.

    Args:
        broadcast: tells everyone attached.
    """

    def __init__(self, broadcast: Callable[[AnyEvent], None], shelf: Shelf) -> None:
        super().__init__("worker")
        self.broadcast, self.shelf = broadcast, shelf
        self.bench = Bench(shelf, self.answerers, self.serve_answers, lambda: self.step)
        self.remote = EndpointDesk.answerers
        self.kept_prefixes: Prefixes | None = None
        self.serving = False  # an answer is given while something else is under way
        self.loaded: LoadedModel | None = None
        self.run_status: RunStatus | None = None  # of the run under way, else None
        self.writing: runs.Run | None = None  # its folder, open for writing
        self.stop_run = threading.Event()
        self.runs = RunBench(self)
        self.handlers = {
            LoadModel: self.load,
            Generate: self.generate,
            Evaluate: self.bench.evaluate,
            JudgePairs: self.bench.judge_pairs,
            Optimize: self.bench.optimize,
            StartTraining: self.runs.train,
            SteerTraining: self.runs.steer,
            StartSweep: SweepBench(self).sweep,
        }

    # --- the model -------------------------------------------------------------------------

    def load(self, request: LoadModel, job: Job) -> None:
        loaded = self.ready(request.model, Path(request.folder), job)
        job.tell(ModelLoaded(request=job.id, model=loaded.status()))

    def ready(
        self,
        model: ModelSettings,
        folder: Path,
        job: Job,
        head: "Head | None" = None,
        *,
        quantised: bool = False,
    ) -> "LoadedModel":
        """The model asked for, in memory: the one that is there, if it is that one and ends in
        that head. Where it has to be read, in 4 bits if that is wanted."""
        imported("workbench.inference.model", "workbench.inference.answerers")
        if self.run_status is not None:  # a run's own model answers, adapter and all
            assert self.loaded is not None
            if replace(model, adapter="") != replace(self.loaded.settings, adapter=""):
                raise RefusedError(
                    f"{self.run_status.name} is training {self.loaded.settings.name}: stop it "
                    f"before loading {model.name}."
                )
            return self.loaded
        if head is None and (self.loaded is None or model.adapter != self.loaded.settings.adapter):
            head = tuned_head(model, folder, job)
        if self.loaded is not None:
            same = replace(model, adapter="") == replace(self.loaded.settings, adapter="")
            if same and head in (None, self.loaded.head):
                self.fit_adapter(model, folder)
                return self.loaded
            head = head or own_head(model, folder, job)  # before the one that is there goes
            self.loaded = None  # its memory is needed for the next one
            self.prefixes.clear()
            let_go()
        from workbench.inference.model import load_model

        job.progress(f"Loading {model.name}")
        self.loaded = load_model(model, folder, job.progress, head, quantised=quantised)
        self.broadcast(ModelLoaded(model=self.loaded.status()))
        return self.loaded

    def fit_adapter(self, model: ModelSettings, folder: Path) -> None:
        """Attach the adapter that the settings name, where another one is asked for."""
        assert self.loaded is not None
        if model.adapter and model.adapter != self.loaded.settings.adapter:
            self.loaded.load_tuned(model.adapter, folder)
            self.broadcast(ModelLoaded(model=self.loaded.status()))

    def held(self) -> int:
        """Bytes of the model in memory, which a run does not need beside its own; 0 while one is
        under way, whose model stays."""
        if self.loaded is None or self.run_status is not None:
            return 0
        tensors = self.loaded.model.parameters()
        return sum(one.numel() * one.element_size() for one in tensors)

    # --- answers ---------------------------------------------------------------------------

    @property
    def step(self) -> int:
        return self.run_status.step if self.run_status else -1

    def available(self, loaded: "LoadedModel", wanted: tuple[Weights, ...]) -> list[Weights]:
        """Of the weights asked for, those that there are, else those that there are at all. The
        base's are none where its head is made at random."""
        can = {
            "base": loaded.has_base and not loaded.head.fresh,
            "tuned": loaded.has_tuned,
        }
        there: list[Weights] = [one for one in wanted if can[one]]
        if there or any(can.values()):
            return there or ["base" if can["base"] else "tuned"]
        raise RefusedError(
            f"{loaded.settings.name} has no head of its own that answers; train it, or set "
            "model.adapter to a run."
        )

    def answerers(
        self, model: ModelSettings, folder: str, wanted: tuple[Weights, ...], job: Job
    ) -> "list[tuple[Weights, Answerer]]":
        """Who answers for a model: of a server's one, of one in memory one for each of its weights
        that there are."""
        if model.url:
            return self.remote(model, folder, wanted, job)
        from workbench.inference.answerers import answerer_for

        loaded = self.ready(model, Path(folder), job)
        if loaded.head.fresh and wanted == ("base",) and self.run_status is None:
            loaded = self.ready(model, Path(folder), job, own_head(model, Path(folder), job))
        found = [
            (weights, answerer_for(loaded, weights, self.prefixes, Path(folder)))
            for weights in self.available(loaded, wanted)
        ]
        there = [(weights, one) for weights, one in found if one is not None]
        if not there:
            raise RefusedError(f"{model.name} is of a kind that answers nothing here.")
        return there

    @property
    def prefixes(self) -> "Prefixes":
        """What the model has read of the last prompts."""
        from workbench.inference.prefixes import Prefixes

        if self.kept_prefixes is None:
            self.kept_prefixes = Prefixes()
        return self.kept_prefixes

    def generate(self, request: Generate, job: Job) -> None:
        examples = [values for _, values in self.shelf.examples(request, job)]
        there = self.answerers(request.model, request.folder, request.weights, job)
        question = question_of(request, there[0][1], examples)
        for weights, answerer in there:
            if job.stopped.is_set():
                break
            for made in tell_answers(request, job, answerer, question, weights, self.step):
                self.keep_sample(request, made)
        self.bench.keep_version(request)
        job.tell(Done(request=job.id, cancelled=job.stopped.is_set()))

    def keep_sample(self, request: Generate, made: GenerationFinished) -> None:
        """An answer given during a run belongs to its history."""
        if self.writing is not None and self.step >= 0:
            self.writing.sample(
                step=made.step,
                weights=made.weights,
                prompt=request.prompt.name,
                values=request.values,
                text=made.text,
            )

    def serve_answers(self) -> None:
        """While it measures or searches: give the answers that were asked for meanwhile, of the
        model in memory; all else waits for its turn."""
        if self.serving or self.loaded is None:
            return
        waiting: list[Job | None] = []
        with suppress(queue.Empty):
            while True:
                waiting.append(self.queue.get_nowait())
        here = replace(self.loaded.settings, adapter="")
        self.serving = True
        try:
            for job in waiting:
                request = job.request if job is not None else None
                if (
                    job is not None
                    and isinstance(request, Generate)
                    and request.model.adapter in ("", self.loaded.settings.adapter)
                    and replace(request.model, adapter="") == here
                ):
                    self.work(job)
                else:
                    self.queue.put(job)
        finally:
            self.serving = False

    # --- fine-tuning -----------------------------------------------------------------------

    def serve_waiting(self, step: int) -> None:
        """Between two steps of a run: answer what was asked in the meantime."""
        assert self.run_status is not None
        if step != self.run_status.step:
            self.run_status = replace(self.run_status, step=step)
        while True:
            try:
                job = self.queue.get_nowait()
            except queue.Empty:
                return
            if job is None:  # the end: after the run
                self.stop_run.set()
                self.queue.put(None)
                return
            self.work(job)
