"""Looking at rows: the open dataset, what is still read of it, and the selected row."""

import time
from typing import TYPE_CHECKING

from textual.timer import Timer

from workbench.protocol import (
    AnyEvent,
    DatasetIndexed,
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
from workbench.ui.recognising import Recognising
from workbench.ui.widgets.pages import CELL

if TYPE_CHECKING:
    from workbench.ui.base import Base

ROW_PAUSE, TYPING_PAUSE = 0.08, 0.15  # seconds without another key before the worker is asked


class Browsing:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.recognising = Recognising(app)
        self.opened: DatasetOpened | None = None
        self.values: Values | None = None
        self.row: Row | None = None  # the selected one, once it came
        self.rendered: PromptRendered | None = None
        self.open_request = self.row_request = self.render_request = self.jump_request = -1
        self.reads: set[int] = set()  # requests for rows of the table
        self.goal = -1  # a row number to go to as soon as it is read
        self.again = False  # the same rows are opened anew: what is shown stays meanwhile
        self.waiting = False  # for the dataset to be open: until then nothing can be read of it
        self.render_sent = 0.0
        self.timers: dict[str, Timer] = {}
        self.when_row_comes: list[str] = []  # actions that wait for the row in full
        self.when_rendered: list[str] = []  # and those that wait for its prompt

    # --- asking ------------------------------------------------------------------------------

    def open(self, again: bool = False) -> None:
        """Open the session's dataset anew; `again`: its rows are those shown."""
        session = self.app.session
        self.again = again and self.opened is not None
        self.waiting = True
        self.reads.clear()
        self.recognising.opening(self.again)
        if self.again:
            self.app.dataset_pane.name_it(session.dataset.source, "applying the change …")
        if not self.again:
            self.opened, self.values, self.row, self.rendered = None, None, None, None
            self.goal = session.layout.row
            self.app.dataset_pane.opening(session.dataset.source)
        self.app.finding.forget(self.again)
        self.app.inspecting.forget(self.again)
        self.open_request = self.app.send(
            OpenDataset(
                dataset=session.dataset,
                folder=str(self.app.workspace),
                prompt=session.prompt(),
            )
        )

    def read_rows(self, view: int, start: int, stop: int) -> None:
        self.reads.add(self.app.send(ReadRows(start=start, stop=stop, width=CELL, view=view)))

    def select(self, number: int) -> None:
        """The cursor is on another row: read it in full once the cursor rests."""
        self.values = self.row = None
        self.goal = -1
        if number >= 0:
            self.app.change_layout(row=number)
        self.later("row", ROW_PAUSE, self.read_row)

    def read_row(self) -> None:
        table = self.app.dataset_pane.table
        if self.opened and table.total:
            self.cancel("row")
            view = self.app.finding.view
            self.row_request = self.app.send(ReadRow(index=table.cursor, view=view))

    def go_to_number(self, number: int) -> None:
        """Select the row of this number, in whatever view is shown."""
        if not self.opened:
            return
        view, known = self.app.finding.view, self.opened.rows
        if number >= known:
            if self.opened.complete:
                self.app.tell(f"There is no row {number + 1:,}: the last one is {known:,}.")
            else:
                self.goal = number
                self.app.tell(f"Row {number + 1:,} is not read yet; it is shown once it is.")
        elif view:
            self.jump_request = self.app.send(ReadRow(index=0, view=view, number=number))
        else:
            self.app.dataset_pane.table.go_to(number)

    def edit(self, prompt: Prompt) -> None:
        self.app.change(self.app.session.with_prompt(prompt))
        self.later("render", TYPING_PAUSE, self.render)

    def render(self) -> None:
        """Ask what the model gets; without a row a template that needs none still works."""
        self.cancel("render")
        self.recognising.follow_wording()
        if self.values is None and not self.rowless:
            return
        session = self.app.session
        prompt = session.prompt()
        self.render_sent = time.monotonic()
        self.render_request = self.app.send(
            RenderPrompt(
                model=session.model_of(prompt),
                folder=str(self.app.workspace),
                prompt=prompt,
                values=self.values or {},
                dataset=self.recognising.dataset(),
                number=self.row.number if self.row and self.values is not None else -1,
                generation=session.generation_of(prompt),
                labels=session.evaluation.labels,
            )
        )
        self.app.inspecting.follow_row()

    @property
    def rowless(self) -> bool:
        """There is no row to fill the prompt from: the dataset is empty or failed."""
        return bool(self.app.dataset_pane.problem) or (
            self.opened is not None and not self.opened.rows and self.opened.complete
        )

    @property
    def broken(self) -> bool:
        """The selected row could not be read."""
        return self.row is not None and bool(self.row.broken)

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
        if self.recognising.handle(event):
            return True
        match event:
            case DatasetOpened():
                self.show(event)
            case DatasetIndexed():
                self.grow(event)
            case Rows():
                self.reads.discard(event.request)
                self.app.dataset_pane.table.fill(
                    event.start, event.cells, event.view, event.numbers, event.marks
                )
                self.app.dataset_pane.state.redraw()  # it explains the signs in view
            case Row():
                self.take_row(event)
            case PromptRendered():
                self.show_rendered(event)
            case Progress() if event.request == self.open_request:
                self.app.dataset_pane.follow(event)
            case Failed():
                return self.fail(event)
            case Done():
                return event.request == self.open_request
            case _:
                return False
        return True

    def fail(self, event: Failed) -> bool:
        if event.request == self.open_request:
            self.opened, self.waiting = None, False
            self.app.dataset_pane.fail(event.message)
            self.app.inspecting.dataset_failed(event.message)
            self.app.report(event, self.app.dataset_pane.display)
            self.render()
        elif event.request == self.render_request:
            self.rendered = None
            self.when_rendered.clear()
            self.app.prompt_pane.fail(event.message, event.advice)
        elif event.request == self.jump_request:
            self.app.tell(event.message, "warning", event.details)
        elif event.request in self.reads or event.request == self.row_request:
            # Of many pages one sentence is enough; what is there stays. While the dataset is
            # opened again nothing is to be had: all is asked for once more when it is there.
            self.reads.discard(event.request)
            self.app.note(event.message, event.details)
            if not self.waiting:
                self.app.dataset_pane.warn(event.message)
        else:
            return False
        return True

    def show(self, opened: DatasetOpened) -> None:
        if opened.request != self.open_request:
            return
        pane = self.app.dataset_pane
        before, self.opened, self.waiting = self.opened, opened, False
        if self.again and before and pane.table.total:
            pane.describe(opened)
            if not self.app.finding.view:
                pane.table.renew(opened.columns, opened.types)
            self.take_size()
            self.app.finding.find_again()
        else:
            pane.show(opened, self.choose_row(opened))
        self.again = False
        self.recognising.take(opened.format)
        self.app.prompt_pane.know(opened.columns)
        self.app.inspecting.renew()
        for note in opened.notes:
            self.app.note(note)
        if not self.app.finding.view:  # else it is read once the view is there again
            self.read_row()
            self.render()

    def choose_row(self, opened: DatasetOpened) -> int:
        """The row that the session names, or the last one where there are not so many."""
        row = self.app.session.layout.row
        if row < opened.rows or opened.complete:
            self.goal = -1
        if row >= opened.rows and opened.complete:
            row = max(0, opened.rows - 1)
            self.app.change_layout(row=row)
        return min(row, max(0, opened.rows - 1))

    def grow(self, event: DatasetIndexed) -> None:
        """More of the dataset was read; the cursor and the place stay."""
        if event.request != self.open_request or not self.opened:
            return
        before, self.opened = self.opened, event.opened
        pane = self.app.dataset_pane
        pane.describe(event.opened, event)
        self.recognising.take(event.opened.format)
        if not before.rows and event.opened.rows:
            pane.show(event.opened, 0)
            self.read_row()
        same = (before.columns, before.types) == (event.opened.columns, event.opened.types)
        if not same:
            self.app.prompt_pane.know(event.opened.columns)
        if not same or event.opened.complete:
            pane.table.renew(event.opened.columns, event.opened.types)
        self.take_size()
        if event.problem:
            self.app.tell(event.problem, "error")
        if event.opened.complete:
            self.read_row()  # its mark is known only now
            self.app.inspecting.renew()
        for note in event.opened.notes:
            if note not in before.notes:
                self.app.note(note)

    def take_size(self) -> None:
        assert self.opened
        table = self.app.dataset_pane.table
        shown = table.total if self.app.finding.view else self.opened.rows
        table.grow(shown, self.opened.rows)
        if self.goal >= 0 and self.opened.rows > self.goal and not self.app.finding.view:
            goal, self.goal = self.goal, -1
            table.go_to(goal)
        elif self.goal >= 0 and self.opened.complete:
            self.goal = -1

    def take_row(self, event: Row) -> None:
        if event.request == self.row_request:
            self.show_row(event)
        elif event.request == self.jump_request and event.view == self.app.finding.view:
            self.app.dataset_pane.table.go_to(event.index)

    def show_row(self, event: Row) -> None:
        self.row = event
        self.values = None if event.broken else event.values
        if self.goal < 0 and event.number != self.app.session.layout.row:
            self.app.change_layout(row=event.number)
        self.app.dataset_pane.show_row(event)
        if event.broken:
            self.rendered = None
            self.when_row_comes.clear()
            self.app.prompt_pane.fail("This row could not be read: there is nothing to fill in.")
            self.app.inspecting.follow_row()
            return
        self.render()
        self.do_waiting(self.when_row_comes)

    def show_rendered(self, event: PromptRendered) -> None:
        if event.request != self.render_request:
            return
        self.rendered = event
        spent = (time.monotonic() - self.render_sent) * 1000
        self.app.prompt_pane.show_rendered(event, spent)
        if self.fresh:
            self.app.asking.expect(event.answer)
            self.do_waiting(self.when_rendered)

    def do_waiting(self, actions: list[str]) -> None:
        for action in actions:
            self.app.call_later(self.app.run_action, action)
        actions.clear()
