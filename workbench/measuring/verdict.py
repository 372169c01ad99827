"""A comparison in one honest sentence.

Knows figures and their units; knows nothing of how they were tested.
"""

from workbench.measuring.metrics import Metric
from workbench.measuring.statistics import Difference
from workbench.measuring.store import Measurement
from workbench.text import one_line

LEVEL = 0.05
MANY = 1_000_000  # rows that nobody measures
NAME = 40  # characters of a name


def verdict(
    metric: Metric, called: tuple[str, str], difference: Difference, rows: int, needed: int
) -> str:
    """Which is better and by how much; or that no difference can be told, and how many rows would
    be needed. `called`: the names of a and b."""
    said = figures(metric, difference)
    on = "on 1 row" if rows == 1 else f"on {rows:,} rows"
    if difference.p_value < LEVEL and difference.value:
        better = (difference.value > 0) == (metric.better == "higher")
        winner, words = called[1], "better" if better else "worse"
        return f"{winner} is {words}: {said}, {p_value(difference.p_value)} {on}."
    if difference.value == 0 and difference.deviation == 0:
        return f"No difference {on}: each counts the same in {called[0]} and {called[1]}."
    text = f"No difference can be told {on}: {said}, {p_value(difference.p_value)}"
    if not needed:
        return f"{text}."
    if needed > MANY:
        return f"{text}; more than a million rows would be needed to see one of this size."
    about = f"{rounded(needed):,}"
    return f"{text}; about {about} rows would be needed to see a difference of this size."


def figures(metric: Metric, difference: Difference) -> str:
    """The difference with its interval, in the metric's unit."""
    value, low, high = difference.value, difference.low, difference.high
    if metric.unit == "share":
        value, low, high = (100 * one for one in (value, low, high))
        return f"{value:+.1f} points (95 %: {low:.1f} to {high:.1f})"
    places = 2 if metric.unit == "score" else 3
    return f"{value:+.{places}f} (95 %: {low:.{places}f} to {high:.{places}f})"


def p_value(value: float) -> str:
    if value < 0.001:
        return "p < 0.001"
    # Rounding must not make what is above the level look as if it were on it.
    return f"p = {value:.4f}" if f"{value:.3f}" == "0.050" else f"p = {value:.3f}"


def rounded(rows: int) -> int:
    """Two digits of a number that is an estimate."""
    step = int(10 ** max(0, len(str(rows)) - 2))
    return -(-rows // step) * step


def names(a: Measurement, b: Measurement) -> tuple[str, str]:
    """What the two are called: the variant, and what else tells them apart."""
    ours, theirs = one_line(a.about.prompt.name, NAME), one_line(b.about.prompt.name, NAME)
    if ours != theirs:
        return ours, theirs
    for one, other in (
        (a.about.weights, b.about.weights),
        (one_line(a.about.model, NAME), one_line(b.about.model, NAME)),
        (f"step {a.about.step}", f"step {b.about.step}"),
        (a.version[:6], b.version[:6]),
        (a.id, b.id),
    ):
        if one != other:
            return f"{ours} ({one})", f"{theirs} ({other})"
    return ours, theirs
