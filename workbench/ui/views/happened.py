"""The events view: all that happened to a run, in order."""

import time
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.text import one_line
from workbench.ui.units import count
from workbench.ui.widgets.lines import Line, Lines, clip, wrap

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorPane

# What an event is, and its ink; one that is not here is shown by its own name.
WORDS = {
    "started": ("began", "good"),
    "resumed": ("went on", "good"),
    "checkpoint": ("checkpoint", "quiet"),
    "best": ("best so far", "good"),
    "evaluated": ("evaluated", "quiet"),
    "learning_rate": ("learning rate", "accent"),
    "paused": ("paused", "warn"),
    "unpaused": ("went on", "good"),
    "out_of_memory": ("out of memory", "warn"),
    "early_stopping": ("stopped early", "warn"),
    "broken_numbers": ("no number any more", "bad"),
    "problem": ("a problem", "warn"),
    "restored": ("weights put back", "warn"),
    "stopped": ("stopped", "warn"),
    "finished": ("finished", "good"),
    "failed": ("failed", "bad"),
}
HIDDEN = ("time", "event", "pid", "step", "total_steps", "message", "reasons")


class HappenedView(Vertical):
    DEFAULT_CSS = """
    HappenedView { height: 1fr; }
    HappenedView > Lines { height: 1fr; overflow-x: hidden; }
    """

    def __init__(self, pane: "MonitorPane") -> None:
        super().__init__(id="happened-view")
        self.pane = pane
        self.lines = Lines(self.draw, id="happened")

    def compose(self) -> ComposeResult:
        yield self.lines

    def go(self) -> None:
        self.screen.set_focus(self.lines)

    def redraw(self) -> None:
        self.lines.redraw()

    def draw(self, width: int) -> list[Line]:
        history = self.pane.history
        if history is None or not history.events:
            return wrap("Nothing happened yet: F7 starts a run.", width, "quiet")
        return [line for one in reversed(history.events) for line in event_lines(one, width)]


def event_lines(event: dict[str, Any], width: int) -> list[Line]:
    """An event: when, at which step, what, and what is known of it."""
    kind = str(event.get("event", ""))
    word, ink = WORDS.get(kind, (one_line(kind.replace("_", " "), 30), "text"))
    clock = time.strftime("%H:%M:%S", time.localtime(float(event.get("time", 0))))
    line: Line = [
        (f"{clock} ", "quiet"),
        (f"step {count(int(event.get('step') or 0)):>6}  ", "quiet"),
        (f"{word}  ", ink),
    ]
    more = [
        f"{key.replace('_', ' ')} {said(value)}"
        for key, value in event.items()
        if key not in HIDDEN and value not in ("", None, [], {})
    ]
    indent = " " * 10
    lines = [clip(line, width)]
    for text in filter(None, [str(event.get("message") or ""), " · ".join(more)]):
        lines += [[(indent, "text"), *one] for one in wrap(text, width - len(indent), "quiet")]
    for reason in event.get("reasons") or []:
        lines += [
            [(indent, "text"), *one] for one in wrap(str(reason), width - len(indent), "quiet")
        ]
    return lines


def said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return one_line(f"{value:,}" if isinstance(value, int) else str(value), 120)
