"""What every view that is asked for shares: how far it is, what went wrong, what to press."""

from typing import Any

from workbench.ui.inspecting import Look
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.lines import Line, wrap


def state_lines(look: Look[Any], width: int, what: str) -> list[Line]:
    """What stands above a result, or in place of one that is not there."""
    if look.problem:
        return [*wrap("✗ " + look.problem, width, "bad"), [("u ", "key"), ("tries again", "quiet")]]
    if look.under_way:
        lines = progress_lines(look.progress, width) if look.progress else wrap(f"{what} …", width)
        return [*lines, [("esc ", "key"), ("stops", "quiet")], []]
    if look.stopped:
        return [*wrap("Stopped.", width, "warn"), [("u ", "key"), ("begins again", "quiet")], []]
    if look.stale:
        return [
            [("! ", "warn"), ("what is used has changed since; ", "quiet"), ("u ", "key"),
             ("looks again", "quiet")],
            [],
        ]  # fmt: skip
    if look.result is None:
        return [[("There is nothing to look at yet.", "quiet")]]
    return []
