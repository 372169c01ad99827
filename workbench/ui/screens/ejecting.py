"""A run as one Python script: read here, copied, or written to a file."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.widget import Widget

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    EjectRun,
    Failed,
    HostLost,
    Progress,
    RunEjected,
)
from workbench.text import literal, one_line
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.screens.writing import PERIOD, elapsed
from workbench.ui.units import plural
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.field import Field
from workbench.ui.widgets.lines import Line, Lines, spread, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

FOLDER = "exports"  # of the workspace


class EjectScreen(Sheet):
    """Shows the script as soon as it comes; enter writes it, with the rows beside it."""

    TITLE_TEXT = "The run as a script"
    HINT = "enter writes it · ctrl+y copies it · tab the script · esc closes"
    BINDINGS = [Binding("ctrl+y", "copy", show=False, priority=True)]
    DEFAULT_CSS = """
    EjectScreen #script { height: 1fr; border-top: solid $frame; overflow-x: hidden; }
    EjectScreen #script:focus { border-top: solid $primary; }
    """

    def __init__(self, bench: "Base", run: str) -> None:
        super().__init__()
        self.bench, self.run = bench, run
        self.text = ""
        self.problem = self.said = self.asked = ""
        self.showing = self.writing = -1
        self.progress: Progress | None = None
        self.began = 0.0

    def inside(self) -> Iterator[Widget]:
        name = literal(self.run).replace("/", "-")
        yield Field(f"{FOLDER}/{name}.py", id="to")
        yield Text(self.draw, id="state")
        yield Lines(self.draw_script, id="script")

    def on_mount(self) -> None:
        self.bench.sheet = self
        field = self.query_one(Field)
        field.focus()
        field.cursor_position = len(field.value)
        self.showing = self.ask("")
        self.set_interval(PERIOD, self.tick)

    def on_unmount(self) -> None:
        """A script that is not there yet is not wanted any more."""
        if self.bench.sheet is self:
            self.bench.sheet = None
        for request in (self.showing, self.writing):
            if request >= 0:
                self.bench.send(Cancel(target=request))

    @property
    def under_way(self) -> bool:
        return max(self.showing, self.writing) >= 0

    def tick(self) -> None:
        """The time goes on although nothing is heard, as while libraries are loaded."""
        if self.under_way:
            self.redraw()

    def ask(self, to: str) -> int:
        folder = str(self.bench.workspace)
        overwrite = bool(to) and self.asked == to
        self.progress, self.began, self.problem = None, time.monotonic(), ""
        return self.bench.send(EjectRun(folder=folder, run=self.run, to=to, overwrite=overwrite))

    # --- drawing -----------------------------------------------------------------------------

    def draw(self, width: int) -> list[Line]:
        if self.problem:
            return wrap(self.problem, width, "bad")
        if self.writing >= 0:
            return self.draw_progress(width)
        if self.asked:
            words = f"{self.asked} is there already. Enter again replaces it."
            return wrap(words, width, "warn")
        words = "On transformers, peft and TRL alone; it makes the run again, number for number."
        return wrap(self.said or words, width, "good" if self.said else "quiet")

    def draw_script(self, width: int) -> list[Line]:
        if not self.text:
            return self.draw_progress(width) if self.showing >= 0 else []
        return [line for row in self.text.split("\n") for line in wrap(row, width)]

    def draw_progress(self, width: int) -> list[Line]:
        passed = [(elapsed(self.began), "quiet")]
        lines = progress_lines(self.progress, width - 12) if self.progress else [[("…", "quiet")]]
        return [spread(lines[0], passed, width), *lines[1:]]

    def redraw(self) -> None:
        self.query_one("#state", Text).redraw()
        self.query_one("#script", Lines).redraw()

    # --- keys --------------------------------------------------------------------------------

    def on_input_changed(self) -> None:
        self.asked = self.problem = self.said = ""
        self.query_one("#state", Text).redraw()

    def on_input_submitted(self, event: Field.Submitted) -> None:
        to = event.value.strip()
        if to and self.writing < 0:
            self.writing = self.ask(to)
            self.redraw()

    def action_copy(self) -> None:
        if self.text:
            self.bench.copy_to_clipboard(self.text)
            lines = self.text.count("\n") + 1
            self.said = f"Copied the script, {plural(lines, 'line')}."
            self.redraw()

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            if self.under_way:
                self.problem = "The worker ended before the script was there; enter tries again."
            self.showing = self.writing = -1
            self.redraw()
            return False
        if event.request not in (self.showing, self.writing) or event.request < 0:
            return False
        match event:
            case Progress():
                self.progress = event
                self.redraw()
                return True
            case RunEjected():
                self.take(event)
            case Failed():
                self.fail(event)
            case Done():
                pass
            case _:
                return False
        if event.request == self.writing:
            self.writing = -1
        else:
            self.showing = -1
        self.redraw()
        return True

    def take(self, event: RunEjected) -> None:
        """The script; where it was written, that it was."""
        self.text = event.text
        if event.request == self.writing:
            self.said, self.asked = f"Written to {event.path}, its rows beside it.", ""
            self.bench.note(f"Wrote the script of {one_line(self.run, 60)} to {event.path}.")

    def fail(self, event: Failed) -> None:
        """What stands in the way; a file that is there is asked about."""
        if "is there already" in event.message and event.request == self.writing:
            self.asked = self.query_one(Field).value.strip()
        else:
            self.problem = event.message
            self.bench.note(event.message, event.details)
