"""What a sweep tries: settings, and of each the values or from where to where.

    training.lora_r = 8, 16, 32                 one of these
    training.learning_rate = 1e-5..1e-3 log     from, to; log: evenly over orders of magnitude

Values are checked as the session's file is. Imports nothing heavy.
"""

import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from workbench.named import value_at, with_value, with_words
from workbench.session import Session, SessionError
from workbench.settings import SweepSettings
from workbench.usual import ranges_tried

MOST = 1000  # combinations of a grid


class RangeError(SessionError):
    """A range that cannot be tried; the text is one sentence for the person."""


@dataclass(frozen=True)
class Range:
    """`values` to choose from, or all numbers from `low` to `high` (`whole`: without decimals)."""

    setting: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False


def ranges_of(session: Session) -> list[Range]:
    """What the session's sweep tries; where it names nothing, the learning rate and, with LoRA, its
    rank, around the session's.

    Raises:
        RangeError: naming the setting and what was expected.
    """
    named = ranges_tried(session.sweep, session.training)
    found = [parse(session, setting, text) for setting, text in named.items()]
    if session.sweep.method == "grid":
        for one in found:
            if not one.values:
                raise RangeError(
                    f"{one.setting}: a grid needs single values, such as "
                    f"{', '.join(f'{value:g}' for value in points(one))}, not a range."
                )
        if (count := math.prod(len(one.values) for one in found)) > MOST:
            raise RangeError(
                f"The grid has {count:,} combinations; take values away, or use the method tpe."
            )
    return found


def points(found: Range) -> tuple[float, ...]:
    middle = math.sqrt(found.low * found.high) if found.log else (found.low + found.high) / 2
    return found.low, round(middle) if found.whole else middle, found.high


def parse(session: Session, setting: str, text: str) -> Range:
    """A range as the session writes it.

    Raises:
        RangeError: naming the setting and what was expected.
    """
    if not setting.startswith(("training.", "model.", "dataset.", "generation.")):
        raise RangeError(
            f"{setting}: only settings of a run can be tried, such as training.learning_rate."
        )
    text = text.strip()
    if match := re.fullmatch(r"(\S+?)\s*\.\.\s*(\S+?)(\s+log)?", text):
        return stretch(session, setting, *match.groups())
    parts = [one.strip() for one in text.split(",") if one.strip()]
    if not parts:
        raise RangeError(
            f"{setting}: nothing to try; write values such as 8, 16, 32, or 1e-5..1e-3 log."
        )
    values = tuple(value_of(session, setting, one) for one in parts)
    if len(set(map(repr, values))) < len(values):
        raise RangeError(f"{setting}: a value stands there twice in {text!r}; take one out.")
    return Range(setting, values)


def stretch(session: Session, setting: str, low: str, high: str, log: str | None) -> Range:
    try:
        first, last = float(low), float(high)
    except ValueError:
        raise RangeError(
            f"{setting}: {low}..{high} is no range of numbers; write it as 1e-5..1e-3."
        ) from None
    if not (math.isfinite(first) and math.isfinite(last) and first < last):
        raise RangeError(f"{setting}: {low}..{high} has to go from a smaller to a larger number.")
    if log and first <= 0:
        raise RangeError(
            f"{setting}: {low}..{high} log begins at no positive number; begin above 0."
        )
    ends = [value_of(session, setting, one) for one in (low, high)]
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in ends)
    return Range(setting, (), first, last, bool(log), whole)


def value_of(session: Session, setting: str, text: str) -> Any:
    """A value of that setting from words, checked as in the file.

    Raises:
        RangeError: where the setting cannot have it.
    """
    try:
        return value_at(with_words(session, setting, text), setting)
    except SessionError as error:
        raise RangeError(str(error)) from None


def apply(session: Session, values: dict[str, Any]) -> Session:
    """The session with these values."""
    for setting, value in values.items():
        session = with_value(session, setting, value)
    return session


def combinations(ranges: list[Range]) -> list[dict[str, Any]]:
    """Every combination of a grid, in order."""
    names = [one.setting for one in ranges]
    every = itertools.product(*(one.values for one in ranges))
    return [dict(zip(names, values, strict=True)) for values in every]


def wanted(settings: SweepSettings, ranges: list[Range]) -> int:
    """How many runs there will be."""
    if settings.method == "grid":
        return len(combinations(ranges))
    return settings.trials


def trial_session(session: Session, values: dict[str, Any]) -> Session:
    """The session of one run of the sweep: its values, and the metric that decides; no answers in
    between, for their time is better spent on another run."""
    made = apply(session, values)
    training = replace(
        made.training,
        metric_for_best_model=made.sweep.metric,
        pinned_count=0 if not made.training.pinned else made.training.pinned_count,
    )
    return replace(made, training=training)
