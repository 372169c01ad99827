"""What is measured, on which rows, and who is told of it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.selection import Selection
from workbench.measuring.questions import Report
from workbench.protocol import FormatFound, MeasuredRow, Weights
from workbench.session import EvaluationSettings, GenerationSettings, ModelSettings, Prompt

if TYPE_CHECKING:
    from workbench.prompting.shots import Shots


def nothing() -> None:
    return None


@dataclass(frozen=True)
class Task:
    """What is measured, and on which rows."""

    prompt: Prompt
    model: ModelSettings
    weights: Weights
    evaluation: EvaluationSettings
    generation: GenerationSettings
    found: FormatFound
    rows: Selection
    dataset: str  # fingerprint of where the rows come from
    folder: Path
    session_path: str = ""
    shots: "Shots | None" = None
    same_table: bool = False  # the rows stand in the table that examples are drawn from
    split: str = ""  # of the rows, where it is not the one looked at
    count: int = 0  # rows; 0: as the evaluation says
    fresh: bool = False
    step: int = -1
    notes: Sequence[str] = ()  # what the person should know, such as rows that overlap


@dataclass(frozen=True)
class Listener:
    """Who is told, and who may stop it."""

    stopped: threading.Event
    report: Report
    # measurement, rows that have come, how many there are, of how many
    rows: Callable[[str, list[MeasuredRow], int, int], None] = lambda *_: None
    between: Callable[[], None] = nothing  # called between chunks: others may be served
