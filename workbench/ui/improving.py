"""The search for a better prompt, as it goes: candidates, the best so far, the outcome."""

import time
from typing import TYPE_CHECKING

from workbench.protocol import (
    AnyEvent,
    Cancel,
    CandidateTried,
    Compared,
    Done,
    Failed,
    HostLost,
    Optimize,
    Optimized,
    Progress,
)
from workbench.session import OptimizeSettings, Prompt

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Improving:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.request = -1
        self.under_way = self.stopping = False
        self.start: Prompt | None = None
        self.settings = OptimizeSettings()
        self.progress: Progress | None = None
        self.candidates: list[CandidateTried] = []
        self.outcome: Optimized | None = None
        self.message = ""
        self.failed = False
        self.began = 0.0
        self.kept: set[int] = set()  # candidates that were made variants

    @property
    def best(self) -> CandidateTried | None:
        """The best candidate so far."""
        return next((one for one in reversed(self.candidates) if one.best), None)

    # --- asking ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Search from the variant in use, with the session's settings."""
        session = self.app.session
        self.start, self.settings = session.prompt(), session.optimize
        self.candidates, self.kept, self.outcome = [], set(), None
        self.progress, self.message, self.failed = None, "", False
        self.under_way, self.stopping, self.began = True, False, time.monotonic()
        self.request = self.app.send(
            Optimize(
                session=session, session_path=str(self.app.path), folder=str(self.app.workspace)
            )
        )
        self.app.show_state()

    @property
    def busy(self) -> str:
        return "searching" if self.under_way else ""

    def stop(self) -> bool:
        """End the search; the best so far is kept. False where there is none under way."""
        if not self.under_way or self.stopping:
            return False
        self.stopping = True
        self.app.send(Cancel(target=self.request))
        self.redraw()
        return True

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            if self.under_way:
                self.end("The worker ended before the search was done; search again.", failed=True)
            return False
        if event.request <= 0 or event.request != self.request:
            return False
        match event:
            case Progress():
                self.progress = event
            case CandidateTried():
                self.candidates.append(event)
            case Optimized():
                self.outcome = event
            case Failed():
                self.app.report(event, self.app.output_pane.view == "search")
                self.end(event.message, failed=True)
            case Done():
                stopped = event.cancelled or self.stopping
                self.end("Stopped; the best so far is kept." if stopped else "")
            case _:
                return False
        self.redraw()
        return True

    def end(self, message: str, failed: bool = False) -> None:
        self.under_way = self.stopping = False
        self.message, self.failed, self.progress = message, failed, None
        self.app.show_state()
        self.redraw()

    def redraw(self) -> None:
        self.app.output_pane.redraw_view("search")

    # --- what comes of it --------------------------------------------------------------------

    def keep(self, index: int = -1) -> str:
        """Add a candidate (-1: the best) to the session as a variant; its name, empty where there
        is none."""
        one = self.candidates[index] if 0 <= index < len(self.candidates) else self.best
        if one:
            self.kept.add(self.candidates.index(one))
        prompt = one.prompt if one else self.outcome.prompt if self.outcome else None
        if prompt is None or self.start is None:
            return ""
        return self.app.add_variant(prompt, f"{self.start.name}, searched")

    def comparison(self) -> Compared | None:
        return self.outcome.held_out if self.outcome else None
