"""The app: screens, messages in, requests out.

What it does with a message stands in the desks (`browsing`, `finding`, `inspecting`, `asking`,
`watching`, `modelling`), what it does at a key in `doing` and `looking`, what it shows in the
panes. It knows nothing of the worker but a `Link`, and imports nothing heavy. The panes are made
after the first paint.
"""

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.events import DescendantFocus, Resize
from textual.geometry import Size
from textual.message import Message

from workbench.session import Session
from workbench.ui import frame, themes
from workbench.ui.actions import ACTIONS, Action
from workbench.ui.doing import Doing
from workbench.ui.looking import same_rows
from workbench.ui.pasting import guard_pastes
from workbench.ui.style import CSS
from workbench.ui.widgets.lines import Bar

if TYPE_CHECKING:
    from textual.command import Provider

    from workbench.protocol import AnyEvent, Link
    from workbench.ui.base import Desk
    from workbench.ui.widgets.table import Table

TYPED = ("escape", "question_mark")  # keys that an editor or a sheet has its own use for
WIDE, HIGH = 100, 30  # cells from which on all four panes are shown


class News(Message):
    """An event of the worker, on its way to the app's loop."""

    def __init__(self, event: "AnyEvent") -> None:
        super().__init__()
        self.event = event


def commands() -> "type[Provider]":
    from workbench.ui.palette import Commands

    return Commands


def call_of(action: Action, key: str) -> str:
    """What a key of an action runs, as Textual writes it."""
    return (
        f"{action.name}({action.keys.split(',').index(key) + 1})"
        if action.numbered
        else action.name
    )


def key_bindings() -> list[Binding]:
    """A key that types nothing works in an editor, too: it comes before the editor's own.

    A letter that is a key in the dataset pane or the output pane comes first there as well: what is
    typed right after it belongs to the field that it opens, and must not reach the table before
    that is there.
    """
    return [
        Binding(
            key,
            f"press({number})" if action.where else call_of(action, key),
            action.label,
            show=False,
            priority=bool(action.where) or key not in TYPED,
        )
        for number, action in sorted(
            enumerate(ACTIONS), key=lambda one: one[1].where in ("", "dataset", "output")
        )
        for key in action.keys.split(",")
    ]


