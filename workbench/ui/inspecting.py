"""Looking into the data: the tokens of a row, lengths, problems, a summary of the columns.

Each is a `Look`: asked for when its view is shown first, kept until what it depends on changes.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from workbench.protocol import (
    AnyEvent,
    AnyRequest,
    Cancel,
    ColumnsSummarised,
    Done,
    Failed,
    FindProblems,
    HostLost,
    InspectTokens,
    LengthsMeasured,
    MeasureLengths,
    ProblemsFound,
    Progress,
    SummariseColumns,
    TokensInspected,
)

if TYPE_CHECKING:
    from workbench.ui.base import Base

ViewName = Literal["rows", "columns", "tokens", "lengths", "problems"]
TOKENS_PAUSE, LENGTHS_PAUSE = 0.12, 0.5  # seconds without another change before they are asked
SAMPLE = 20_000  # rows whose lengths are measured unless all are asked for

Result = TypeVar("Result")


@dataclass
class Look(Generic[Result]):
    """Something that is looked at: what is known of it, and what is under way."""

    request: int = -1
    under_way: bool = False
    progress: Progress | None = None
    result: Result | None = None
    problem: str = ""
    stopped: bool = False
    key: Any = None  # what the result, or what is under way, is of
    stale: bool = False  # what the result is of has changed since
    extra: dict[str, Any] = field(default_factory=dict)

    def begin(self, request: int, key: Any) -> None:
        self.request, self.key, self.under_way = request, key, True
        self.progress, self.problem, self.stopped, self.stale = None, "", False, False

    def clear(self) -> None:
        self.request, self.key, self.under_way = -1, None, False
        self.progress, self.result, self.problem = None, None, ""
        self.stopped = self.stale = False


class Inspecting:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.shown: ViewName = "rows"
        self.columns: Look[ColumnsSummarised] = Look()
        self.tokens: Look[TokensInspected] = Look()
        self.lengths: Look[LengthsMeasured] = Look()
        self.problems: Look[ProblemsFound] = Look()
        self.every_row = False  # lengths of all rows are asked for, not of a sample

    @property
    def looks(self) -> dict[ViewName, Look[Any]]:
        return {
            "columns": self.columns,
            "tokens": self.tokens,
            "lengths": self.lengths,
            "problems": self.problems,
        }

    @property
    def look(self) -> Look[Any] | None:
        return self.looks.get(self.shown)

    def forget(self, again: bool) -> None:
        """The dataset is opened anew; `again`: what was found is shown on, with a word on it."""
        for name, look in self.looks.items():
            if self.give_up(look) or name != "columns":
                look.key = None
            if again:
                look.stale = look.result is not None and name != "columns"
            else:
                look.clear()
        if not again:
            self.every_row = False

    def dataset_failed(self, problem: str) -> None:
        """There is nothing to look at; each view says why."""
        for look in self.looks.values():
            look.clear()
            look.problem = f"The dataset could not be opened. {problem}"
        self.app.dataset_pane.redraw_view()

    # --- asking ------------------------------------------------------------------------------

    def show(self, name: ViewName) -> None:
        self.shown = name
        self.renew()

    def renew(self) -> None:
        """Something may have changed: ask for what is shown where it is not known yet."""
        browsing = self.app.browsing
        if browsing.waiting or not browsing.opened or not self.app.dataset_pane.table.total:
            return
        match self.shown:
            case "columns":
                self.ask(self.columns, SummariseColumns(view=self.app.finding.view))
            case "problems":
                if self.problems.result is None or not self.problems.stale:
                    self.ask(self.problems, FindProblems())
            case "lengths":
                self.ask(self.lengths, self.lengths_request())
            case "tokens":
                self.follow_row()
        self.app.dataset_pane.redraw_view()

    def again(self) -> None:
        """Ask for what is shown anew."""
        if self.app.dataset_pane.problem:
            self.app.browsing.open()
            return
        if self.look:
            self.give_up(self.look)
            self.look.key, self.look.stale = None, False
        self.renew()

    def ask(self, look: Look[Any], request: AnyRequest) -> None:
        browsing = self.app.browsing
        opening: object = browsing.open_request
        if look is self.columns and browsing.opened:  # which rows are used does not matter to it
            opening = browsing.opened.fingerprint or opening
        key = (opening, request)
        if key == look.key:
            return
        self.give_up(look)
        if look.key is not None and look.key[0] != opening:
            look.result = None
        look.begin(self.app.send(request), key)

    def lengths_request(self) -> MeasureLengths:
        session = self.app.session
        return MeasureLengths(
            model=session.model,
            folder=str(self.app.workspace),
            prompt=session.prompt(),
            dataset=session.dataset,
            training=session.training,
            view=self.app.finding.view or -1,
            rows=0 if self.every_row else SAMPLE,
        )

    def follow_row(self) -> None:
        """The selected row, or the wording, is another one: so are its tokens."""
        if self.shown == "tokens":
            self.app.browsing.later("tokens", TOKENS_PAUSE, self.ask_tokens)

    def ask_tokens(self) -> None:
        browsing, session = self.app.browsing, self.app.session
        browsing.cancel("tokens")
        if browsing.row is not None and browsing.row.broken:
            self.give_up(self.tokens)
            self.tokens.clear()
            self.tokens.problem = "This row could not be read, so it is not trained on."
        elif browsing.values is not None:
            request = InspectTokens(
                model=session.model,
                folder=str(self.app.workspace),
                prompt=session.prompt(),
                dataset=session.dataset,
                training=session.training,
                values=browsing.values,
            )
            self.ask(self.tokens, request)
        self.app.dataset_pane.redraw_view()

    def change_training(self, **values: Any) -> None:
        """Another max_length or overlong: kept in the session, and measured anew."""
        session = self.app.session
        training = msgspec.structs.replace(session.training, **values)
        self.app.change(msgspec.structs.replace(session, training=training))
        self.app.browsing.later("lengths", LENGTHS_PAUSE, self.renew)
        self.app.dataset_pane.redraw_view()

    def give_up(self, look: Look[Any]) -> bool:
        if not look.under_way:
            return False
        look.under_way, look.stopped = False, True
        self.app.send(Cancel(target=look.request))
        return True

    def stop(self) -> bool:
        """Give up what is shown and under way. False where nothing is."""
        if self.look and self.give_up(self.look):
            self.app.dataset_pane.redraw_view()
            return True
        return False

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            for look in self.looks.values():
                look.clear()
            return False
        if event.request <= 0:
            return False
        for name, look in self.looks.items():
            if event.request == look.request:
                self.take(look, event)
                if name == self.shown:
                    self.app.dataset_pane.redraw_view()
                return True
        return False

    def take(self, look: Look[Any], event: AnyEvent) -> None:
        match event:
            case Progress():
                look.progress = event
            case Failed():
                look.under_way, look.problem, look.result = False, event.message, None
                self.app.note(event.message, event.details)
            case Done():
                look.stopped = event.cancelled
                look.under_way = False
            case _:
                look.result, look.under_way, look.stopped = event, False, False
                look.problem = ""
