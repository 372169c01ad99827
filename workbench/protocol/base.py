"""What every request and event stands on, and the words that many of them use."""

from typing import Any, Literal

import msgspec

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
