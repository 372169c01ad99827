"""What is known of the variants: every version that was ever run, and what it was measured at.

Asked for once the dataset is open, and again after each measurement.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import (
    AnyEvent,
    ChooseExamples,
    DatasetOpened,
    Done,
    Evaluated,
    ExamplesChosen,
    Failed,
    HostLost,
    ListVersions,
    Optimized,
    Version,
    Versions,
)
from workbench.session import Prompt
from workbench.ui.views.variants import Known

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Varying:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.request = -1
        self.asked = False
        self.stale = False  # there are figures that were not asked for yet
        # The request for the examples in use, and what is done with their keys.
        self.choosing: tuple[int, Callable[[list[str]], None]] | None = None
        self.versions: list[Version] = []  # the newest first

    def ask(self) -> None:
        self.asked, self.stale = True, False
        self.request = self.app.send(
            ListVersions(folder=str(self.app.workspace), session_path=str(self.app.path))
        )

    def choose(self, then: Callable[[list[str]], None]) -> None:
        """Ask which rows the examples of the variant in use are; `then` gets their keys."""
        session, browsing = self.app.session, self.app.browsing
        request = self.app.send(
            ChooseExamples(
                folder=str(self.app.workspace),
                prompt=session.prompt(),
                dataset=session.dataset,
                values=browsing.values or {},
                number=browsing.row.number if browsing.row else -1,
            )
        )
        self.choosing = (request, then)

    def handle(self, event: AnyEvent) -> bool:
        match event:
            case DatasetOpened() if not self.asked:
                self.ask()
            case Evaluated() | Optimized():
                self.stale = True
            case Done() if self.stale:
                self.ask()
            case HostLost():
                self.request, self.asked = -1, False
            case Versions() if event.request == self.request:
                self.versions = event.versions
                self.app.prompt_pane.know_figures(self.known())
                for view in ("scores", "versions"):
                    self.app.output_pane.redraw_view(view)
                return True
            case Failed() if event.request == self.request:
                self.app.note(event.message, event.details)
                return True
        if self.choosing and event.request == self.choosing[0]:
            _, then = self.choosing
            self.choosing = None
            if isinstance(event, ExamplesChosen):
                then(event.keys)
            elif isinstance(event, Failed):
                self.app.report(event)
            return True
        return False

    def known(self) -> dict[str, Known]:
        """For each variant its newest figure: of its very text, else of an earlier one."""
        found: dict[str, Known] = {}
        for prompt in self.app.session.prompts:
            measured = [one for one in self.versions_of(prompt) if one.figures]
            same = [one for one in measured if same_text(one.prompt, prompt)]
            if measured:
                version = (same or measured)[0]
                newest = max(version.figures, key=lambda figure: figure.time)
                found[prompt.name] = Known(newest, version.prompt)
        return found

    def versions_of(self, prompt: Prompt) -> list[Version]:
        """The versions of a variant: those of its name, and those of its very text."""
        return [
            one for one in self.versions if one.name == prompt.name or same_text(one.prompt, prompt)
        ]


def same_text(one: Prompt, other: Prompt) -> bool:
    """Whether two prompts differ in nothing but their names."""
    return msgspec.structs.replace(one, name=other.name) == other
