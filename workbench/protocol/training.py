"""Fine-tuning beyond start and stop: what it will take, steering it, and what becomes of it."""

from typing import Any, Literal

import msgspec

from workbench.protocol.base import Event, Request, RunState
from workbench.session import Session


class PlanTraining(Request):
    """What a run of this session would be, before it begins: nothing is trained, no weights are
    loaded. Answered with Progress…, then TrainingPlanned or Failed."""

    session: Session
    session_path: str
    folder: str


class SteerTraining(Request):
    """Change the run under way after this step. Recorded in the run's events. Answered with Done or
    Failed.

    learning_rate: from now on the schedule's rate times `value` / the session's rate; evaluate,
    checkpoint: now; pause: hold until resume, and answer meanwhile."""

    action: Literal["learning_rate", "evaluate", "checkpoint", "pause", "resume"]
    value: float = 0.0


class ExportRun(Request):
    """Write what a run made for use elsewhere. Answered with Progress…, then RunExported or Failed.

    model: whole weights, an adapter merged in; adapter: the adapter alone; gguf: for llama.cpp,
    with an Ollama Modelfile. `push_to` is a hub repository to upload to afterwards."""

    folder: str
    run: str
    to: str  # a folder; relative names start in `folder`
    what: Literal["model", "adapter", "gguf"] = "model"
    checkpoint: int = -1  # a step; -1: the best
    quantisation: str = "q8_0"  # of gguf: f16, bf16, q8_0 …
    push_to: str = ""
    private: bool = True
    overwrite: bool = False


class EjectRun(Request):
    """Write a run out as one Python script that makes it again. Answered with RunEjected or
    Failed."""

    folder: str
    run: str
    to: str = ""  # a file; empty: only show it
    overwrite: bool = False


class StartSweep(Request):
    """Runs of the session, each with other settings. Answered with SweepAdvanced…, then Done; each
    run is told of as any run is. StopTraining stops the run; Cancel ends the sweep."""

    session: Session
    session_path: str
    folder: str
    name: str = ""  # empty: a new name from the session's; an old one: go on with that sweep
    trials: int = 0  # how many runs an old one makes in all; 0: as many as it was to make


class ReadSweep(Request):
    """What a sweep has found so far. Answered with SweepAdvanced or Failed."""

    folder: str
    name: str


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that was left to the program, what it chose, and why."""

    setting: str  # training.learning_rate
    value: str
    why: str


class MemoryPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the memory that a run takes: weights, gradients, optimiser, activations, …"""

    name: str
    bytes: int
    formula: str  # 134.5 M weights × 2 bytes


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will be. Numbers that are not known are -1."""

    task: str
    method: str
    model: str
    device: str
    dtype: str
    parameters: int
    trainable: int
    choices: list[Choice] = []
    memory: list[MemoryPart] = []
    memory_free: int = -1  # bytes on the device now
    fits: bool = True
    advice: list[str] = []  # what to change where it does not fit, or is unwise
    problem: str = ""  # why it cannot begin: one sentence
    rows: int = -1
    evaluation_rows: int = -1
    rows_left_out: int = -1
    rows_cut: int = -1
    tokens: int = -1  # of one epoch
    steps: int = -1
    seconds: float = -1
    seconds_from: str = ""  # what the time is taken from
    badges: list[str] = []  # what is amiss with rows, as the token view says it

    @property
    def memory_total(self) -> int:
        return sum(part.bytes for part in self.memory)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a sweep."""

    number: int
    run: str
    state: RunState | Literal["pruned"]
    values: dict[str, Any]  # setting → value
    metric: float | None = None
    best_step: int = -1
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    note: str = ""


class TrainingPlanned(Event):
    plan: Plan
    session: Session  # resolved: nothing in its training is automatic any more


class RunExported(Event):
    path: str
    files: list[tuple[str, int]]  # name, bytes
    notes: list[str] = []  # what the person should know, such as: no converter, so no GGUF
    url: str = ""  # where it was uploaded to


class RunEjected(Event):
    text: str
    path: str = ""


class SweepAdvanced(Event):
    """Only the latest matters."""

    name: str
    metric: str
    greater_is_better: bool
    trials: list[Trial]
    wanted: int  # trials to make in all
    importance: dict[str, float] = {}  # setting → share of the metric's variation
    state: RunState = "running"

    def merge(self, later: "SweepAdvanced") -> "SweepAdvanced | None":
        return later if later.name == self.name else None
