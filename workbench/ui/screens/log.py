"""The log: what happened here, and the tail of what the worker and its libraries said."""

from contextlib import suppress
from pathlib import Path

from workbench.ui.screens.sheet import Reading
from workbench.ui.widgets.lines import Line, wrap

TAIL = 60_000  # bytes


class LogScreen(Reading):
    HINT = "r reads it again · esc closes"
    BINDINGS = [("r", "again", "Read again")]

    def __init__(self, messages: list[str], path: Path | None) -> None:
        super().__init__("Log", self.draw)
        self.messages, self.path = messages, path

    def on_mount(self) -> None:
        super().on_mount()
        self.call_after_refresh(self.lines.scroll_end, animate=False)

    def action_again(self) -> None:
        self.lines.redraw()
        self.lines.scroll_end(animate=False)

    def draw(self, width: int) -> list[Line]:
        lines: list[Line] = [[("In this window", "title")]]
        for message in self.messages or ["Nothing to report."]:
            lines += wrap(message, width)
        lines += [[], [("The worker", "title")]]
        if not self.path:
            return [*lines, *wrap("It has no log of its own yet.", width, "quiet")]
        lines += wrap(str(self.path), width, "quiet")
        text = tail(self.path)
        return [*lines, *wrap(text or "The log is empty.", width, "text" if text else "quiet")]


def tail(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        text = file.read().decode("utf-8", "replace")
        return text.partition("\n")[2] if size > TAIL else text
    return ""
