"""A variant as a report in Markdown: the prompt, the settings, what was measured, what changed.

Knows Markdown (CommonMark with GitHub's tables) and what measurements are told with. Texts of rows,
prompts and models are shown literally: within fences longer than any in them, or escaped.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from workbench.prompting.variant import Variant
from workbench.protocol import Changed, Compared, Evaluated, MeasurementShown
from workbench.session import ExampleSettings
from workbench.text import literal, one_line

CELL = 160  # characters of a text in a table
MOST_CHANGED = 50  # rows of a table of changed ones
MARKS = re.compile(r"[\\`*_{}\[\]<>|~$^!]|(?<=:)/(?=/)")  # the last: an address becomes no link
LEADING = re.compile(r"^(\s*)([#+=-]|\d+(?=[.)]))")  # what makes a heading or a list of a line


def report(
    variant: Variant,
    measurements: Sequence[MeasurementShown] = (),
    comparisons: Sequence[Compared] = (),
) -> str:
    """The report. `measurements` and `comparisons` come in the order in which they are told.

    Raises:
        PromptError: where the prompt cannot be filled from its row.
    """
    parts = [f"# Prompt {escaped(variant.prompt.name)}", *prompt(variant), *settings(variant)]
    if measurements:
        parts += ["## Figures", figures(measurements)]
        parts += [
            "Intervals are 95 % intervals: "
            + "; ".join(
                sorted({how for one in measurements for how in intervals(one)} or {"Wilson"})
            )
            + "."
        ]
    parts += [part for shown in measurements for part in details(shown)]
    parts += [part for compared in comparisons for part in comparison(compared)]
    return "\n\n".join(part for part in parts if part) + "\n"


# --- the prompt and its settings ------------------------------------------------------------------


def prompt(variant: Variant) -> list[str]:
    given = variant.prompt
    parts = ["## Prompt"]
    if given.system.strip():
        parts += ["System:", fence(given.system)]
    for typed in given.turns:
        parts += [f"{typed.role.capitalize()}:", fence(typed.content)]
    if variant.examples:
        chosen = given.examples
        parts.append(
            f"{len(variant.examples) // 2} examples ({chosen.choose}, seed {chosen.seed}):"
        )
        for turn in variant.examples:
            parts += [f"{turn['role'].capitalize()}:", fence(turn["content"])]
    if given.template.strip():
        parts += ["User (a Jinja template, filled from the row):", fence(given.template)]
    if given.answer_start:
        parts += ["The answer begins with:", fence(given.answer_start)]
    if given.completion:
        parts += ["The answer that is expected:", fence(given.completion)]
    if variant.values or variant.turns:
        parts.append("### For one row")
        for turn in variant.all_turns:
            parts += [f"{turn['role'].capitalize()}:", fence(turn["content"])]
    return parts


def how(chosen: ExampleSettings) -> str:
    drawn = chosen.choose in {"random", "balanced"}
    return f"{chosen.choose}, seed {chosen.seed}" if drawn else chosen.choose


def settings(variant: Variant) -> list[str]:
    model = {
        "name": variant.model.name,
        "revision": variant.model.revision,
        "server": variant.model.url,
        "adapter": variant.model.adapter,
        "dtype": "" if variant.model.url else variant.dtype,
    }
    generation = msgspec.to_builtins(variant.generation)
    if not variant.generation.do_sample:
        for name in ("temperature", "top_p", "top_k", "seed"):
            del generation[name]
    rows = [("model " + name, value) for name, value in model.items() if value]
    rows += [(name, value) for name, value in generation.items() if value != ""]
    if variant.generation.constraint == "labels":
        rows.append(("labels", ", ".join(variant.labels)))
    return ["## Settings", table(["setting", "value"], [[name, value] for name, value in rows])]


# --- what was measured ----------------------------------------------------------------------------


def figures(measurements: Sequence[MeasurementShown]) -> str:
    rows = []
    for shown in measurements:
        one = shown.evaluated
        for metric in metrics(one):
            rows.append(
                [
                    one.prompt or shown.prompt.name,
                    f"{one.model}{'' if one.weights == 'base' else ' (' + one.weights + ')'}",
                    metric.name,
                    number(metric.value, metric.unit),
                    f"{number(metric.low, metric.unit)} to {number(metric.high, metric.unit)}",
                    one.rows,
                ]
            )
    return table(["prompt", "model", "metric", "value", "95 % interval", "rows"], rows)


def metrics(one: Evaluated) -> Sequence[Any]:
    """All figures of a measurement, the one that decides first."""
    return one.metrics or [Plain(one)]


class Plain:
    """The figure that decides, of a measurement that tells no others."""

    def __init__(self, one: Evaluated) -> None:
        self.name, self.value, self.low, self.high = one.metric, one.value, one.low, one.high
        self.unit, self.interval = "share", ""


def intervals(shown: MeasurementShown) -> list[str]:
    return [metric.interval for metric in shown.evaluated.metrics if metric.interval]


def details(shown: MeasurementShown) -> list[str]:
    """What there is of a measurement beside its figures."""
    one = shown.evaluated
    parts: list[str] = []
    if one.confusion:
        labels = [one_line(label, 40) for label in one.labels]
        rows = [
            [f"expected {label}", *counts]
            for label, counts in zip(labels, one.confusion, strict=False)
        ]
        heads = ["", *[*labels, "another answer"][: len(one.confusion[0])]]
        parts += ["Confusion matrix (rows: expected, columns: answered):", table(heads, rows)]
    if one.calibration:
        rows = [
            [number(mean, "share"), number(right, "share"), count]
            for mean, right, count in one.calibration
            if count
        ]
        parts += ["Calibration:", table(["mean confidence", "share right", "rows"], rows)]
    counted = {"left out as too long": one.left_out, "without an answer": one.failed}
    said = [f"{count:,} rows {what}" for what, count in counted.items() if count]
    notes = [escaped(one_line(note, 300)) for note in one.notes]
    if said or notes:
        parts.append("\n".join(f"- {line}" for line in [*said, *notes]))
    if not parts:
        return []
    return [f"### {escaped(one.prompt or shown.prompt.name)}, {escaped(one.model)}", *parts]


def comparison(one: Compared) -> list[str]:
    """Whether b is better than a, and the rows that changed."""
    parts = [
        f"## {escaped(one.name_b)} against {escaped(one.name_a)}",
        escaped(one.verdict),
        table(
            ["metric", one.name_a, one.name_b, "difference", "95 % interval", "p", "test", "rows"],
            [
                [
                    one.metric,
                    f"{one.value_a:.4g}",
                    f"{one.value_b:.4g}",
                    f"{one.difference:+.4g}",
                    f"{one.low:+.4g} to {one.high:+.4g}",
                    f"{one.p_value:.3g}",
                    one.test,
                    one.rows,
                ]
            ],
        ),
    ]
    parts += ["\n".join(f"- {escaped(one_line(note, 300))}" for note in one.notes)]
    for words, rows in (("better", one.gained), ("worse", one.lost)):
        if rows:
            parts += [f"### {len(rows):,} rows {words} with {escaped(one.name_b)}"]
            parts += [changed(rows, one)]
            if len(rows) > MOST_CHANGED:
                parts.append(f"The first {MOST_CHANGED} of {len(rows):,} rows.")
    return parts


def changed(rows: Sequence[Changed], one: Compared) -> str:
    return table(
        ["row", "expected", one.name_a, one.name_b],
        [[row.number, row.expected, row.a, row.b] for row in rows[:MOST_CHANGED]],
    )


# --- Markdown -------------------------------------------------------------------------------------


def number(value: float, unit: str) -> str:
    """A figure as it is read: a share in percent, a score with a decimal."""
    if unit == "share":
        return f"{value * 100:.1f} %"
    return f"{value:.1f}" if unit == "score" else f"{value:.4g}"


def table(heads: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    lines = [[cell(one) for one in heads], ["---"] * len(heads)]
    lines += [[cell(one) for one in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """A value within a table: one line, cut, nothing in it read as Markdown."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return escaped(one_line(str(value), CELL))


def escaped(text: str) -> str:
    """A text in one line that is shown as it is: what CommonMark or HTML would read is escaped."""
    text = MARKS.sub(lambda mark: "\\" + mark[0], one_line(text).replace("&", "&amp;"))
    return LEADING.sub(lambda mark: mark[1] + leading(mark[2]), text)


def leading(mark: str) -> str:
    return f"&#{ord(mark[0])};{mark[1:]}" if mark.isdigit() else f"\\{mark}"


def fence(text: str) -> str:
    """A text as it is, between fences that it does not hold."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{literal(text)}\n{ticks}"
