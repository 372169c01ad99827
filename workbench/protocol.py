"""Requests and events: all that the app and the Worker share.

A request has an `id`; an event names in `request` the request that it answers, 0 where it is news
for everyone attached. Requests and events travel as JSON lines. Knows nothing of how they travel.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from workbench.session import (
    DataFormat,
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    Metric,
    ModelSettings,
    Prompt,
    Session,
    TrainingSettings,
)

TABLE_COLUMNS = 300  # of a row in a table; all the others are in the row itself
Values = dict[str, Any]  # a row: column → value, of JSON's types
Weights = Literal["base", "tuned"]
RunState = Literal["running", "stopped", "finished", "failed", "interrupted"]
Side = Literal["all", "train", "evaluation", "left_out", "broken"]
Mark = Literal["", "evaluation", "left_out", "broken"]  # of a row: neither of these is trained on
# context: no loss; trained: a loss; truncated: beyond max_length; special: a special token, which
# has a loss where its role says so.
TokenRole = Literal["context", "trained", "truncated", "special", "special_trained"]


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    id: int = 0  # given by the Link


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: int = 0


# --- what the app asks -----------------------------------------------------------------------


class Hello(Request):
    """Answered with Welcome."""


class OpenDataset(Request):
    """Answered with Progress…, then DatasetOpened or Failed. Relative paths start in `folder`.

    DatasetOpened comes as soon as there are first rows to show. What is read in the background
    after it is told with DatasetIndexed of the same request, until one is `complete`."""

    dataset: DatasetSettings
    folder: str
    prompt: Prompt | None = None  # where it is filled, it is what makes an example of a row


class ReadRows(Request):
    """Rows at positions [start, stop) of a view for a table: cells cut to `width` characters, of
    the first TABLE_COLUMNS columns.

    Answered with Rows. View 0 is the whole split in its own order."""

    start: int
    stop: int
    width: int = 200
    view: int = 0


class ReadRow(Request):
    """The row at a position of a view, in full. Answered with Row.

    `number`: the row of this number instead, wherever in the view it is; Failed where it is not."""

    index: int
    view: int = 0
    number: int = -1


class FindRows(Request):
    """Make a view: the rows that hold `search` in any column, that the expression `where` is true
    of, that are on `side`, that have the `problem`; in the order of the column `sort`.

    Answered with RowsFound… (as hits come in), then Done or Failed. Rows of the view can be read
    from the first RowsFound on. The id of the request is the view's."""

    search: str = ""
    where: str = ""
    sort: str = ""
    descending: bool = False
    side: Side = "all"
    problem: str = ""  # the `key` of a Problem


class ShowRoles(Request):
    """What a row would be with these settings: format and mapping are tried before they are
    kept. Answered with RolesShown or Failed."""

    dataset: DatasetSettings
    prompt: Prompt
    values: Values


class SummariseColumns(Request):
    """Answered with Progress…, then ColumnsSummarised (of the view's rows) or Failed."""

    view: int = 0
    columns: list[str] = []  # empty: all, of which at most 200


class FindProblems(Request):
    """Answered with Progress…, then ProblemsFound or Failed."""


class InspectTokens(Request):
    """What the trainer gets from this row. Answered with TokensInspected or Failed."""

    model: ModelSettings
    folder: str
    prompt: Prompt
    dataset: DatasetSettings
    training: TrainingSettings
    values: Values


class MeasureLengths(Request):
    """Token counts over the rows that are trained on (or a view's). Answered with Progress…, then
    LengthsMeasured or Failed."""

    model: ModelSettings
    folder: str
    prompt: Prompt
    dataset: DatasetSettings
    training: TrainingSettings
    view: int = -1  # -1: the rows that are trained on
    rows: int = 0  # so many of them, drawn by the seed; 0: all


class ExportRows(Request):
    """Write a view to `path` (.jsonl or .parquet, also .jsonl.gz). Answered with Progress…, then
    RowsExported or Failed. What is there is replaced only where `overwrite` says so.

    `what`: the rows as they are; as the format's roles; or the wording filled (prompt, completion,
    or messages)."""

    path: str
    folder: str
    prompt: Prompt
    dataset: DatasetSettings
    view: int = 0
    what: Literal["rows", "roles", "filled"] = "rows"
    overwrite: bool = False


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
    max_length: int = 512
    weights: tuple[Weights, ...] = ("base", "tuned")
    session_path: str = ""  # whose history keeps the wording and the figures; empty: none
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
    """The model that answers; of one on a server `parameters` and `context_length` are 0."""

    name: str
    parameters: int
    device: str  # of a server its host
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
    starters: list[tuple[str, str]] = []  # datasets to begin with: name, what it is


