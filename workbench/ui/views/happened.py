"""The events view: all that happened to a run, in order."""

import time
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.text import one_line
from workbench.ui.units import count
from workbench.ui.views.curves import name_of
from workbench.ui.widgets.lines import Line, Lines, clip, wrap

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorPane

# What an event is, and its ink; one that is not here is shown by its own name.
WORDS = {
    "started": ("began", "good"),
    "resumed": ("went on", "good"),
    "checkpoint": ("checkpoint", "quiet"),
    "best": ("best checkpoint", "good"),
    "evaluated": ("evaluated", "quiet"),
    "learning_rate": ("learning rate", "accent"),
    "threads": ("threads", "warn"),
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
COUNTS = ("rows_left_out", "rows_cut")  # said where there are some
FEW = 4  # facts that stand in a row
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
        lines: list[Line] = []
        said = ""  # a run that was stopped early says why twice
        for one in reversed(history.events):
            message = str(one.get("message") or "")
            twice = {"message": ""} if message and message == said else {}
            lines += event_lines(one | twice, width)
            said = message or said
        return lines


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
    indent = " " * 10
    lines = [clip(line, width)]
    if kind == "best":
        words = wrap(best_words(event), width - len(indent), "quiet")
        lines += [[(indent, "text"), *one] for one in words]
    if message := str(event.get("message") or ""):
        lines += [[(indent, "text"), *one] for one in wrap(message, width - len(indent), "quiet")]
    lines += facts(event, width, indent) if kind != "best" else []
    for reason in event.get("reasons") or []:
        lines += [
            [(indent, "text"), *one] for one in wrap(str(reason), width - len(indent), "quiet")
        ]
    return lines


def best_words(event: dict[str, Any]) -> str:
    """The figure of the best checkpoint so far, and that of the one before."""
    words = f"{name_of(str(event.get('metric') or ''))} {said(event.get('value'))}"
    before = event.get("before")
    return f"{words}, before {said(before)}" if before is not None else words


def facts(event: dict[str, Any], width: int, indent: str) -> list[Line]:
    """What is known of an event: a few things in a row, many below each other."""
    known = {
        key.replace("_", " "): said(value)
        for key, value in event.items()
        if key not in HIDDEN and value not in ("", None, [], {})
        if key not in COUNTS or value
    }
    room = max(1, width - len(indent))
    if len(known) <= FEW:
        words = " · ".join(f"{name} {value}" for name, value in known.items())
        return [[(indent, "text"), *one] for one in wrap(words, room, "quiet")] if words else []
    left = 2 + max(len(name) for name in known)
    lines: list[Line] = []
    for name, value in known.items():
        for index, one in enumerate(wrap(value, max(1, room - left))):
            lines.append([(indent, "text"), (f"{'' if index else name:<{left}}", "quiet"), *one])
    return lines


def said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return one_line(", ".join(said(one) for one in value), 400)
    if isinstance(value, dict):
        return one_line(", ".join(f"{key} {said(one)}" for key, one in value.items()), 400)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return one_line(f"{value:,}" if isinstance(value, int) else str(value), 400)
