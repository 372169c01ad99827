"""All of a Worker behind one door: takes requests, tells events. Both hosts are made of it."""

import os
import threading
import time
from collections.abc import Callable

from workbench import __version__
from workbench.catalogue import STARTERS
from workbench.protocol import (
    AnyEvent,
    AnyRequest,
    Cancel,
    ChooseExamples,
    ColumnsSummarised,
    Compare,
    Compared,
    DatasetOpened,
    Done,
    EjectRun,
    Evaluate,
    ExamplesChosen,
    ExportRows,
    ExportRun,
    Failed,
    FindProblems,
    FindRows,
    Generate,
    Hello,
    InspectTokens,
    JudgePairs,
    LengthsMeasured,
    ListVersions,
    LoadModel,
    MeasureLengths,
    MeasurementShown,
    ModelLoaded,
    OpenDataset,
    Optimize,
    PlanTraining,
    ProblemsFound,
    PromptRendered,
    ReadRow,
    ReadRows,
    ReadSweep,
    RenderPrompt,
    RolesShown,
    Row,
    Rows,
    RowsExported,
    RunEjected,
    RunExported,
    ShowMeasurement,
    ShowRoles,
    Shutdown,
    StartSweep,
    StartTraining,
    SteerTraining,
    StopTraining,
    SummariseColumns,
    SweepAdvanced,
    TakeAway,
    TakenAway,
    TokensInspected,
    TrainingPlanned,
    Versions,
    Welcome,
)
from workbench.worker.data_desk import DataDesk
from workbench.worker.endpoint_desk import EndpointDesk, is_remote
from workbench.worker.examples_desk import ExamplesDesk
from workbench.worker.export_desk import ExportDesk
from workbench.worker.lane import Job, Lane
from workbench.worker.plan_desk import PlanDesk
from workbench.worker.prompt_desk import PromptDesk
from workbench.worker.results_desk import ResultsDesk
from workbench.worker.scan_desk import FindDesk, LookDesk
from workbench.worker.shelf import Shelf
from workbench.worker.sweeping import SweepDesk
from workbench.worker.thread import Worker
from workbench.worker.token_desk import LengthDesk, TokenDesk

Tell = Callable[[AnyEvent], None]
LAST = (Done, Failed)  # events after which any request is over
END_SECONDS = 2.0  # that a query which was given up may take to end
# Over with their one answer:
SINGLE = (
    OpenDataset,
    ReadRows,
    ReadRow,
    SummariseColumns,
    FindProblems,
    InspectTokens,
    ShowRoles,
    MeasureLengths,
    ExportRows,
    RenderPrompt,
    LoadModel,
    Compare,
    JudgePairs,
    ListVersions,
    ShowMeasurement,
    ChooseExamples,
    TakeAway,
    ExportRun,
    EjectRun,
    PlanTraining,
    ReadSweep,
)
ANSWERS = (
    DatasetOpened,
    Rows,
    Row,
    ColumnsSummarised,
    ProblemsFound,
    TokensInspected,
    RolesShown,
    LengthsMeasured,
    RowsExported,
    PromptRendered,
    ModelLoaded,
    Compared,
    Versions,
    MeasurementShown,
    ExamplesChosen,
    TakenAway,
    RunExported,
    RunEjected,
    TrainingPlanned,
    SweepAdvanced,
)
STAYING = (StartTraining, StartSweep)  # what goes on when the one who asked has left