class WorkbenchApp(Doing):
    """Ends with None where one quits, with ("open", path) where another session is to be opened."""

    CSS = CSS
    COMMANDS: ClassVar[set[Callable[[], Any]]] = {commands}
    BINDINGS: ClassVar[list[Any]] = key_bindings()

    def __init__(
        self,
        session: Session,
        path: Path,
        link: "Link",
        *,
        theme_folders: list[Path],
        message: str = "",
    ) -> None:
        super().__init__(session, path, link)
        guard_pastes()
        self.message = message
        self.window: Size | None = None  # as the last resizing said
        self.theme_folders = theme_folders
        self.theme_names: list[str] = []
        theme = themes.first(session.layout.theme, theme_folders)
        self.register_theme(theme)
        self.set_reactive(App.theme, theme.name)
        self._watch_ansi_color(None)  # else a theme of sixteen colours is turned into true colour
        self.stylesheet.set_variables(self.get_css_variables())
        self.header = Bar(lambda width: frame.header(self, width), id="header")
        self.tabs = Bar(lambda width: frame.tabs(self, width), id="tabs")
        self.footer = Bar(lambda width: frame.footer(self, width), id="footer")
        self.pane_area = Container(id="panes")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict.fromkeys(themes.OWN, "#808080")

    # --- start -------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.tabs
        yield self.pane_area
        yield self.footer

    def on_mount(self) -> None:
        self.title = "workbench"
        self.arrange()
        self.call_after_refresh(self.begin)

    async def begin(self) -> None:
        """After the first paint: make the panes and the desks, and turn to the worker."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            with suppress(NotImplementedError, ValueError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(number, self.end_by_signal)
        await self.fill()
        gc.enable()
        gc.freeze()  # what is there now stays: later collections need not look at it
        self.begun = True
        self.asking.begin_with_history()
        self.watching.begin()
        self.link.start(self.hear)
        self.modelling.open_everything()
        self.action_pane(self.session.layout.focus)
        problems = self.read_themes()
        for problem in filter(None, [self.message, *problems]):
            self.tell(problem, "warning")

    async def fill(self) -> None:
        from workbench.ui.asking import Asking
        from workbench.ui.browsing import Browsing
        from workbench.ui.finding import Finding
        from workbench.ui.inspecting import Inspecting
        from workbench.ui.modelling import Modelling
        from workbench.ui.panes.dataset import DatasetPane
        from workbench.ui.panes.monitor import MonitorPane
        from workbench.ui.panes.output import OutputPane
        from workbench.ui.panes.prompt import PromptPane
        from workbench.ui.varying import Varying
        from workbench.ui.watching import Watching

        self.dataset_pane, self.prompt_pane = DatasetPane(), PromptPane()
        self.output_pane, self.monitor_pane = OutputPane(), MonitorPane()
        self.made = True
        self.finding, self.inspecting = Finding(self), Inspecting(self)
        self.varying = Varying(self)
        self.browsing, self.asking = Browsing(self), Asking(self)
        self.watching, self.modelling = Watching(self), Modelling(self)
        self.prompt_pane.show_wording(self.session)
        self.monitor_pane.session = self.session
        with self.batch_update():
            await self.pane_area.mount_all(self.panes())
            self.arrange()

    def read_themes(self) -> list[str]:
        """All themes, for the palette; what is wrong with some."""
        found, problems = themes.read_folders(self.theme_folders)
        for theme in found:
            if theme.name != self.theme:
                self.register_theme(theme)
        self.theme_names = [theme.name for theme in found] or [self.theme]
        wanted = self.session.layout.theme
        if wanted and wanted not in self.theme_names:
            names = ", ".join(self.theme_names)
            problems.append(f'There is no theme "{wanted}"; there is {names}.')
        return problems

    # --- the worker --------------------------------------------------------------------------

    def hear(self, event: "AnyEvent") -> None:
        """Called on the link's thread."""
        self.post_message(News(event))

    def on_news(self, news: News) -> None:
        if type(news.event).__name__ == "SweepAdvanced":
            _ = self.sweeping  # a desk that is made when it is first needed: someone has begun one
        if self.sheet is None or not self.sheet.hear(news.event):
            desks: list[Desk] = [self.varying, self.browsing, self.finding, self.inspecting]
            desks += [*self.late_desks, self.asking, self.watching, self.modelling]
            for desk in desks:
                if desk.handle(news.event):
                    break
        if type(news.event).__name__ != "TrainingAdvanced":  # once a second is enough for these
            self.show_state()

    def take(self, session: Session) -> None:
        before = self.session
        if session == before:
            return
        self.change(session)
        if session.layout.theme in self.theme_names:
            self.theme = session.layout.theme
        if session.dataset != before.dataset:
            self.browsing.open(again=same_rows(before.dataset, session.dataset))
        elif session.layout.row != before.layout.row:
            self.browsing.go_to_number(session.layout.row)
        if session.model != before.model:
            self.modelling.load()
        self.prompt_pane.show_wording(session)
        self.browsing.render()
        self.inspecting.renew()
        self.monitor_pane.redraw()

    # --- what is shown -----------------------------------------------------------------------

    def show_state(self) -> None:
        for bar in (self.header, self.tabs, self.footer):
            bar.redraw()

    @property
    def narrow(self) -> bool:
        size = self.window or self.size
        return size.width < WIDE or size.height < HIGH

    def one_pane(self) -> bool:
        return self.narrow or self.zoomed

    def on_resize(self, event: Resize) -> None:
        self.window = event.size
        self.arrange()

    def arrange(self) -> None:
        """All four panes where there is room, else one with tabs."""
        root = self.screen_stack[0]
        root.set_class(self.narrow, "narrow")
        root.set_class(self.one_pane(), "single")
        for pane in self.panes():
            pane.set_class(pane.pane == self.session.layout.focus, "current")
        self.show_state()

    def on_descendant_focus(self, _event: DescendantFocus) -> None:
        """By where the focus is now: it may have moved on, and the news may overtake each other."""
        if not self.screen_stack:
            return  # news of before the end
        where = self.focused.ancestors_with_self if self.focused else []
        for pane in self.panes():
            inside = pane in where
            if inside and pane.pane != self.session.layout.focus:
                self.change_layout(focus=pane.pane)
                self.arrange()

    def on_table_moved(self, event: "Table.Moved") -> None:
        self.browsing.select(event.number)

    def on_table_wanted(self, event: "Table.Wanted") -> None:
        self.browsing.read_rows(event.view, event.first, event.end)

    def on_prompt_pane_edited(self) -> None:
        self.browsing.edit(self.prompt_pane.prompt)
