"""Requests and events: all that the app and the Worker share.

A request has an `id`; an event names in `request` the request that it answers, 0 where it is news
for everyone attached. Requests and events travel as JSON lines. Knows nothing of how they travel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from workbench.protocol.answers import (
    Advice,
    ExamplesChosen,
    GenerationFinished,
    GenerationStarted,
    Option,
    PromptRendered,
    Token,
    Tokens,
)
from workbench.protocol.base import (
    TABLE_COLUMNS,
    Event,
    Mark,
    Request,
    RunState,
    Side,
    TokenRole,
    Values,
    Weights,
)
from workbench.protocol.data import (
    Badge,
    ColumnsSummarised,
    ColumnSummary,
    DatasetIndexed,
    DatasetOpened,
    ExportRows,
    FindProblems,
    FindRows,
    FormatFound,
    InspectTokens,
    LengthsMeasured,
    MeasureLengths,
    OpenDataset,
    Problem,
    ProblemsFound,
    ReadRow,
    ReadRows,
    RolesShown,
    Row,
    Rows,
    RowsExported,
    RowsFound,
    ShowRoles,
    SummariseColumns,
    TokenSequence,
    TokensInspected,
)
from workbench.protocol.measurements import (
    CandidateTried,
    Changed,
    Compared,
    Evaluated,
    Figure,
    MeasuredRow,
    MeasurementShown,
    MetricValue,
    Optimized,
    RowsMeasured,
    TakenAway,
    Version,
    Versions,
)
from workbench.protocol.requests import (
    Cancel,
    ChooseExamples,
    Compare,
    Evaluate,
    Generate,
    Hello,
    JudgePairs,
    ListVersions,
    LoadModel,
    Optimize,
    RenderPrompt,
    ShowMeasurement,
    Shutdown,
    StartTraining,
    StopTraining,
    TakeAway,
)
from workbench.protocol.training import (
    Choice,
    EjectRun,
    ExportRun,
    MemoryPart,
    Plan,
    PlanTraining,
    ReadSweep,
    RunEjected,
    RunExported,
    StartSweep,
    SteerTraining,
    SweepAdvanced,
    TrainingPlanned,
    Trial,
)
from workbench.protocol.working import (
    Done,
    Failed,
    HostLost,
    ModelLoaded,
    ModelStatus,
    Progress,
    RunStatus,
    TrainingAdvanced,
    TrainingEnded,
    TrainingStarted,
    Welcome,
)

__all__ = [
    "TABLE_COLUMNS",
    "Advice",
    "AnyEvent",
    "AnyRequest",
    "Badge",
    "Cancel",
    "CandidateTried",
    "Changed",
    "Choice",
    "ChooseExamples",
    "ColumnSummary",
    "ColumnsSummarised",
    "Compare",
    "Compared",
    "DatasetIndexed",
    "DatasetOpened",
    "Done",
    "EjectRun",
    "Evaluate",
    "Evaluated",
    "Event",
    "ExamplesChosen",
    "ExportRows",
    "ExportRun",
    "Failed",
    "Figure",
    "FindProblems",
    "FindRows",
    "FormatFound",
    "Generate",
    "GenerationFinished",
    "GenerationStarted",
    "Hello",
    "HostLost",
    "InspectTokens",
    "JudgePairs",
    "LengthsMeasured",
    "Link",
    "ListVersions",
    "LoadModel",
    "Mark",
    "MeasureLengths",
    "MeasuredRow",
    "MeasurementShown",
    "MemoryPart",
    "MetricValue",
    "ModelLoaded",
    "ModelStatus",
    "OpenDataset",
    "Optimize",
    "Optimized",
    "Option",
    "Plan",
    "PlanTraining",
    "Problem",
    "ProblemsFound",
    "Progress",
    "PromptRendered",
    "ReadRow",
    "ReadRows",
    "ReadSweep",
    "RenderPrompt",
    "Request",
    "RolesShown",
    "Row",
    "Rows",
    "RowsExported",
    "RowsFound",
    "RowsMeasured",
    "RunEjected",
    "RunExported",
    "RunState",
    "RunStatus",
    "ShowMeasurement",
    "ShowRoles",
    "Shutdown",
    "Side",
    "StartSweep",
    "StartTraining",
    "SteerTraining",
    "StopTraining",
    "SummariseColumns",
    "SweepAdvanced",
    "TakeAway",
    "TakenAway",
    "Token",
    "TokenRole",
    "TokenSequence",
    "Tokens",
    "TokensInspected",
    "TrainingAdvanced",
    "TrainingEnded",
    "TrainingPlanned",
    "TrainingStarted",
    "Trial",
    "Values",
    "Version",
    "Versions",
    "Weights",
    "Welcome",
    "decode_event",
    "decode_request",
    "encode",
]

AnyRequest = (
    Hello
    | OpenDataset
    | ReadRows
    | ReadRow
    | FindRows
    | ShowRoles
    | SummariseColumns
    | FindProblems
    | InspectTokens
    | MeasureLengths
    | ExportRows
    | RenderPrompt
    | LoadModel
    | Generate
    | Evaluate
    | Compare
    | JudgePairs
    | ListVersions
    | ShowMeasurement
    | ChooseExamples
    | TakeAway
    | Optimize
    | StartTraining
    | StopTraining
    | PlanTraining
    | SteerTraining
    | ExportRun
    | EjectRun
    | StartSweep
    | ReadSweep
    | Cancel
    | Shutdown
)
AnyEvent = (
    Done
    | Failed
    | Progress
    | Welcome
    | DatasetOpened
    | DatasetIndexed
    | RolesShown
    | Rows
    | Row
    | RowsFound
    | ColumnsSummarised
    | ProblemsFound
    | TokensInspected
    | LengthsMeasured
    | RowsExported
    | PromptRendered
    | ModelLoaded
    | GenerationStarted
    | Tokens
    | GenerationFinished
    | RowsMeasured
    | Evaluated
    | Compared
    | Versions
    | MeasurementShown
    | ExamplesChosen
    | TakenAway
    | CandidateTried
    | Optimized
    | TrainingStarted
    | TrainingAdvanced
    | TrainingEnded
    | TrainingPlanned
    | RunExported
    | RunEjected
    | SweepAdvanced
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