class Service:
    """The Worker and the desks, and who listens to them."""

    def __init__(self, session_path: str = "") -> None:
        self.session_path = session_path
        self.listeners: list[Tell] = []
        self.jobs: dict[tuple[Tell, int], Job] = {}  # (listener, request) → job
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.data = DataDesk()
        shelf = Shelf(self.data.opened)
        self.worker = Worker(self.broadcast, shelf)
        self.servers = EndpointDesk(shelf)
        finding, looking = FindDesk(self.data.opened), LookDesk(self.data.opened)
        self.lanes: dict[type, Lane] = {
            **dict.fromkeys((OpenDataset, ReadRows, ReadRow), self.data),
            FindRows: finding,
            **dict.fromkeys((SummariseColumns, FindProblems, ExportRows), looking),
            **dict.fromkeys((InspectTokens, ShowRoles), TokenDesk(shelf)),
            MeasureLengths: LengthDesk(shelf),
            RenderPrompt: PromptDesk(shelf),
            ChooseExamples: ExamplesDesk(shelf),
            **dict.fromkeys((Compare, ListVersions, ShowMeasurement, TakeAway), ResultsDesk(shelf)),
            **dict.fromkeys((ExportRun, EjectRun), ExportDesk()),
            **dict.fromkeys(
                (LoadModel, Generate, Evaluate, JudgePairs, Optimize, StartTraining), self.worker
            ),
            SteerTraining: self.worker,
            StartSweep: self.worker,
            ReadSweep: SweepDesk(),
            PlanTraining: PlanDesk(shelf, self.worker.held),
        }
        for lane in self.all_lanes():
            lane.start()

    def all_lanes(self) -> set[Lane]:
        return {*self.lanes.values(), self.servers}

    def lane_of(self, request: AnyRequest) -> Lane:
        """Who works it off: what needs no model in memory waits for none."""
        return self.servers if is_remote(request) else self.lanes[type(request)]

    def attach(self, tell: Tell) -> None:
        """Have the news told to this listener, too."""
        with self.lock:
            self.listeners.append(tell)

    def detach(self, tell: Tell) -> None:
        """Forget a listener; what it asked for (but a run) is given up."""
        with self.lock:
            if tell in self.listeners:
                self.listeners.remove(tell)
            jobs = [job for (who, _), job in self.jobs.items() if who == tell]
        for job in jobs:
            if not isinstance(job.request, (*STAYING, LoadModel)):
                job.stopped.set()
        self.data.forget(tell)

    def broadcast(self, event: AnyEvent) -> None:
        with self.lock:
            listeners = list(self.listeners)
        for tell in listeners:
            tell(event)

    @property
    def busy(self) -> bool:
        """Whether there is work that must not be given up when nobody looks."""
        with self.lock:
            waiting = any(isinstance(job.request, STAYING) for job in self.jobs.values())
        return waiting or self.worker.run_status is not None

    def submit(self, request: AnyRequest, tell: Tell) -> None:
        """Take a request; its events are told to `tell`, on any thread. Returns at once."""
        match request:
            case Hello():
                tell(self.welcome(request.id))
            case Cancel():
                with self.lock:
                    job = self.jobs.get((tell, request.target))
                if job:
                    job.stopped.set()
                    if isinstance(job.request, StartTraining):
                        self.stop_training()
            case StopTraining():
                if self.busy:
                    self.stop_training(request.sweep)
                    tell(Done(request=request.id))
                else:
                    tell(Failed(request=request.id, message="No run is under way."))
            case SteerTraining() if not self.busy:  # else the run answers, after its step
                tell(Failed(request=request.id, message="No run is under way; start one first."))
            case Shutdown():
                tell(Done(request=request.id))
                self.end()
            case _:
                self.start(request, tell)

    def stop_training(self, sweep: bool = False) -> None:
        """Stop the run under way with a checkpoint, or give up the one that waits to begin; with
        its sweep, whoever began that."""
        kinds = STAYING if sweep else StartTraining
        with self.lock:
            jobs = [job for job in self.jobs.values() if isinstance(job.request, kinds)]
        for job in jobs:
            job.stopped.set()
        self.worker.stop_run.set()

    def start(self, request: AnyRequest, tell: Tell) -> None:
        key = (tell, request.id)

        def report(event: AnyEvent) -> None:
            # Requests with one answer (rows, a rendered prompt) end with it, the others with LAST.
            if isinstance(event, LAST) or (type(request) in SINGLE and type(event) in ANSWERS):
                with self.lock:
                    self.jobs.pop(key, None)
            tell(event)

        job = Job(request, report, client=tell)
        with self.lock:
            self.jobs[key] = job
        self.lane_of(request).put(job)

    def welcome(self, request: int) -> Welcome:
        loaded = self.worker.loaded
        return Welcome(
            request=request,
            version=__version__,
            pid=os.getpid(),
            model=loaded.status() if loaded is not None else None,
            run=self.worker.run_status,
            session_path=self.session_path,
            starters=[
                (one.name, one.description) for one in STARTERS.values() if one.kind == "dataset"
            ],
        )

    def end(self) -> None:
        """Stop a run with a checkpoint, give up the rest, end the threads. Returns at once."""
        with self.lock:
            jobs = list(self.jobs.values())
        for job in jobs:
            job.stopped.set()
        self.worker.stop_run.set()
        self.data.close()
        for lane in self.all_lanes():
            lane.end()
        threading.Thread(target=self.wait_for_end, name="end", daemon=True).start()

    def wait_for_end(self) -> None:
        self.worker.join()
        # A process that ends in the middle of a query is aborted by the engine's threads.
        deadline = time.monotonic() + END_SECONDS
        for thread in (*self.all_lanes(), self.data.reading):
            if thread is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self.ended.set()
