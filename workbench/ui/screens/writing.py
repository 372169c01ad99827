"""A sheet that has something written: as what, where to, how far it is, what stood in the way."""

import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets.option_list import Option

from workbench.protocol import AnyEvent, AnyRequest, Cancel, Done, Failed, HostLost, Progress
from workbench.ui.screens.sheet import Sheet, Text
from workbench.ui.units import duration
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.field import Choices
from workbench.ui.widgets.lines import Line, spread, wrap

if TYPE_CHECKING:
    from workbench.ui.base import Base

PERIOD = 1.0  # seconds between two looks at the clock while it is written


class WritingSheet(Sheet):
    """Subclasses yield `choices()` and, at the end, a `Text` of `draw_state` with the id "state";
    they say what is asked of the worker in `begin`, and show what came of it in `finish`."""

    HINT = "tab between · enter writes · esc closes"
    WHAT = "the file"  # is written

    def __init__(self, bench: "Base", kinds: Mapping[str, str]) -> None:
        """`kinds`: as what it can be written, and each in words."""
        super().__init__(classes="small")
        self.bench, self.kinds = bench, kinds
        self.chosen = 0
        self.request = -1
        self.began = 0.0
        self.progress: Progress | None = None
        self.problem = ""
        self.asked = ""  # what is there already, once that was said

    def choices(self) -> Choices:
        return Choices(*[Option(marked(words), id=name) for name, words in self.kinds.items()])

    def on_mount(self) -> None:
        self.bench.sheet = self
        self.query_one(Choices).highlighted = 0
        self.set_interval(PERIOD, self.tick)

    def on_unmount(self) -> None:
        if self.bench.sheet is self:
            self.bench.sheet = None

    # --- what subclasses say -------------------------------------------------------------------

    @abstractmethod
    async def write(self) -> None:
        """Enter was pressed: ask the worker by `send`, or say what is missing by `refuse`."""

    @abstractmethod
    def finish(self, event: AnyEvent) -> bool:
        """Whether the event says that it is written."""

    @abstractmethod
    def advise(self, width: int) -> list[Line]:
        """What is said where nothing is under way."""

    @property
    def kind(self) -> str:
        """As what it is to be written."""
        return list(self.kinds)[self.query_one(Choices).highlighted or 0]

    # --- drawing -----------------------------------------------------------------------------

    def draw_state(self, width: int) -> list[Line]:
        if self.problem:
            return [[], *wrap(self.problem, width, "bad")]
        if self.request >= 0:
            lines = progress_lines(self.progress, width) if self.progress else [[("…", "quiet")]]
            passed = elapsed(self.began)
            keys: Line = [("esc ", "key"), ("stops; nothing is left behind", "quiet")]
            return [[], *lines, spread(keys, [(passed, "quiet")], width)]
        if self.asked:
            words = f"{self.asked} is there already. Enter again replaces it."
            return [[], *wrap(words, width, "warn")]
        return self.advise(width)

    def redraw(self) -> None:
        state = self.query_one("#state", Text)
        state.redraw()
        if self.request >= 0 or self.problem or self.asked:
            self.call_after_refresh(state.scroll_visible, animate=False)  # on a low screen

    def tick(self) -> None:
        """The time goes on although nothing is heard, as while libraries are loaded."""
        if self.request >= 0:
            self.redraw()

    # --- keys --------------------------------------------------------------------------------

    def change(self) -> None:
        """What is to be written has changed: what went wrong before says nothing of it."""
        self.problem = ""
        self.redraw()

    def on_input_changed(self) -> None:
        self.asked = ""
        self.change()

    async def on_input_submitted(self) -> None:
        await self.enter()

    async def on_option_list_option_selected(self) -> None:
        await self.enter()

    def on_option_list_option_highlighted(self, event: Choices.OptionHighlighted) -> None:
        """A sign says what is chosen, for a field may have the focus."""
        for index, words in enumerate(self.kinds.values()):
            chosen = index == event.option_index
            event.option_list.replace_option_prompt_at_index(index, marked(words, chosen))
        if event.option_index != self.chosen:
            self.chosen = event.option_index
            self.change()

    async def enter(self) -> None:
        if self.request < 0:
            await self.write()

    def send(self, request: AnyRequest) -> None:
        self.problem, self.progress, self.began = "", None, time.monotonic()
        self.request = self.bench.send(request)
        self.redraw()

    def refuse(self, problem: str) -> None:
        self.problem = problem
        self.redraw()

    def ask(self, target: str) -> None:
        """Something is there already: enter again replaces it."""
        self.asked = target
        self.redraw()

    def action_close(self) -> None:
        if self.request >= 0:
            self.bench.send(Cancel(target=self.request))
        else:
            self.dismiss(None)

    # --- hearing -----------------------------------------------------------------------------

    def hear(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            if self.request >= 0:
                self.request = -1
                self.refuse(f"The worker ended before {self.WHAT} was written; enter tries again.")
            return False
        if self.request < 0 or event.request != self.request:
            return False
        match event:
            case Progress():
                self.progress = event
            case Failed():
                self.request = -1
                self.fail(event)
            case Done():
                self.request = -1
                self.problem = "Stopped: nothing was written." if event.cancelled else ""
            case _:
                if not self.finish(event):
                    return False
                self.request = -1
        self.redraw()
        return True

    def fail(self, event: Failed) -> None:
        self.problem, self.asked = event.message, ""
        self.bench.note(event.message, event.details)


def elapsed(began: float) -> str:
    """The time since then, in whole seconds."""
    seconds = int(time.monotonic() - began)
    return f"{seconds} s" if seconds < 60 else duration(seconds)


def marked(words: str, chosen: bool = False) -> Content:
    return Content(("▸ " if chosen else "  ") + words)
