"""Whether one measurement is better than another, on the rows that both have.

Knows measurements, metrics and tests; knows nothing of where measurements are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from workbench.measuring.database import ResultsError
from workbench.measuring.metrics import Metric
from workbench.measuring.metrics.choosing import make
from workbench.measuring.metrics.metric import WORDS, Row, RowMetric
from workbench.measuring.statistics import Difference, mcnemar, paired, paired_shares, rows_needed
from workbench.measuring.store import Measurement, StoredRow
from workbench.measuring.verdict import names, verdict
from workbench.protocol import Changed, Compared
from workbench.session import Metric as MetricName

DRAWS = 10_000
FEW = 30  # rows
LEVEL = 0.05
DECIDABLE = 6  # rows that have to change before an exact test can tell a difference
LISTED = 200  # rows gained, and rows lost
LONGEST = 2_000  # characters of an answer that is listed
CLEAR = 0.1  # of a metric's scale: a row that changes less is not listed
SCORING = (
    "ignore_case",
    "ignore_punctuation",
    "pattern",
    "json_schema",
    "function",
    "judge",
    "reward_model",
)
# Figures that are no means of the rows' values: made anew from the answers.
OF_ALL = {
    "macro_f1",
    "matthews",
    "bleu",
    "chrf",
    "ter",
    "rmse",
    "pearson",
    "spearman",
    "multilabel_micro_f1",
    "multilabel_macro_f1",
    "perplexity",
    "calibration",
}


class Kept(RowMetric):
    """The mean of the values that were kept of a metric."""

    def __init__(self, name: MetricName, of: Sequence[Measurement]) -> None:
        self.name = name
        values = [row.scores[name] for one in of for row in one.rows if name in row.scores]
        self.binary = set(values) <= {0.0, 1.0}
        for one in of:
            for told in one.evaluated.metrics if one.evaluated else ():
                if told.name == name:
                    self.unit, self.better = told.unit, told.better
        if name == "judge":
            scale = of[0].about.evaluation.judge
            self.floor, self.ceiling = float(scale.lowest), float(scale.highest)
            self.unit = "score"
        elif values and not 0 <= min(values) <= max(values) <= 1:
            self.floor, self.ceiling, self.unit = None, None, "score"


@dataclass(frozen=True)
class Pair:
    """A row in both measurements."""

    a: StoredRow
    b: StoredRow


def compare(a: Measurement, b: Measurement, metric: str = "") -> Compared:
    """Whether `b` is better than `a` by a metric (empty: the one that decides in `a`).

    Rows are matched by number and content; those that failed in either are left out. Right or
    wrong is tested with McNemar's exact test, and the interval of the difference is Tango's; all
    else with `statistics.paired`, the figures of corpora made anew in every draw.

    Raises:
        ResultsError: when they have no rows or not the metric in common.
    """
    chosen = metric_for(metric or a.metric, a, b)
    pairs, notes = matched(a, b)
    counted = [pair for pair in pairs if counts(chosen, pair.a) and counts(chosen, pair.b)]
    if not counted:
        raise ResultsError(
            f"The two measurements have no rows in common that have {chosen.words}; measure both "
            "on the same rows."
        )
    rows = [(pair.a.reply, pair.a.scores.get(chosen.name)) for pair in counted]
    rows += [(pair.b.reply, pair.b.scores.get(chosen.name)) for pair in counted]
    value_a, value_b, difference, test, more = tested(chosen, rows)
    name_a, name_b = names(a, b)
    needed = rows_needed(difference.value, difference.deviation, len(counted))
    if len(counted) < len(pairs):
        notes.append(f"{len(pairs) - len(counted):,} rows that failed in either are left out.")
    gained, lost, listed = changed(chosen, counted)
    return Compared(
        a=a.id,
        b=b.id,
        name_a=name_a,
        name_b=name_b,
        metric=chosen.name,
        rows=len(counted),
        value_a=value_a,
        value_b=value_b,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        p_value=difference.p_value,
        test=test,
        verdict=verdict(chosen, (name_a, name_b), difference, len(counted), needed),
        gained=gained,
        lost=lost,
        notes=[
            *few(len(counted)),
            *more,
            *notes,
            *alike(a, b),
            *known_before(a, b),
            *listed,
        ],
    )


def metric_for(name: str, a: Measurement, b: Measurement) -> Metric:
    """The metric of this name (or words) of both measurements.

    Raises:
        ResultsError: where one of them does not have it.
    """
    found: list[set[str]] = []
    for one in (a, b):
        scored = {key for row in one.rows for key in row.scores}
        found.append(scored | set(one.about.metrics))
    both = sorted(found[0] & found[1])
    key: MetricName | None = next((one for one in WORDS if name in (one, WORDS[one])), None)
    if key is None or key not in both:
        there = ", ".join(both) or "nothing"
        raise ResultsError(
            f"{name or 'A metric'} was not measured of both; both have {there}. Measure again "
            "with the same metrics."
        )
    if key in OF_ALL:
        labels = list(dict.fromkeys([*a.about.labels, *b.about.labels]))
        return make(key, a.about.evaluation, labels or ["-"], Path())
    return Kept(key, (a, b))


def matched(a: Measurement, b: Measurement) -> tuple[list[Pair], list[str]]:
    """The rows that both have, and what to say of the others."""
    there = {row.reply.number: row for row in b.rows}
    pairs, other, asked_else = [], 0, 0
    for row in a.rows:
        found = there.get(row.reply.number)
        if found is None:
            continue
        if row.reply.key != found.reply.key:
            other += 1
            continue
        asked_else += row.reply.expected != found.reply.expected
        pairs.append(Pair(row, found))
    notes = []
    if other:
        notes.append(f"{other:,} rows have changed between the two and are left out.")
    if lone := len(a.rows) + len(b.rows) - 2 * (len(pairs) + other):
        notes.append(f"{lone:,} rows that only one of them has are left out.")
    if asked_else:
        notes.append(
            f"In {asked_else:,} rows the two expect different answers: each is measured against "
            "its own."
        )
    return pairs, notes


def counts(metric: Metric, row: StoredRow) -> bool:
    return metric.counts(row.reply, row.scores.get(metric.name))


def tested(metric: Metric, rows: Sequence[Row]) -> tuple[float, float, Difference, str, list[str]]:
    """Both figures, their difference, the name of the test, and what to say of it. The first half
    of the rows is a's, the second half b's."""
    statistics = metric.statistics_of_two(rows)
    half = len(rows) // 2
    ours, theirs = statistics[:half], statistics[half:]
    value_a, value_b = (float(metric.of(one.sum(0))) for one in (ours, theirs))
    if not metric.binary:
        difference = paired(ours, theirs, metric.of, DRAWS)
        test = f"paired permutation test, paired bootstrap (BCa), {DRAWS:,} draws each"
        return value_a, value_b, difference, test, []
    right_a, right_b = ours[:, 0] > 0, theirs[:, 0] > 0
    gained = int(numpy.count_nonzero(~right_a & right_b))
    lost = int(numpy.count_nonzero(right_a & ~right_b))
    low, high = paired_shares(gained, lost, half)
    p_value = mcnemar(gained, lost)
    value = (gained - lost) / half
    spread = (gained + lost) / half - value**2
    notes = []
    if 0 < gained + lost < DECIDABLE:
        notes.append(
            f"Only {gained + lost} rows changed between right and wrong; fewer than {DECIDABLE} "
            "cannot tell a difference."
        )
    elif p_value >= LEVEL and not low <= 0 <= high:
        notes.append(
            "The interval leaves 0 out while the exact test, which is stricter, does not reject: "
            "take it as undecided."
        )
    deviation = float(numpy.sqrt(max(spread, 0.0) / half))
    difference = Difference(value, low, high, p_value, deviation)
    return value_a, value_b, difference, "McNemar's exact test, Tango's interval", notes


def changed(
    metric: Metric, pairs: Sequence[Pair]
) -> tuple[list[Changed], list[Changed], list[str]]:
    """The rows that `b` answers better and worse, the clearest first: where rows are right or wrong
    all that changed, of values those that changed by a tenth of the metric's scale (without a
    scale: by a tenth of the values' range). Of figures that single rows have no value of, those
    whose answer became right or wrong."""
    values = [(value_of(metric, pair.a), value_of(metric, pair.b)) for pair in pairs]
    flat = [one for two in values for one in two]
    scale = max(flat) - min(flat)
    if metric.floor is not None and metric.ceiling is not None and metric.name != "matthews":
        scale = metric.ceiling - metric.floor
    sign = -1 if metric.better == "lower" and metric.name != "calibration" else 1
    found: list[tuple[float, Changed]] = []
    for pair, (before, after) in zip(pairs, values, strict=True):
        if before != after and abs(after - before) >= CLEAR * scale - 1e-9:
            found.append((sign * (after - before), entry(pair, before, after)))
    gained = [one for change, one in sorted(found, key=lambda two: -two[0]) if change > 0]
    lost = [one for change, one in sorted(found, key=lambda two: two[0]) if change < 0]
    notes = []
    if max(len(gained), len(lost)) > LISTED:
        notes.append(
            f"Of {len(gained):,} rows gained and {len(lost):,} lost the {LISTED} clearest of each "
            "are listed."
        )
    return gained[:LISTED], lost[:LISTED], notes


def value_of(metric: Metric, row: StoredRow) -> float:
    value = row.scores.get(metric.name)
    if value is None:
        return float(row.reply.answer.strip() == row.reply.expected.strip())
    return value


def entry(pair: Pair, before: float, after: float) -> Changed:
    return Changed(
        number=pair.a.reply.number,
        expected=cut(pair.a.reply.expected),
        a=cut(pair.a.reply.answer),
        b=cut(pair.b.reply.answer),
        value_a=before,
        value_b=after,
    )


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def few(rows: int) -> list[str]:
    return [f"There are only {rows:,} rows: only large differences show."] if rows < FEW else []


def alike(a: Measurement, b: Measurement) -> list[str]:
    """That the answers of the two were not scored alike."""
    ours, theirs = a.about.evaluation, b.about.evaluation
    other = [name for name in SCORING if getattr(ours, name) != getattr(theirs, name)]
    if not other:
        return []
    return [f"The two were scored with different settings: {', '.join(other)}."]


def known_before(a: Measurement, b: Measurement) -> list[str]:
    """That the answers of one are older than those of the other."""
    known = [sum(row.reply.cached for row in one.rows) for one in (a, b)]
    total = [len(one.rows) for one in (a, b)]
    if known in ([0, 0], total):
        return []
    parts = [
        f"{count:,} of {of:,} of {name}" if count else f"none of {name}"
        for count, of, name in zip(known, total, names(a, b), strict=True)
    ]
    return [f"Answers known from earlier measurements: {parts[0]}, {parts[1]}."]
