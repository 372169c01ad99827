"""Requests and events: all that the app and the Worker share.

A request has an `id`; an event names in `request` the request that it answers, 0 where it is news
for everyone attached. Requests and events travel as JSON lines. Knows nothing of how they travel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
)

Values = dict[str, Any]  # a row: column → value, of JSON's types
Weights = Literal["base", "tuned"]
RunState = Literal["running", "stopped", "finished", "failed", "interrupted"]


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    id: int = 0  # given by the Link


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: int = 0


# --- what the app asks -----------------------------------------------------------------------


class Hello(Request):
    """Answered with Welcome."""


class OpenDataset(Request):
    """Answered with Progress…, then DatasetOpened or Failed. Relative paths start in `folder`."""

    dataset: DatasetSettings
    folder: str


class ReadRows(Request):
    """Rows [start, stop) of the open dataset for a table: cells cut to `width` characters.

    Answered with Rows."""

    start: int
    stop: int
    width: int = 200


class ReadRow(Request):
    """One row in full. Answered with Row."""

    index: int


class RenderPrompt(Request):
    """What the model gets for this row. Answered with PromptRendered or Failed."""

    model: ModelSettings
    folder: str
    prompt: Prompt
    values: Values


class LoadModel(Request):
    """Answered with Progress…, then ModelLoaded or Failed."""

    model: ModelSettings
    folder: str


class Generate(Request):
    """Answered, for each of `weights` in turn, with GenerationStarted, Tokens…, GenerationFinished;
    then Done. Weights that are not there are left out. While a run trains its model answers."""

    model: ModelSettings
    folder: str
    prompt: Prompt
    values: Values
    generation: GenerationSettings
    weights: tuple[Weights, ...] = ("base", "tuned")


class Evaluate(Request):
    """Measure the prompt on rows of the evaluation split, for each of `weights` that there is.

    Answered with Progress…, an Evaluated for each, then Done."""

    model: ModelSettings
    folder: str
    dataset: DatasetSettings
    prompt: Prompt
    evaluation: EvaluationSettings
    max_length: int = 512
    weights: tuple[Weights, ...] = ("base", "tuned")


class StartTraining(Request):
    """Answered with TrainingStarted or Failed, then news of the run to everyone.

    `folder` is the session's workspace; the run is written to `folder/runs/name`."""

    session: Session
    session_path: str
    folder: str
    run: str = ""  # empty: a new name from the session's
    resume: bool = False  # go on from the last checkpoint of `run`


class StopTraining(Request):
    """Stop after this step and leave a checkpoint. Answered with Done; then TrainingEnded."""


class Cancel(Request):
    """Give up the request `target`, queued or under way. Answered by that request's own end."""

    target: int


class Shutdown(Request):
    """End the host: a run stops with a checkpoint first. Answered with Done."""


# --- what the Worker answers -----------------------------------------------------------------


class Done(Event):
    """The request is finished; nothing more comes for it."""

    cancelled: bool = False


class Failed(Event):
    """The request is finished without success: one sentence, and the details for the log."""

    message: str
    details: str = ""


class Progress(Event):
    """A long request: what it does, how far it is (`total` 0: unknown), seconds left (-1)."""

    what: str
    done: float = 0
    total: float = 0
    unit: str = ""
    seconds_left: float = -1

    def merge(self, later: "Progress") -> "Progress | None":
        return later if later.request == self.request else None


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    parameters: int
    device: str
    dtype: str
    context_length: int
    adapter: str = ""  # where the adapter in memory comes from; empty: there is none
    trainable: int = 0
    chat: bool = True  # the tokenizer has a chat template


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    folder: str
    state: RunState
    step: int = 0
    total_steps: int = 0
    message: str = ""


class Welcome(Event):
    version: str
    pid: int
    model: ModelStatus | None = None
    run: RunStatus | None = None
    session_path: str = ""


