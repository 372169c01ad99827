"""What is known of the variants: every version that was ever run, and what it was measured at.

Asked for once the dataset is open, and again after each measurement.
"""

from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import (
    AnyEvent,
    DatasetOpened,
    Done,
    Evaluated,
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
        self.versions: list[Version] = []  # the newest first

    def ask(self) -> None:
        self.asked, self.stale = True, False
        self.request = self.app.send(
            ListVersions(folder=str(self.app.workspace), session_path=str(self.app.path))
        )

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
                return True
            case Failed() if event.request == self.request:
                self.app.note(event.message, event.details)
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
            one
            for one in self.versions
            if one.name == prompt.name or same_text(one.prompt, prompt)
        ]


def same_text(one: Prompt, other: Prompt) -> bool:
    """Whether two prompts differ in nothing but their names."""
    return msgspec.structs.replace(one, name=other.name) == other