class FormatFound(msgspec.Struct, frozen=True, kw_only=True):
    """What a row was recognised as, and what it is taken for."""

    format: DataFormat  # what it is taken for: as recognised, or as the session says
    recognised: DataFormat
    mapping: dict[str, str]  # role → column, of `format`
    roles: list[str]  # all roles of `format`, in order; those that end in ? may be left out
    why: str  # one sentence
    problem: str = ""  # such as: a column of the session's mapping is not there


class DatasetOpened(Event):
    description: str  # where it comes from, in words
    columns: list[str]
    types: list[str]
    rows: int  # known so far
    complete: bool = True  # the whole source was read: rows and sides are final
    splits: list[str] = []
    broken: int = 0  # places where a row was expected and could not be read
    evaluation_rows: int = 0
    evaluation: str = ""  # where the evaluation rows come from, in words
    used: int = 0  # rows to train on
    left_out: int = 0  # rows that the session leaves out
    fingerprint: str = ""
    format: FormatFound | None = None
    notes: list[str] = []  # what the person should know: broken lines, a column found late


class DatasetIndexed(Event):
    """News of the dataset that `request` opened: it grows until `complete`."""

    opened: DatasetOpened
    done: float = 0  # bytes read
    total: float = 0
    what: str = ""
    seconds_left: float = -1
    problem: str = ""  # reading on is over: the file disappeared, say

    def merge(self, later: "DatasetIndexed") -> "DatasetIndexed | None":
        return later if later.request == self.request else None


class RolesShown(Event):
    found: FormatFound
    row: Values  # in the format's standard shape
    problem: str = ""  # why this row cannot be one


class Rows(Event):
    start: int
    cells: list[list[str]]  # [row][column], each cut to the width asked for
    numbers: list[int] = []  # of each row in the source, from 0
    marks: list[Mark] = []
    view: int = 0


class Row(Event):
    index: int  # the position in the view
    values: Values  # empty where the row is broken
    number: int = 0  # in the source, from 0
    key: str = ""  # as in `leave_out_rows` of a session
    mark: Mark = ""
    broken: str = ""  # why it could not be read, and its text
    view: int = 0


class RowsFound(Event):
    """A view has so many rows so far; `scanned` of `total` rows were looked at."""

    view: int
    rows: int
    scanned: int = 0
    total: int = 0
    complete: bool = False

    def merge(self, later: "RowsFound") -> "RowsFound | None":
        return later if later.request == self.request else None


