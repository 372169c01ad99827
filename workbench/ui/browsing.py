"""Looking at data: the open dataset, the selected row, and what the prompt comes to for it."""

import time
from typing import TYPE_CHECKING

from textual.timer import Timer

from workbench.protocol import (
    AnyEvent,
    DatasetOpened,
    Done,
    Failed,
    OpenDataset,
    Progress,
    PromptRendered,
    ReadRow,
    ReadRows,
    RenderPrompt,
    Row,
    Rows,
    Values,
)
from workbench.session import Prompt
from workbench.ui.widgets.table import CELL

if TYPE_CHECKING:
    from workbench.ui.base import Base

ROW_PAUSE, TYPING_PAUSE = 0.08, 0.15  # seconds without another key before the worker is asked


class Browsing:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.opened: DatasetOpened | None = None
        self.values: Values | None = None
        self.rendered: PromptRendered | None = None
        self.open_request = self.row_request = self.render_request = -1
        self.render_sent = 0.0
        self.timers: dict[str, Timer] = {}
        self.when_row_comes: list[str] = []  # actions that wait for the row in full
        self.when_rendered: list[str] = []  # and those that wait for its prompt

    # --- asking ------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the session's dataset anew."""
        dataset = self.app.session.dataset
        self.opened, self.values, self.rendered = None, None, None
        self.app.dataset_pane.opening(dataset.source)
        self.open_request = self.app.send(
            OpenDataset(dataset=dataset, folder=str(self.app.workspace))
        )

    def read_rows(self, start: int, stop: int) -> None:
        self.app.send(ReadRows(start=start, stop=stop, width=CELL))

    def select(self, row: int) -> None:
        """The cursor is on another row: read it in full once the cursor rests."""
        self.values = None
        self.app.change_layout(row=row)
        self.later("row", ROW_PAUSE, self.read_row)

    def read_row(self) -> None:
        if self.opened and self.opened.rows:
            self.cancel("row")
            self.row_request = self.app.send(ReadRow(index=self.app.session.layout.row))

    def edit(self, prompt: Prompt) -> None:
        self.app.change(self.app.session.with_prompt(prompt))
        self.later("render", TYPING_PAUSE, self.render)

    def render(self) -> None:
        """Ask what the model gets; without a row a template that needs none still works."""
        self.cancel("render")
        if self.values is None and not self.rowless:
            return
        session = self.app.session
        self.render_sent = time.monotonic()
        self.render_request = self.app.send(
            RenderPrompt(
                model=session.model,
                folder=str(self.app.workspace),
                prompt=session.prompt(),
                values=self.values or {},
            )
        )

    @property
    def rowless(self) -> bool:
        """There is no row to fill the prompt from: the dataset is empty or failed."""
        return bool(self.app.dataset_pane.problem) or (
            self.opened is not None and not self.opened.rows
        )

    @property
    def fresh(self) -> bool:
        """Whether `rendered` is what the selected row and the prompt as it is come to."""
        return (
            self.rendered is not None
            and self.values is not None
            and self.rendered.request == self.render_request
            and "render" not in self.timers
        )

    def later(self, name: str, seconds: float, what: object) -> None:
        self.cancel(name)
        self.timers[name] = self.app.set_timer(seconds, what)  # type: ignore[arg-type]

    def cancel(self, name: str) -> None:
        if timer := self.timers.pop(name, None):
            timer.stop()

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        match event:
            case DatasetOpened():
                self.show(event)
            case Rows():
                self.app.dataset_pane.table.fill(event.start, event.cells)
            case Row():
                if event.request == self.row_request:
                    self.show_row(event)
            case PromptRendered():
                if event.request == self.render_request:
                    self.rendered = event
                    spent = (time.monotonic() - self.render_sent) * 1000
                    self.app.prompt_pane.show_rendered(event, spent)
                    if self.fresh:
                        self.app.asking.expect(event.answer)
                        self.do_waiting(self.when_rendered)
            case Progress() if event.request == self.open_request:
                self.app.dataset_pane.follow(event)
            case Failed() if event.request == self.open_request:
                self.app.dataset_pane.fail(event.message)
                self.app.report(event, self.app.dataset_pane.display)
                self.render()
            case Failed() if event.request == self.render_request:
                self.rendered = None
                self.when_rendered.clear()
                self.app.prompt_pane.fail(event.message)
            case Done():
                return event.request == self.open_request
            case _:
                return False
        return True

    def show(self, opened: DatasetOpened) -> None:
        if opened.request != self.open_request:
            return
        self.opened = opened
        row = max(0, min(self.app.session.layout.row, opened.rows - 1))
        if row != self.app.session.layout.row:
            self.app.change_layout(row=row)
        self.app.dataset_pane.show(opened, row)
        self.app.prompt_pane.know(opened.columns)
        self.read_row()
        self.render()

    def show_row(self, event: Row) -> None:
        self.values = event.values
        self.app.dataset_pane.show_row(event.values)
        self.render()
        self.do_waiting(self.when_row_comes)

    def do_waiting(self, actions: list[str]) -> None:
        for action in actions:
            self.app.call_later(self.app.run_action, action)
        actions.clear()
