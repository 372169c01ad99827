"""What every part of the app stands on: the session and its file, the worker's line, sentences.

Imports only what the first paint needs: the desks and the panes come right after it.
"""

import asyncio
import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from textual.timer import Timer

from workbench.session import LayoutSettings, Prompt, Session, workspace
from workbench.text import one_line
from workbench.ui.keys import OrderedKeys
from workbench.ui.saving import Saving

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from workbench.protocol import AnyEvent, AnyRequest, Failed, Link
    from workbench.ui.asking import Asking
    from workbench.ui.browsing import Browsing
    from workbench.ui.comparing import Comparing
    from workbench.ui.finding import Finding
    from workbench.ui.improving import Improving
    from workbench.ui.inspecting import Inspecting
    from workbench.ui.measurement import Job
    from workbench.ui.modelling import Modelling
    from workbench.ui.panes.dataset import DatasetPane
    from workbench.ui.panes.monitor import MonitorPane
    from workbench.ui.panes.output import OutputPane
    from workbench.ui.panes.prompt import PromptPane
    from workbench.ui.remembering import Remembering
    from workbench.ui.scoring import Scoring
    from workbench.ui.sweeping import Sweeping
    from workbench.ui.varying import Varying
    from workbench.ui.watching import Watching

AUTOSAVE = 0.7  # seconds after the last change
MESSAGES_KEPT = 500


class Desk(Protocol):
    """A part of the app that asks the worker and hears its answers."""

    def handle(self, event: "AnyEvent") -> bool:
        """Whether the event was for it."""


class LateDesk(Desk, Protocol):
    """One that is made when it is first needed."""

    @property
    def busy(self) -> str:
        """What is under way, in a word; empty: nothing is."""

    def stop(self) -> bool:
        """Give up what is under way. False where nothing is."""


class SheetWithNews(Protocol):
    """A sheet that asks the worker something itself."""

    def hear(self, event: "AnyEvent") -> bool:
        """Whether the event was for it."""


class Base(OrderedKeys):
    dataset_pane: "DatasetPane"
    prompt_pane: "PromptPane"
    output_pane: "OutputPane"
    monitor_pane: "MonitorPane"
    browsing: "Browsing"
    finding: "Finding"
    inspecting: "Inspecting"
    varying: "Varying"
    asking: "Asking"
    watching: "Watching"
    modelling: "Modelling"

    def __init__(self, session: Session, path: Path, link: "Link") -> None:
        super().__init__()
        self.session, self.path, self.link = session, path, link
        self.workspace = workspace(path)
        self.saving = Saving(session, path)
        self.saving_now = asyncio.Lock()
        self.save_timer: Timer | None = None
        self.messages: list[str] = []
        self.begun = False  # the panes are filled and the worker is asked
        self.leaving = False  # once the run has stopped
        self.sheet: SheetWithNews | None = None  # one that waits for the worker
        self.late_desks: list[LateDesk] = []

    def show_state(self) -> None:
        """Bring the lines around the panes up to date."""

    @property
    def scoring(self) -> "Scoring":
        raise NotImplementedError

    @property
    def comparing(self) -> "Comparing":
        raise NotImplementedError

    @property
    def remembering(self) -> "Remembering":
        raise NotImplementedError

    @property
    def improving(self) -> "Improving":
        raise NotImplementedError

    @property
    def sweeping(self) -> "Sweeping":
        raise NotImplementedError

    @property
    def sweep_under_way(self) -> bool:
        return any(desk.busy == "sweeping" for desk in self.late_desks)

    def action_stop_training(self) -> None:
        """Ask whether the run under way is to stop, or its sweep to end."""
        raise NotImplementedError

    def show_in_grid(self, job: "Job") -> None:
        """Go to the rows of a measurement."""

    def add_variant(self, prompt: Prompt, name: str) -> str:
        """Add a variant of this name, or like it where there is one already; its name."""
        raise NotImplementedError

    def take(self, session: Session) -> None:
        """Work on with another state of the session: open what differs."""

    # --- the worker, and sentences for the person ----------------------------------------------

    def send(self, request: "AnyRequest") -> int:
        return self.link.send(request)

    def tell(
        self, words: str, severity: "SeverityLevel" = "information", details: str = ""
    ) -> None:
        """A sentence for the person, literally; it and its details go to the log as well."""
        self.note(words, details)
        if details:
            words += " (ctrl+l: details)"
        seconds = 8 if severity == "error" else 4
        self.notify(one_line(words, 600), severity=severity, timeout=seconds, markup=False)

    def note(self, words: str, details: str = "") -> None:
        """For the log alone."""
        self.messages.append(f"{time.strftime('%H:%M:%S')}  {words}")
        if details:
            self.messages.append(details)
        del self.messages[:-MESSAGES_KEPT]

    def report(self, event: "Failed", shown: bool = False) -> None:
        """Tell what failed; where a pane in sight shows the sentence, the log alone gets it."""
        if shown:
            self.note(event.message, event.details)
        else:
            self.tell(event.message, "error", event.details)

    def copy_to_clipboard(self, text: str) -> None:
        from workbench.ui.clipboard import sequence

        self._clipboard = text
        if self._driver:
            self._driver.write(sequence(text))

    # --- the session and its file --------------------------------------------------------------

    def change(self, session: Session) -> None:
        """The session is another one now: it is saved a little later."""
        if session == self.session:
            return
        self.session = session
        if self.begun:
            self.monitor_pane.session = session
        if self.save_timer:
            self.save_timer.stop()
        self.save_timer = self.set_timer(AUTOSAVE, self.autosave)
        self.show_state()

    def change_layout(self, **values: Any) -> None:
        layout: LayoutSettings = msgspec.structs.replace(self.session.layout, **values)
        self.change(msgspec.structs.replace(self.session, layout=layout))

    async def autosave(self) -> None:
        async with self.saving_now:  # off the loop: a slow disk must not hold up a key
            before = self.saving.problem
            await asyncio.to_thread(self.saving.save, self.session)
        self.after_saving(before)

    def after_saving(self, before: str = "") -> None:
        """Say what went wrong, once; ask where the file is somebody else's."""
        if self.saving.problem and self.saving.problem != before:
            self.tell(self.saving.problem, "error")
        if self.saving.conflict and len(self.screen_stack) == 1:
            from workbench.ui.screens.leaving import conflict_question

            self.push_screen(conflict_question(str(self.path)), self.settle)
        self.show_state()

    def settle(self, answer: str | None) -> None:
        """What to do with a file that was changed elsewhere."""
        from workbench.session import SessionError

        if answer == "overwrite":
            self.saving.save(self.session, force=True)
        elif answer == "reload":
            try:
                self.take(self.saving.reload())
            except SessionError as error:
                self.saving.hold()
                self.tell(f"{error} What you have here stays, unsaved.", "error")
        else:
            self.saving.hold()
        self.after_saving()

    def save_before_leaving(self) -> bool:
        if self.saving.held or self.saving.save(self.session):
            return True
        self.after_saving()
        return False

    def leave(self, result: Any = None) -> None:
        self.link.close()
        self.exit(result)

    def _fatal_error(self) -> None:
        """An error of ours: what was typed is saved, the details go to the log, not the screen."""
        if self._exception is not None:
            details = "".join(traceback.format_exception(self._exception))
            os.write(2, details.encode())  # it leads to the log; `sys.stderr` is Textual's here
        self.saving.save(self.session)
        self._return_code = 1
        self._close_messages_no_wait()

    def end_by_signal(self) -> None:
        """The terminal is gone, or we are asked to end: what was typed is saved, a run goes on."""
        self.saving.save(self.session)
        self.leave()
