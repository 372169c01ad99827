"""What the settings are made of: kinds of numbers, words that are chosen among, a table."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]  # numpy's generator takes no more
PositiveFloat = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(gt=0, le=1)]
Pane = Literal["dataset", "prompt", "output", "monitor"]
DataFormat = Literal[
    "auto",
    "wording",  # whatever the columns are: the prompt pane's template and completion say it
    "text",
    "prompt_completion",
    "messages",
    "sharegpt",
    "alpaca",
    "preference",
    "classification",
    "translation",
]
TextRows = Literal["auto", "lines", "passages"]
ProblemKind = Literal[
    "duplicates",  # all but the first of equal rows
    "near_duplicates",
    "overlap",  # rows of the training side that are in the evaluation side, too
    "empty",
    "encoding",
    "mixed_types",
    "control_characters",
]


Metric = Literal[
    "accuracy",
    "macro_f1",
    "matthews",
    "exact_match",
    "contains",
    "regex",
    "json_schema",
    "function",
    "bleu",
    "chrf",
    "ter",
    "rouge1",
    "rouge2",
    "rougeL",
    "mae",
    "rmse",
    "pearson",
    "spearman",
    "multilabel_micro_f1",
    "multilabel_macro_f1",
    "subset_accuracy",
    "perplexity",
    "calibration",
    "judge",
    "reward",
    "preferred",
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the session file."""
