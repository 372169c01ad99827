"""What a run will take, in lines."""

from workbench.commands.client import duration
from workbench.protocol import Choice, Plan
from workbench.text import literal

LEAST = 0.005  # of all: smaller parts of memory are not listed


def plan_lines(plan: Plan) -> list[str]:
    """All of a plan, for a person."""
    return [
        *head(plan),
        *([f"It cannot begin: {literal(plan.problem)}"] if plan.problem else []),
        *([] if plan.problem else amounts(plan)),
        *memory(plan),
        *(choice(one) for one in plan.choices),
        *(f"! {literal(one)}" for one in plan.advice),
        *(f"! {literal(one)}" for one in plan.badges),
    ]


def head(plan: Plan) -> list[str]:
    where = f", {plan.dtype} on {plan.device}" if plan.device else ""
    sizes = f": {number(plan.parameters)} weights, {number(plan.trainable)} trained"
    return [literal(f"{plan.task} · {plan.method} · {plan.model}{where}{sizes}")]


def amounts(plan: Plan) -> list[str]:
    lines = []
    rows = [f"{plan.rows:,} rows"] if plan.rows >= 0 else []
    if plan.rows_left_out > 0:
        rows.append(f"{plan.rows_left_out:,} left out")
    if plan.rows_cut > 0:
        rows.append(f"{plan.rows_cut:,} cut")
    if plan.evaluation_rows >= 0:
        rows.append(f"{plan.evaluation_rows:,} to evaluate on")
    if plan.tokens >= 0:
        rows.append(f"{plan.tokens:,} tokens an epoch")
    lines.append("  " + ", ".join(rows))
    if plan.steps >= 0:
        words = f"  {plan.steps:,} steps"
        if plan.seconds >= 0:
            words += f", about {duration(plan.seconds)}, from {literal(plan.seconds_from)}"
        lines.append(words)
    return lines


def memory(plan: Plan) -> list[str]:
    if not plan.memory:
        return []
    total = plan.memory_total
    free = f" of {size(plan.memory_free)} free" if plan.memory_free >= 0 else ""
    lines = [f"  memory {size(total)}{free}{'' if plan.fits else ': it does not fit'}"]
    for part in sorted(plan.memory, key=lambda one: -one.bytes):
        if part.bytes >= LEAST * total:
            lines.append(f"    {part.name:<12} {size(part.bytes):>9}  {literal(part.formula)}")
    return lines


def choice(one: Choice) -> str:
    return literal(f"  {one.setting} = {one.value}: {one.why}")


def number(value: int) -> str:
    if value >= 1e9:
        return f"{value / 1e9:.2f} billion"
    return f"{value / 1e6:.1f} million" if value >= 1e6 else f"{value:,}"


def size(value: int) -> str:
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