class DatasetOpened(Event):
    description: str  # where it comes from, in words
    columns: list[str]
    types: list[str]
    rows: int
    evaluation_rows: int
    evaluation: str  # where the evaluation rows come from, in words
    fingerprint: str


class Rows(Event):
    start: int
    cells: list[list[str]]  # [row][column], each cut to the width asked for


class Row(Event):
    index: int
    values: Values


class PromptRendered(Event):
    text: str  # the exact text: the token ids decoded, special tokens shown
    token_count: int
    context_length: int
    tokens: list[str] = []  # the pieces, in order
    ids: list[int] = []
    answer: str = ""  # the completion, filled
    notes: list[str] = []  # such as: variables that are no column


class ModelLoaded(Event):
    model: ModelStatus


class GenerationStarted(Event):
    weights: Weights
    prompt_tokens: int
    step: int = -1  # the optimiser step whose weights answer; -1: no run is under way
    seed: int = 0
    device: str = ""


class Tokens(Event):
    """Text that has come since the last: neighbours for the same weights may be merged."""

    weights: Weights
    text: str
    count: int

    def merge(self, later: "Tokens") -> "Tokens | None":
        """Both as one, or None where they do not belong together."""
        if (self.request, self.weights) != (later.request, later.weights):
            return None
        return Tokens(
            request=self.request,
            weights=self.weights,
            text=self.text + later.text,
            count=self.count + later.count,
        )


class GenerationFinished(Event):
    weights: Weights
    text: str
    tokens: int
    seconds_to_first: float
    tokens_per_second: float  # after the first token
    reason: Literal["end", "length", "stopped"]
    step: int = -1


class Evaluated(Event):
    weights: Weights
    rows: int
    metric: str  # accuracy or exact match
    value: float  # 0 … 1
    low: float  # 95 % interval (Wilson)
    high: float
    seconds: float
    labels: list[str] = []
    confusion: list[list[int]] = []  # [expected][chosen]
    left_out: int = 0  # rows that are longer than max_length or the context
    step: int = -1


class TrainingStarted(Event):
    run: RunStatus


class TrainingAdvanced(Event):
    """There are new lines in the run's files. Only the latest matters."""

    run: RunStatus
    what: str = ""  # what it does now: preparing, training, evaluating, saving

    def merge(self, later: "TrainingAdvanced") -> "TrainingAdvanced | None":
        return later if later.run.name == self.run.name else None


class TrainingEnded(Event):
    run: RunStatus


class HostLost(Event):
    """Made by the Link: the Worker's process is gone, and with it all that was asked of it.

    `restarted`: a new one answers now; it has no dataset and no model open yet."""

    message: str
    restarted: bool


AnyRequest = (
    Hello
    | OpenDataset
    | ReadRows
    | ReadRow
    | RenderPrompt
    | LoadModel
    | Generate
    | Evaluate
    | StartTraining
    | StopTraining
    | Cancel
    | Shutdown
)
AnyEvent = (
    Done
    | Failed
    | Progress
    | Welcome
    | DatasetOpened
    | Rows
    | Row
    | PromptRendered
    | ModelLoaded
    | GenerationStarted
    | Tokens
    | GenerationFinished
    | Evaluated
    | TrainingStarted
    | TrainingAdvanced
    | TrainingEnded
    | HostLost
)

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(AnyRequest).decode
decode_event = msgspec.json.Decoder(AnyEvent).decode


class Link(Protocol):
    """The app's end of the line to a Worker, wherever that lives."""

    log_path: Path | None  # what the Worker's libraries print
    survives: bool  # a run goes on when this process ends

    def start(self, on_event: Callable[[AnyEvent], None]) -> None:
        """Begin; returns at once. Events arrive on another thread, coalesced to 20 a second."""

    def send(self, request: AnyRequest) -> int:
        """Give the request an id and pass it on; returns the id at once and never raises."""

    def close(self) -> None:
        """Detach. The host goes on by its own rules; without one, a run stops first."""
