"""The app: screens, messages in, requests out. What it does with them stands in the desks
(`browsing`, `asking`, `watching`), what it shows in the panes.

Imports nothing heavy and nothing of the worker: all it knows of it is a `Link`.
"""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.events import DescendantFocus, Resize
from textual.message import Message
from textual.theme import Theme
from textual.widget import Widget

from workbench.protocol import (
    AnyEvent,
    AnyRequest,
    Failed,
    Hello,
    HostLost,
    Link,
    LoadModel,
    ModelLoaded,
    ModelStatus,
    Progress,
    TrainingAdvanced,
    Welcome,
)
from workbench.session import Pane as PaneName
from workbench.session import Session, SessionError, workspace
from workbench.text import one_line
from workbench.ui import frame, themes
from workbench.ui.actions import ACTIONS
from workbench.ui.asking import Asking
from workbench.ui.browsing import Browsing
from workbench.ui.clipboard import sequence
from workbench.ui.palette import Commands
from workbench.ui.panes.dataset import DatasetPane
from workbench.ui.panes.monitor import MonitorPane
from workbench.ui.panes.output import OutputPane
from workbench.ui.panes.pane import Pane
from workbench.ui.panes.prompt import PromptPane
from workbench.ui.saving import Saving
from workbench.ui.style import CSS
from workbench.ui.watching import Watching
from workbench.ui.widgets.lines import Bar
from workbench.ui.widgets.table import Table

AUTOSAVE = 0.7  # seconds after the last change
WIDE, HIGH = 100, 30  # cells from which on all four panes are shown
LINES_KEPT = 500


class News(Message):
    """An event of the worker, on its way to the app's loop."""

    def __init__(self, event: AnyEvent) -> None:
        super().__init__()
        self.event = event