class ColumnSummary(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    type: str  # the usual one; "mixed: text 98 %, integer 2 %" where there are several
    missing: int  # neither there nor null
    empty: int = 0  # texts without a letter
    distinct: int = 0
    distinct_exact: bool = False  # else estimated, to some 2 %
    # Of texts and lists the lengths (characters, elements), of numbers the values:
    low: float | None = None
    mean: float | None = None
    median: float | None = None
    p95: float | None = None
    high: float | None = None
    frequent: list[tuple[str, int]] = []  # the most frequent values, cut to 80 characters
    histogram: list[int] = []  # equal bins from `low` to `high`


class ColumnsSummarised(Event):
    rows: int
    columns: list[ColumnSummary]
    left_out: int = 0  # columns that were not looked at
    seconds: float = 0
    view: int = 0


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    key: str  # names it for FindRows: duplicates, empty:text, …
    kind: Literal[
        "broken",
        "duplicates",
        "near_duplicates",
        "overlap",
        "empty",
        "encoding",
        "mixed_types",
        "imbalance",
        "control_characters",
    ]
    title: str  # such as: 12 rows are there twice
    why: str  # what it does to a fine-tune, and what to do
    rows: int
    first: list[int]  # numbers of some of its rows
    left_out: bool = False  # the session leaves them out already
    can_leave_out: bool = True


class ProblemsFound(Event):
    problems: list[Problem]
    rows: int  # looked at
    seconds: float = 0
    notes: list[str] = []  # such as: near duplicates were looked for in 200,000 of the rows


class TokenSequence(msgspec.Struct, frozen=True, kw_only=True):
    name: str  # example; of a preference: chosen, rejected
    ids: list[int]
    pieces: list[str]
    roles: list[TokenRole]
    trained: int  # tokens with a loss
    kept: int  # tokens within max_length; those after it are truncated


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    kind: str  # double_bos, stop_not_trained, prefix, truncated, nothing_trained, pad_is_end, …
    severity: Literal["bad", "warn", "note"]
    words: str  # one sentence: what it is and what to do


class TokensInspected(Event):
    sequences: list[TokenSequence]
    badges: list[Badge]
    format: DataFormat
    max_length: int
    how: str  # how the row became tokens, in a sentence


class LengthsMeasured(Event):
    rows: int
    of: int  # rows there are, where only some were measured
    quantiles: dict[str, int]  # "0", "25", "50", "75", "90", "95", "99", "100" → tokens
    edges: list[int]  # of the histogram's bins, one more than counts
    counts: list[int]
    cut: int  # rows longer than max_length
    lost: int  # of them, those of whose answer nothing is left
    max_length: int
    tokens: int  # of all rows within max_length
    padded: int  # tokens of all batches, padded to their longest, in random order
    grouped: int  # the same, rows of like length together
    packed: int  # of max_length each, packed
    batch_size: int
    suggestion: str = ""  # one sentence
    seconds: float = 0


class RowsExported(Event):
    path: str
    rows: int
    bytes: int


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a wording that makes answers worse."""

    kind: str  # undefined_variable, unused_column, no_format, contradiction, vague, repeated, …
    severity: Literal["bad", "warn", "note"]
    where: str  # system, template, completion, answer_start, examples, turns.0, labels, …
    line: int = 0  # from 0, in the text of `where`; -1: it has no place
    column: int = 0
    length: int = 0  # characters from there on
    words: str  # one sentence: what it is, and where
    why: str  # one sentence: what it does to the answers, and what to do


class PromptRendered(Event):
    text: str  # the exact text: the token ids decoded, special tokens shown
    token_count: int  # -1: a server has the tokenizer
    context_length: int
    tokens: list[str] = []  # the pieces, in order
    ids: list[int] = []
    answer: str = ""  # the completion, filled
    notes: list[str] = []  # such as: variables that are no column
    advice: list[Advice] = []  # the worst first
    examples: list[int] = []  # numbers of the rows that stand in it as examples
    parts: dict[str, int] = {}  # tokens of: system, turns, examples, template, …; else empty


class ExamplesChosen(Event):
    numbers: list[int]
    keys: list[str]  # as in ExampleSettings.rows
    rows: list[Values]
    answers: list[str]
    words: str = ""  # how they were chosen, in a sentence


class ModelLoaded(Event):
    model: ModelStatus


class GenerationStarted(Event):
    weights: Weights
    prompt_tokens: int
    step: int = -1  # the optimiser step whose weights answer; -1: no run is under way
    seed: int = 0
    device: str = ""
    sample: int = 0  # from 0
    samples: int = 1
    cached_tokens: int = 0  # of the prompt, that were computed for an earlier one


class Option(msgspec.Struct, frozen=True, array_like=True):
    """A token that might have come."""

    id: int
    text: str
    logprob: float  # natural logarithm


class Token(msgspec.Struct, frozen=True, array_like=True):
    """A token that came, and what else might have: the likeliest first."""

    id: int
    text: str
    logprob: float
    options: list[Option] = []


class Tokens(Event):
    """Text that has come since the last: neighbours for the same answer may be merged."""

    weights: Weights
    text: str
    count: int
    sample: int = 0
    tokens: list[Token] = []  # where probabilities were asked for

    def merge(self, later: "Tokens") -> "Tokens | None":
        """Both as one, or None where they do not belong together."""
        if (self.request, self.weights, self.sample) != (
            later.request,
            later.weights,
            later.sample,
        ):
            return None
        return Tokens(
            request=self.request,
            weights=self.weights,
            text=self.text + later.text,
            count=self.count + later.count,
            sample=self.sample,
            tokens=self.tokens + later.tokens,
        )


class GenerationFinished(Event):
    weights: Weights
    text: str
    tokens: int
    seconds_to_first: float
    tokens_per_second: float  # after the first token
    reason: Literal["end", "length", "stopped"]
    step: int = -1
    sample: int = 0
    problem: str = ""  # a server broke off, say: what came until then is `text`


class MeasuredRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int  # of the row in its table, from 0
    expected: str
    answer: str
    value: float | None = None  # of the metric that decides; None: not of single rows, or failed
    scores: dict[str, float] = {}  # of the others that single rows have
    confidence: float | None = None  # probability of the chosen label, or of the answer
    problem: str = ""  # why there is no answer: it can be asked again
    cached: bool = False


class RowsMeasured(Event):
    """Rows whose answers have come since the last; `done` of `total` are there."""

    measurement: str
    weights: Weights
    rows: list[MeasuredRow]
    done: int = 0
    total: int = 0

    def merge(self, later: "RowsMeasured") -> "RowsMeasured | None":
        """Both as one, or None where they do not belong together."""
        if (self.request, self.measurement) != (later.request, later.measurement):
            return None
        return msgspec.structs.replace(later, rows=self.rows + later.rows)


class MetricValue(msgspec.Struct, frozen=True, kw_only=True):
    name: Metric
    value: float
    low: float  # 95 % interval
    high: float
    unit: Literal["share", "score", "ratio"] = "share"  # 0…1; 0…100 or a scale; from 0 on
    better: Literal["higher", "lower"] = "higher"
    interval: str = ""  # how: Wilson, bootstrap of 2,000 draws


class Evaluated(Event):
    weights: Weights
    rows: int
    metric: str  # the one that decides: accuracy, exact match …
    value: float  # 0 … 1, or as its MetricValue says
    low: float  # 95 % interval (Wilson)
    high: float
    seconds: float
    labels: list[str] = []
    confusion: list[list[int]] = []  # [expected][chosen]
    left_out: int = 0  # rows that are longer than max_length or the context
    step: int = -1
    measurement: str = ""  # names it for Compare, ShowMeasurement, TakeAway
    prompt: str = ""  # the variant's name
    model: str = ""
    metrics: list[MetricValue] = []  # the one that decides first
    calibration: list[tuple[float, float, int]] = []  # bins: mean confidence, share right, rows
    failed: int = 0  # rows without an answer: the server refused them, say
    cached: int = 0  # rows whose answer was known
    notes: list[str] = []  # such as: examples of the prompt are among the rows measured


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A row that the two answer differently."""

    number: int
    expected: str
    a: str  # the answers
    b: str
    value_a: float
    value_b: float


class Compared(Event):
    a: str  # the measurements, and their names
    b: str
    name_a: str
    name_b: str
    metric: str
    rows: int  # that both have
    value_a: float
    value_b: float
    difference: float  # b - a
    low: float  # 95 % interval of the difference
    high: float
    p_value: float
    test: str  # McNemar's exact test; paired bootstrap of 10,000 draws
    verdict: str  # one sentence
    gained: list[Changed] = []  # wrong (worse) with a, right (better) with b
    lost: list[Changed] = []
    notes: list[str] = []


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement in short."""

    measurement: str
    time: float
    weights: Weights
    model: str
    metric: str
    value: float
    low: float
    high: float
    rows: int
    step: int = -1
    unit: Literal["share", "score", "ratio"] = "share"
    better: Literal["higher", "lower"] = "higher"
    complete: bool = True


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A wording as it was when it was run."""

    version: str  # a hash of all that makes its answers what they are
    name: str
    prompt: Prompt
    first_run: float  # seconds since 1970
    last_run: float
    answers: int  # single answers that were asked for
    figures: list[Figure] = []


class Versions(Event):
    versions: list[Version]


class MeasurementShown(Event):
    figure: Figure
    prompt: Prompt
    evaluated: Evaluated
    rows: list[MeasuredRow]


class TakenAway(Event):
    text: str
    path: str = ""  # where it was written


class CandidateTried(Event):
    index: int  # from 1
    total: int  # 0: as long as the budget lasts
    prompt: Prompt
    what: str  # what was changed, in words
    value: float  # on the development rows
    low: float
    high: float
    rows: int
    best: bool  # it is the best so far
    best_value: float
    spent: int = 0  # answers that were asked for
    budget: int = 0
    parent: int = 0  # the candidate that it was made from


class Optimized(Event):
    """The best prompt, and what it is worth on rows that the search never saw."""

    prompt: Prompt
    start: Prompt
    metric: str
    development_start: float
    development_best: float
    held_out: Compared | None  # a: the starting prompt, b: the best; None: stopped before
    tried: int
    seconds: float
    words: str  # one sentence


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
