"""What a run will be, as lines: memory with its formula, time, choices, advice. Knows nothing of
widgets."""

from workbench.protocol import Plan
from workbench.text import one_line
from workbench.ui.units import count, duration, parameters, plural, size
from workbench.ui.widgets.lines import Line, cells, clip, listed, pad, progress_bar, spread, wrap

NAMES = 8  # cells of what is named at the left


def plan_lines(plan: Plan, width: int) -> list[Line]:
    """All of a plan; what keeps the run from beginning comes first."""
    lines: list[Line] = []
    if plan.problem:
        lines += [*wrap(plan.problem, width, "bad"), []]
    lines += [*summary(plan, width), []]
    for words in plan.advice:
        lines += wrap(f"! {words}", width, "warn")
    for words in plan.badges:
        lines += wrap(f"◇ {words}", width, "warn")
    if plan.advice or plan.badges:
        lines.append([])
    lines += [
        clip(
            [(f"{plan.task} · {plan.method}", "title"), (f"  {one_line(plan.model, 60)}", "text")],
            width,
        ),
        *wrap(sizes(plan), width, "quiet"),
        [],
        *amounts(plan, width),
    ]
    if plan.memory:
        lines += [[], *memory_lines(plan, width)]
    if plan.choices:
        lines += [[], [("Chosen for you", "title")]]
        for one in plan.choices:
            name = one.setting.removeprefix("training.")
            lines += wrap(f"{name} {one.value}: {one.why}", width, "quiet")
    return lines


def summary(plan: Plan, width: int) -> list[Line]:
    """Whether it fits, how long, how many steps, and how much memory."""
    parts = []
    if plan.seconds >= 0:
        parts.append(f"about {duration(plan.seconds)}")
    if plan.steps >= 0:
        parts.append(plural(plan.steps, "step"))
    if plan.memory:
        free = f" of {size(plan.memory_free)} free" if plan.memory_free >= 0 else ""
        parts.append(size(plan.memory_total) + free)
    if plan.problem or not plan.fits:
        sign, ink = "✗ it does not fit", "bad"
        if plan.fits:
            sign = "✗ it cannot begin"
    else:
        sign, ink = "✓", "good"
    left = [(f"{sign}  ", ink)]
    lines = listed([[(part, "strong")] for part in parts], width - cells(left))
    return [[*(pad([], cells(left)) if index else left), *line] for index, line in enumerate(lines)]


def sizes(plan: Plan) -> str:
    share = plan.trainable / plan.parameters if plan.parameters else 0.0
    moved = "all of them" if share > 0.99 else f"{parameters(plan.trainable)} of them"
    return (
        f"{parameters(plan.parameters)} weights, {moved} trained · {one_line(plan.dtype, 20)} "
        f"on {one_line(plan.device, 40)}"
    )


def amounts(plan: Plan, width: int) -> list[Line]:
    """Rows, tokens, steps and time."""
    lines: list[Line] = []
    rows = plural(plan.rows, "row") if plan.rows >= 0 else "rows are counted …"
    more = [
        f"{count(number)} {words}"
        for number, words in ((plan.rows_left_out, "left out"), (plan.rows_cut, "cut"))
        if number > 0
    ]
    if plan.evaluation_rows >= 0:
        more.append(f"{count(plan.evaluation_rows)} to evaluate on")
    parts = listed([[(words, "strong")] for words in (rows, *more)], max(1, width - NAMES))
    for index, part in enumerate(parts):
        lines.append([(f"{'' if index else 'rows':<{NAMES}}", "quiet"), *part])
    if plan.tokens >= 0:
        lines.append(named("tokens", f"{count(plan.tokens)} an epoch", width))
    if plan.steps >= 0:
        lines.append(named("steps", count(plan.steps), width))
    if plan.seconds >= 0:
        lines.append(named("time", f"about {duration(plan.seconds)}", width))
        if plan.seconds_from:
            lines += indented(NAMES, plan.seconds_from, width)
    return lines


def named(name: str, words: str, width: int) -> Line:
    return clip([(f"{name:<{NAMES}}", "quiet"), (words, "strong")], width)


def indented(by: int, words: str, width: int) -> list[Line]:
    return [[(" " * by, "text"), *one] for one in wrap(words, max(1, width - by), "quiet")]


def memory_lines(plan: Plan, width: int) -> list[Line]:
    """What takes how much and why, and how much of what is free that is."""
    total = plan.memory_total
    free = f" of {size(plan.memory_free)} free" if plan.memory_free >= 0 else ""
    ink = "good" if plan.fits else "bad"
    verdict = "" if plan.fits else "  it does not fit"
    lines: list[Line] = [
        clip([("memory  ", "quiet"), (size(total) + free, "strong"), (verdict, "bad")], width)
    ]
    if plan.memory_free > 0:
        lines.append(progress_bar(total / plan.memory_free, width, ink))
    for part in sorted(plan.memory, key=lambda one: -one.bytes):
        formula = one_line(part.formula, 120)
        left: Line = [(f"  {part.name:<14} {size(part.bytes):>8}  ", "text")]
        right: Line = [(formula, "quiet")]
        if cells(left) + cells(right) <= width:
            lines.append(spread(left, right, width))
        else:  # below it, whole
            lines += [clip(left, width), *indented(4, formula, width)]
    return lines
