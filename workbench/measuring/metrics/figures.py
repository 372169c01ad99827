"""From replies to figures: the values of rows, and each metric's figure with its 95 % interval.

Knows metrics only by what each of them can do.
"""

from collections.abc import Mapping, Sequence

from workbench.measuring.metrics.metric import Metric, RowError
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import bootstrap, wilson
from workbench.protocol import MetricValue

DRAWS = 2_000
SAME = 1e-12  # figures nearer to each other are the same

Scores = Mapping[str, float]  # of a row: metric → value


def score(metrics: Sequence[Metric], reply: Reply) -> tuple[dict[str, float], str]:
    """The values of one row by metric, and a sentence where a metric cannot measure it. A failed
    row has none."""
    values: dict[str, float] = {}
    problems = []
    for metric in metrics:
        try:
            value = None if reply.problem else metric.score(reply)
        except RowError as error:
            problems.append(str(error))
        else:
            if value is not None:
                values[metric.name] = value
    return values, " ".join(dict.fromkeys(problems))  # metrics of one family say the same


def figure(
    metric: Metric, replies: Sequence[Reply], scores: Sequence[Scores], draws: int = DRAWS
) -> MetricValue | None:
    """A metric's figure over the rows that it counts, with its 95 % interval; None where there is
    no such row.

    Of a share of right rows: Wilson's interval. Of all else: the bootstrap's, bias-corrected and
    accelerated. Where no draw of rows changes the figure (all rows right, say) the bootstrap is
    blind: at the metric's own limit the interval then reaches as far as Wilson's for a share of all
    or none of so many rows; elsewhere, and of a single row, there is none, and `interval` says so.
    """
    pairs = [(one, values.get(metric.name)) for one, values in zip(replies, scores, strict=True)]
    counted = [pair for pair in pairs if metric.counts(*pair)]
    if not counted:
        return None
    statistics = metric.statistics(counted)
    value, rows = float(metric.of(statistics.sum(0))), len(counted)
    if metric.binary:
        low, high = wilson(value * rows, rows)
        return told(metric, value, low, high, "Wilson")
    drawn = bootstrap(statistics, metric.of, draws)
    if rows == 1 or float(drawn.max() - drawn.min()) < SAME:
        return unvaried(metric, value, rows)
    return told(metric, value, *metric.interval(statistics, value, drawn))


def unvaried(metric: Metric, value: float, rows: int) -> MetricValue:
    """A figure that is the same in every draw, see `figure`."""
    floor, ceiling = metric.floor, metric.ceiling
    if floor is None or ceiling is None:
        return told(metric, value, value, value, "none: no row changes it")
    reach = (ceiling - floor) * (1 - wilson(rows, rows)[0])
    if abs(value - ceiling) < SAME * (ceiling - floor):
        return told(metric, value, value - reach, value, "as Wilson's: all rows are the best")
    if abs(value - floor) < SAME * (ceiling - floor):
        return told(metric, value, value, value + reach, "as Wilson's: all rows are the least")
    if rows == 1:
        return told(metric, value, floor, ceiling, "none: a single row")
    return told(metric, value, value, value, "none: no row changes it")


def told(metric: Metric, value: float, low: float, high: float, interval: str) -> MetricValue:
    return MetricValue(
        name=metric.name,
        value=value,
        low=low,
        high=high,
        unit=metric.unit,
        better=metric.better,
        interval=interval,
        signature=metric.signature(),
    )
