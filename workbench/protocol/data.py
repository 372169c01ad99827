"""Looking at data: requests of the dataset pane, and what they are answered with."""

from typing import Literal

import msgspec

from workbench.protocol.base import Event, Mark, Request, Side, TokenRole, Values
from workbench.session import DataFormat, DatasetSettings, ModelSettings, Prompt, TrainingSettings


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