class WorkbenchApp(App[Any]):
    """Returns None where one quits, ("open", path) where another session is to be opened."""

    CSS = CSS
    COMMANDS = {Commands}
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[Any]] = [
        *(
            Binding(
                key,
                action.name,
                action.label,
                show=False,
                priority=len(key) > 1 and key not in ("escape", "question_mark"),
            )
            for action in ACTIONS
            for key in action.keys.split(",")
        ),
    ]

    def __init__(
        self,
        session: Session,
        path: Path,
        link: Link,
        *,
        theme_folders: list[Path],
        message: str = "",
    ) -> None:
        super().__init__()
        self.session, self.path, self.link = session, path, link
        self.workspace = workspace(path)
        self.message = message
        self.saving = Saving(session, path)
        self.save_timer: Any = None
        self.saving_lock = asyncio.Lock()
        self.model: ModelStatus | None = None
        self.model_problem = self.loading = self.trouble = ""
        self.model_request = 0
        self.messages: list[str] = []
        self.zoomed = self.begun = self.leaving = False
        self.read_themes(theme_folders)
        self.dataset_pane, self.prompt_pane = DatasetPane(), PromptPane()
        self.output_pane, self.monitor_pane = OutputPane(), MonitorPane()
        self.browsing, self.asking, self.watching = Browsing(self), Asking(self), Watching(self)
        self.header = Bar(lambda width: frame.header(self, width), id="header")
        self.tabs = Bar(lambda width: frame.tabs(self, width), id="tabs")
        self.footer = Bar(lambda width: frame.footer(self, width), id="footer")

    # --- colours -----------------------------------------------------------------------------

    def read_themes(self, folders: list[Path]) -> None:
        found, self.theme_problems = themes.read_folders(folders)
        self.theme_names = [theme.name for theme in found] or [themes.DEFAULT]
        for theme in found or [themes.fallback()]:
            self.register_theme(theme)
        wanted = self.session.layout.theme
        if wanted and wanted not in self.theme_names:
            self.theme_problems.append(
                f'There is no theme "{wanted}"; there is {", ".join(self.theme_names)}.'
            )
        few = themes.few_colours() and themes.SIXTEEN in self.theme_names
        usual = themes.SIXTEEN if few else themes.DEFAULT
        chosen = next((one for one in (wanted, usual) if one in self.theme_names), None)
        self.set_reactive(App.theme, chosen or self.theme_names[0])
        self.stylesheet.set_variables(self.get_css_variables())

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict.fromkeys(themes.OWN, "#808080")

    def set_theme(self, name: str) -> None:
        self.theme = name
        layout = msgspec.structs.replace(self.session.layout, theme=name)
        self.change(msgspec.structs.replace(self.session, layout=layout))

    def registered(self) -> list[Theme]:
        return [self.available_themes[name] for name in self.theme_names]

    # --- start -------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.tabs
        with Container(id="panes"):
            yield from self.panes()
        yield self.footer

    def panes(self) -> Iterator[Pane]:
        yield self.dataset_pane
        yield self.prompt_pane
        yield self.output_pane
        yield self.monitor_pane

    @property
    def pane(self) -> Pane:
        return next(pane for pane in self.panes() if pane.id == self.session.layout.focus)

    def on_mount(self) -> None:
        self.title = "workbench"
        self.arrange()
        self.show_prompt()
        self.monitor_pane.session = self.session
        self.call_after_refresh(self.begin)

    async def begin(self) -> None:
        """After the first paint: fill the panes, connect to the worker."""
        for name in (signal.SIGHUP, signal.SIGTERM):
            with suppress(NotImplementedError, ValueError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(name, self.end_by_signal)
        for pane in self.panes():
            await pane.fill()
        self.begun = True
        self.asking.cards.load()
        self.output_pane.show(self.asking.cards.cards)
        self.watching.begin()
        self.link.start(self.hear)
        self.open_everything()
        self.pane.go()
        for problem in filter(None, [self.message, *self.theme_problems]):
            self.tell(problem, "warning")

    def open_everything(self) -> None:
        """Ask for all that the session needs; again where the worker was restarted."""
        self.send(Hello())
        self.browsing.open()
        self.load_model()

    def load_model(self) -> None:
        self.model, self.model_problem, self.loading = None, "", "loading the model"
        model = self.session.model
        self.model_request = self.send(LoadModel(model=model, folder=str(self.workspace)))
        self.show_state()

    # --- the worker --------------------------------------------------------------------------

    def send(self, request: AnyRequest) -> int:
        return self.link.send(request)

    def hear(self, event: AnyEvent) -> None:
        """Called on another thread."""
        self.post_message(News(event))

    def on_news(self, news: News) -> None:
        event = news.event
        if isinstance(event, HostLost):
            self.lose(event)
        if isinstance(event, Welcome):
            self.trouble = ""
        for desk in (self.browsing, self.asking, self.watching):
            if desk.handle(event):
                break
        else:
            self.handle(event)
        if isinstance(event, TrainingAdvanced):
            for screen in self.screen_stack:
                if hasattr(screen, "follow"):
                    screen.follow(event.run)
        if not isinstance(event, TrainingAdvanced):
            self.show_state()

    def handle(self, event: AnyEvent) -> None:
        """What is about the model, or about nothing that was asked."""
        match event:
            case Progress() if event.request == self.model_request:
                share = f" {event.done / event.total * 100:.0f} %" if event.total else ""
                self.loading = event.what + share
            case ModelLoaded():
                self.model, self.loading, self.model_problem = event.model, "", ""
                self.browsing.render()
            case Failed() if event.request == self.model_request:
                self.model_problem, self.loading = event.message, ""
                self.prompt_pane.fail(event.message)
                self.report(event)
            case Failed():
                self.report(event)
            case _:
                pass

    def lose(self, event: HostLost) -> None:
        self.model, self.loading = None, ""
        self.tell(event.message, "error")
        self.trouble = "" if event.restarted else "the worker is gone"
        if event.restarted:
            self.call_later(self.open_everything)

    def report(self, event: Failed) -> None:
        self.tell(event.message, "error", event.details)

    def tell(self, words: str, severity: Any = "information", details: str = "") -> None:
        """A sentence for the person, literally; it and its details go to the log as well."""
        self.messages.append(f"{time.strftime('%H:%M:%S')}  {words}")
        if details:
            self.messages.append(details)
            words += " (ctrl+l: details)"
        del self.messages[:-LINES_KEPT]
        seconds = 8 if severity == "error" else 5
        self.notify(one_line(words, 600), severity=severity, timeout=seconds, markup=False)

    # --- the session -------------------------------------------------------------------------

    def change(self, session: Session) -> None:
        """The session is another one now: it is saved a little later."""
        if session == self.session:
            return
        self.session = session
        self.monitor_pane.session = session
        if self.save_timer:
            self.save_timer.stop()
        self.save_timer = self.set_timer(AUTOSAVE, self.autosave)
        self.show_state()

    async def autosave(self) -> None:
        async with self.saving_lock:
            before = self.saving.problem
            await asyncio.to_thread(self.saving.save, self.session)
        self.after_saving(before)

    def after_saving(self, before: str = "") -> None:
        if self.saving.problem and self.saving.problem != before:
            self.tell(self.saving.problem, "error")
        if self.saving.conflict and len(self.screen_stack) == 1:
            from workbench.ui.screens.leaving import conflict_question

            self.push_screen(conflict_question(str(self.path)), self.settle)
        self.show_state()

    def settle(self, answer: str | None) -> None:
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

    def take(self, session: Session) -> None:
        """Work on with another state of the session: open what differs."""
        before, self.session = self.session, session
        self.monitor_pane.session = session
        if session.layout.theme in self.theme_names:
            self.theme = session.layout.theme
        if session.dataset != before.dataset:
            self.browsing.open()
        elif session.layout.row != before.layout.row:
            self.dataset_pane.table.move_to(session.layout.row)
        if session.model != before.model:
            self.load_model()
        self.show_prompt()
        self.browsing.render()
        self.monitor_pane.redraw()
        self.show_state()

    def end_by_signal(self) -> None:
        """The terminal is gone, or we are asked to end: what was typed is saved, a run goes on."""
        self.saving.save(self.session)
        self.leave()

    def leave(self, result: Any = None) -> None:
        self.link.close()
        self.exit(result)

    # --- what is shown -----------------------------------------------------------------------

    def show_prompt(self) -> None:
        names = [prompt.name for prompt in self.session.prompts]
        prompt = self.session.prompt()
        self.prompt_pane.show(prompt, names.index(prompt.name) + 1, len(names))

    def show_state(self) -> None:
        for bar in (self.header, self.tabs, self.footer):
            bar.redraw()

    @property
    def narrow(self) -> bool:
        return self.size.width < WIDE or self.size.height < HIGH

    def on_resize(self, event: Resize) -> None:
        self.arrange()

    def arrange(self) -> None:
        """All four panes where there is room, else one with tabs."""
        root = self.screen_stack[0]
        root.set_class(self.narrow, "narrow")
        root.set_class(self.narrow or self.zoomed, "single")
        for pane in self.panes():
            pane.set_class(pane.id == self.session.layout.focus, "current")
        self.show_state()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.entered(event.widget)

    def entered(self, widget: Widget) -> None:
        for node in widget.ancestors_with_self:
            if isinstance(node, Pane) and node.id != self.session.layout.focus:
                name: Any = node.id
                layout = msgspec.structs.replace(self.session.layout, focus=name)
                self.change(msgspec.structs.replace(self.session, layout=layout))
                self.arrange()

    def on_table_moved(self, event: Table.Moved) -> None:
        self.browsing.select(event.row)

    def on_table_wanted(self, event: Table.Wanted) -> None:
        self.browsing.read_rows(event.first, event.end)

    def on_prompt_pane_edited(self, event: PromptPane.Edited) -> None:
        self.browsing.edit(event.prompt)

    def copy_to_clipboard(self, text: str) -> None:
        self._clipboard = text
        if self._driver:
            self._driver.write(sequence(text))

    # --- actions: a method for each of the table ---------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With a sheet open only the sheet's own keys count, and quitting."""
        ours = {one.name.partition("(")[0] for one in ACTIONS}
        if action in ours and (not self.begun or len(self.screen_stack) > 1):
            return False
        return super().check_action(action, parameters)

    def action_pane(self, name: PaneName) -> None:
        layout = msgspec.structs.replace(self.session.layout, focus=name)
        self.change(msgspec.structs.replace(self.session, layout=layout))
        self.arrange()
        self.pane.go()

    def action_generate(self) -> None:
        self.asking.generate()
        if self.narrow or self.zoomed:
            self.action_pane("output")

    def action_measure(self) -> None:
        self.asking.measure()
        if self.narrow or self.zoomed:
            self.action_pane("output")

    def action_stop(self) -> None:
        if not self.asking.stop():
            self.pane.go()

    def action_train(self) -> None:
        if self.watching.live:
            from workbench.ui.screens.leaving import stop_question

            self.push_screen(
                stop_question(self.watching.live),
                lambda answer: self.watching.stop() if answer == "stop" else None,
            )
            return
        from workbench.ui.screens.settings import TrainScreen

        rows = self.browsing.opened.rows if self.browsing.opened else 0
        sheet = TrainScreen(self.session, rows)

        def start(answer: str | None) -> None:
            if answer == "start":
                self.change(sheet.session)
                self.watching.start(self.session)
                self.action_pane("monitor")

        self.push_screen(sheet, start)

    def action_resume(self) -> None:
        self.watching.resume()

    def action_use_run(self) -> None:
        self.watching.use()

    def action_previous_run(self) -> None:
        self.watching.step_to(-1)

    def action_next_run(self) -> None:
        self.watching.step_to(1)

    def action_zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.arrange()

    def action_go_to_row(self) -> None:
        self.action_pane("dataset")
        self.dataset_pane.ask_row()

    def action_next_prompt(self) -> None:
        prompts = self.session.prompts
        at = prompts.index(self.session.prompt())
        self.use_prompts(list(prompts), prompts[(at + 1) % len(prompts)].name)

    def action_duplicate_prompt(self) -> None:
        prompts = list(self.session.prompts)
        prompt = self.session.prompt()
        names = {one.name for one in prompts}
        stem = prompt.name.rstrip("0123456789 ") or "wording"
        name = next(f"{stem} {n}" for n in range(2, len(names) + 3) if f"{stem} {n}" not in names)
        copy = msgspec.structs.replace(prompt, name=name)
        prompts.insert(prompts.index(prompt) + 1, copy)
        self.use_prompts(prompts, name)
        self.action_pane("prompt")

    def action_delete_prompt(self) -> None:
        prompts = list(self.session.prompts)
        if len(prompts) == 1:
            self.tell("This is the only wording; a session needs one.", "warning")
            return
        at = prompts.index(self.session.prompt())
        gone = prompts.pop(at)
        self.use_prompts(prompts, prompts[min(at, len(prompts) - 1)].name)
        self.tell(f"The wording {gone.name} is removed.")

    def use_prompts(self, prompts: list[Any], active: str) -> None:
        self.change(msgspec.structs.replace(self.session, prompts=prompts, active_prompt=active))
        self.show_prompt()
        self.browsing.render()

    def action_exact(self) -> None:
        if not self.browsing.rendered:
            self.tell(
                self.prompt_pane.problem or "The prompt is not there yet: wait for the model."
            )
            return
        from workbench.ui.screens.exact import ExactScreen

        self.push_screen(ExactScreen(self.browsing.rendered))

    def action_settings(self) -> None:
        from workbench.ui.screens.settings import SettingsScreen

        sheet = SettingsScreen(self.session)

        def take(_: str | None) -> None:
            after = sheet.session
            if after != self.session:
                before = self.session
                self.change(after)
                self.session = before  # so that what differs is opened
                self.take(after)

        self.push_screen(sheet, take)

    def action_open_session(self) -> None:
        from workbench.ui.screens.sessions import SessionsScreen

        def open_it(path: str | None) -> None:
            if path and self.save_before_leaving():
                self.leave(("open", Path(path)))

        self.push_screen(SessionsScreen(self.path), open_it)

    def action_save(self) -> None:
        self.saving.save(self.session, force=self.saving.held)
        self.after_saving()
        if not self.saving.problem and not self.saving.conflict:
            self.tell(f"{self.path.name} is saved.")

    def action_help(self) -> None:
        from workbench.ui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_log(self) -> None:
        from workbench.ui.screens.log import LogScreen

        self.push_screen(LogScreen(self.messages, self.link.log_path))

    def action_theme(self) -> None:
        at = self.theme_names.index(self.theme) if self.theme in self.theme_names else -1
        name = self.theme_names[(at + 1) % len(self.theme_names)]
        self.set_theme(name)
        self.tell(f"Theme: {name}")

    def action_copy(self) -> None:
        what, text = "", ""
        if self.session.layout.focus == "output" and self.asking.cards.cards:
            what, text = "the newest answer", self.asking.cards.cards[0].answer()
        elif self.session.layout.focus == "prompt" and self.browsing.rendered:
            what, text = "the exact prompt", self.browsing.rendered.text
        elif self.browsing.values is not None:
            what = f"row {self.session.layout.row + 1:,}"
            text = msgspec.json.encode(self.browsing.values).decode()
        if not text:
            self.tell("There is nothing to copy here yet.")
            return
        self.copy_to_clipboard(text)
        self.tell(f"Copied {what}, {len(text):,} characters.")

    # --- leaving -----------------------------------------------------------------------------

    def save_before_leaving(self) -> bool:
        if self.saving.held or self.saving.save(self.session):
            return True
        self.after_saving()
        return False

    async def action_quit(self) -> None:
        run = self.watching.live
        if run is None:
            if self.save_before_leaving():
                self.leave()
            return
        from workbench.ui.screens.leaving import Stopping, quit_question

        def decide(answer: str | None) -> None:
            if answer == "keep" and self.save_before_leaving():
                self.leave()
            elif answer == "stop" and self.watching.live and self.save_before_leaving():
                self.leaving = True
                self.watching.stop()
                self.push_screen(Stopping(self.watching.live), lambda _: self.leave())

        self.push_screen(quit_question(run, self.link.survives), decide)

    def run_ended(self) -> None:
        if self.leaving:
            self.leave()

    def action_help_quit(self) -> None:
        self.tell("F10 quits.")
