"""What the app asks of models and runs."""

from typing import Literal

from workbench.protocol.base import Request, Values, Weights
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
)


class Hello(Request):
    """Answered with Welcome."""


class RenderPrompt(Request):
    """What the model gets for this row, and advice on the wording. Answered with PromptRendered or
    Failed. Examples of the prompt are drawn from the dataset that the client has open."""

    model: ModelSettings
    folder: str
    prompt: Prompt
    values: Values
    dataset: DatasetSettings | None = None  # where the template is empty the row is the prompt
    number: int = -1  # the row's number in the source: it is no example for itself
    generation: GenerationSettings = GenerationSettings()
    labels: list[str] = []  # of the session's evaluation: advice looks at their tokens


class LoadModel(Request):
    """Answered with Progress…, then ModelLoaded or Failed. A server (`model.url`) is asked for its
    models."""

    model: ModelSettings
    folder: str


class Generate(Request):
    """Answered, for each of `weights` in turn, with GenerationStarted, Tokens…, GenerationFinished
    for each of `generation.num_return_sequences` samples; then Done. Weights that are not there are
    left out. While a run trains its model answers."""

    model: ModelSettings
    folder: str
    prompt: Prompt
    values: Values
    generation: GenerationSettings
    weights: tuple[Weights, ...] = ("base", "tuned")
    dataset: DatasetSettings | None = None  # as in RenderPrompt
    number: int = -1  # as in RenderPrompt
    session_path: str = ""  # whose history keeps the wording as a version; empty: none
    labels: list[str] = []  # for generation.constraint "labels"
    alternatives: int = 0  # likeliest tokens told with each token; 0: no probabilities are told
    # Go on from these tokens of an answer (of a server: from this text), as if they were its own.
    begin: list[int] = []
    begin_text: str = ""


class Evaluate(Request):
    """Measure one variant on rows of the evaluation split, for each of `weights` that there is.

    Answered with Progress…, RowsMeasured…, an Evaluated for each, then Done. What was measured
    before with the same weights, prompt and settings is taken from the workspace's results."""

    model: ModelSettings
    folder: str
    dataset: DatasetSettings
    prompt: Prompt
    evaluation: EvaluationSettings
    generation: GenerationSettings = GenerationSettings()
    weights: tuple[Weights, ...] = ("base", "tuned")
    session_path: str = ""  # whose history keeps the wording and the figures; empty: none
    trial: bool = False  # of a few rows: history keeps the wording, and no figure of it
    numbers: list[int] = []  # of rows in the split one looks at, instead of the evaluation rows
    fresh: bool = False  # ask again for what was measured before
    retry: str = ""  # a measurement: only those of its rows that failed are asked again


class Compare(Request):
    """Is measurement `b` better than `a`, on the rows of both? Answered with Compared or Failed."""

    folder: str
    a: str
    b: str
    metric: str = ""  # empty: the one that decides


class JudgePairs(Request):
    """A model reads the answers of two measurements to each row, in both orders, and says which is
    better. Answered with Progress…, then Compared (metric "preferred") or Failed."""

    model: ModelSettings  # who judges where the settings name none
    folder: str
    dataset: DatasetSettings  # that both were measured on
    evaluation: EvaluationSettings
    a: str
    b: str


class ListVersions(Request):
    """Every wording of a session that was ever run, the newest first. Answered with Versions."""

    folder: str
    session_path: str
    name: str = ""  # of this variant only


class ShowMeasurement(Request):
    """Answered with MeasurementShown or Failed."""

    folder: str
    measurement: str


class ChooseExamples(Request):
    """Which rows a prompt's examples are, for this row. Answered with ExamplesChosen or Failed."""

    folder: str
    prompt: Prompt
    dataset: DatasetSettings
    values: Values
    number: int = -1


class TakeAway(Request):
    """A variant for use elsewhere. Answered with TakenAway or Failed; written where `path` says so.

    python_openai and python_transformers: a script that runs; json: the turns and settings;
    report: Markdown with the tables of the `measurements`."""

    session: Session
    folder: str
    name: str  # of the prompt
    what: Literal["python_openai", "python_transformers", "json", "report"]
    values: Values = {}
    number: int = -1
    measurements: list[str] = []
    path: str = ""
    overwrite: bool = False


class Optimize(Request):
    """Search for a better prompt, beginning at the session's active one. Answered with Progress…,
    CandidateTried…, Optimized, then Done; cancelled it keeps the best so far."""

    session: Session
    session_path: str
    folder: str


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

    sweep: bool = False  # end the sweep that the run belongs to, too: else its next run follows


class Cancel(Request):
    """Give up the request `target`, queued or under way. Answered by that request's own end."""

    target: int


class Shutdown(Request):
    """End the host: a run stops with a checkpoint first. Answered with Done."""
