"""What the rows are taken for: recognised by the worker, by the rows and by the wording."""

from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import AnyEvent, Done, Failed, FormatFound, RolesShown, ShowRoles
from workbench.session import DatasetSettings

if TYPE_CHECKING:
    from workbench.ui.base import Base

ANOTHER_TRY = 0.3  # seconds after a question that a later one of a sheet replaced


class Recognising:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.found: FormatFound | None = None
        self.request = -1
        self.opened_with: object = None  # the wording, as far as it matters, at the opening
        self.asked_with: object = None  # what was asked with last
        self.found_with: object = None  # what `found` is of

    @property
    def wording(self) -> object:
        """Of the active wording what the recognition goes by: its name is in the sentence."""
        prompt = self.app.session.prompt()
        return prompt.name, bool(prompt.template.strip()), bool(prompt.completion.strip())

    @property
    def native(self) -> str:
        """The format of rows that are examples by themselves; else empty."""
        found = self.found
        return "" if found is None or found.format == "wording" else found.format.replace("_", "/")

    def opening(self, again: bool) -> None:
        """The dataset is opened; `again`: its rows are those shown, and so is their format yet."""
        if not again:
            self.found = None
        self.request, self.opened_with = -1, self.wording
        self.asked_with = self.opened_with

    def take(self, found: FormatFound | None) -> None:
        """What the dataset was recognised as with the wording that there was."""
        if self.opened_with != self.wording:
            self.ask()
        else:
            self.know(found)

    def follow_wording(self) -> None:
        browsing = self.app.browsing
        if browsing.opened and not browsing.waiting and self.asked_with != self.wording:
            self.ask()

    def ask(self) -> None:
        self.asked_with = self.wording
        session = self.app.session
        self.request = self.app.send(
            ShowRoles(dataset=session.dataset, prompt=session.prompt(), values={})
        )

    def handle(self, event: AnyEvent) -> bool:
        if event.request != self.request or not isinstance(event, RolesShown | Done | Failed):
            return False
        if isinstance(event, RolesShown):
            self.know(event.found)
        elif isinstance(event, Failed):
            self.app.note(event.message, event.details)
        elif isinstance(event, Done) and event.cancelled:
            self.app.browsing.later("format", ANOTHER_TRY, self.ask)
        return True

    def know(self, found: FormatFound | None) -> None:
        before = self.dataset()
        self.found, self.found_with = found, self.asked_with
        self.app.dataset_pane.redraw_state()
        self.app.prompt_pane.be_native(self.native)
        self.app.monitor_pane.native = self.native
        self.app.monitor_pane.redraw()
        if self.dataset() != before:
            self.app.browsing.render()

    def dataset(self) -> DatasetSettings:
        """The settings for a question about one row, from which alone nothing is recognised."""
        dataset, found = self.app.session.dataset, self.found
        if dataset.format != "auto" or found is None or found.format == "wording":
            return dataset
        if self.found_with != self.wording or found.problem:
            return dataset
        return msgspec.structs.replace(dataset, format=found.format, mapping=dict(found.mapping))
