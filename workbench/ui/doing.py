"""The actions: a method for each of the table. Sheets are imported when they are asked for."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.session import Pane as PaneName
from workbench.ui.actions import ACTIONS, Action
from workbench.ui.running import Running

if TYPE_CHECKING:
    from workbench.ui.panes.dataset import DatasetPane
    from workbench.ui.panes.monitor import MonitorPane
    from workbench.ui.panes.output import OutputPane
    from workbench.ui.panes.prompt import PromptPane

OURS = {action.name.partition("(")[0] for action in ACTIONS}


class Doing(Running):
    zoomed = False
    made = False  # the panes are there
    theme_names: list[str]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With a sheet open only the sheet's own keys count; before the panes are there, none."""
        if action in OURS and (not self.begun or len(self.screen_stack) > 1):
            return False
        if action == "press":
            return self.may_press(ACTIONS[int(str(parameters[0]))])
        return super().check_action(action, parameters)

    def may_press(self, action: Action) -> bool:
        """Whether a key that works in one place only is pressed there, not typed into a field."""
        if not self.begun or len(self.screen_stack) > 1:
            return False
        from textual.widgets import Input  # not before the first paint

        if isinstance(self.focused, Input):
            return False
        where = self.focused.ancestors_with_self if self.focused else []
        return any(
            pane in where and action.where in pane.places
            for pane in (self.dataset_pane, self.output_pane, self.monitor_pane)
        )

    async def run_action(self, action: Any, *arguments: Any, **named: Any) -> bool:
        """What was typed before the key of an action of ours counts for it, told already or not."""
        if isinstance(action, str) and action.partition("(")[0] in OURS and self.made:
            self.take_typed()
        return await super().run_action(action, *arguments, **named)

    def take_typed(self) -> None:
        pane = self.prompt_pane
        if self.focused in pane.editors.values():
            pane.take_typed()
            if pane.prompt != self.session.prompt():
                self.browsing.edit(pane.prompt)

    async def action_press(self, number: int) -> None:
        await self.run_action(ACTIONS[number].name)

    def arrange(self) -> None:
        """Lay the panes out for the size of the screen."""

    def panes(self) -> "list[DatasetPane | PromptPane | OutputPane | MonitorPane]":
        """In their order; none before they are made."""
        if not self.made:
            return []
        return [self.dataset_pane, self.prompt_pane, self.output_pane, self.monitor_pane]

    def one_pane(self) -> bool:
        """Whether only the pane in use is shown."""
        return self.zoomed

    # --- panes -------------------------------------------------------------------------------

    def action_pane(self, name: PaneName) -> None:
        self.change_layout(focus=name)
        self.arrange()
        for pane in self.panes():
            if pane.pane == name:
                pane.go()

    def action_zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.arrange()

    # --- prompt ------------------------------------------------------------------------------

    async def action_generate(self) -> None:
        self.asking.generate()
        await self.output_pane.look("answers")
        if self.one_pane():
            self.action_pane("output")

    def action_stop(self) -> None:
        looks = self.session.layout.focus == "dataset"
        if looks and (self.inspecting.stop() or self.finding.back()):
            return
        if self.session.layout.focus == "output" and self.output_pane.back():
            return
        if self.session.layout.focus == "monitor" and self.monitor_pane.back():
            return
        if not self.stop_asking():
            self.action_pane(self.session.layout.focus)

    def action_exact(self) -> None:
        if not self.browsing.rendered:
            problem = self.prompt_pane.problem
            self.tell(problem or "The exact text is not there yet: wait for the model.", "warning")
            return
        if not self.browsing.fresh and not self.browsing.rowless:
            if "exact" not in self.browsing.when_rendered:
                self.browsing.when_rendered.append("exact")
            return
        from workbench.ui.screens.exact import ExactScreen

        self.push_screen(ExactScreen(self.browsing.rendered))

    # --- session -----------------------------------------------------------------------------

    def action_settings(self) -> None:
        from workbench.ui.screens.settings import SettingsScreen

        sheet = SettingsScreen(self.session)
        self.push_screen(sheet, lambda _: self.take(sheet.session))

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

    async def action_quit(self) -> None:
        run = self.watching.live
        if run is None and not self.sweep_under_way:
            if self.save_before_leaving():
                self.leave()
            return
        from workbench.ui.screens.leaving import quit_question

        question = quit_question(run, self.link.survives, self.sweep_under_way)
        self.push_screen(question, self.quit_as)

    def quit_as(self, answer: str | None) -> None:
        """Leave the run alone, or stop it first and wait until its checkpoint is written."""
        if answer == "keep" and self.save_before_leaving():
            self.leave()
        elif answer == "stop" and self.save_before_leaving():
            if not self.watching.live and not self.sweep_under_way:
                self.leave()
                return
            from workbench.ui.screens.leaving import Stopping

            self.leaving = True
            self.watching.stop(sweep=self.sweep_under_way)
            self.push_screen(Stopping(self.watching.live), lambda _: self.leave())

    def action_help_quit(self) -> None:
        self.tell("F10 quits.")

    # --- looks -------------------------------------------------------------------------------

    def action_help(self) -> None:
        from workbench.ui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.session.layout.focus))

    def action_log(self) -> None:
        from workbench.ui.screens.log import LogScreen

        self.push_screen(LogScreen(self.messages, self.link.log_path))

    def action_theme(self) -> None:
        at = self.theme_names.index(self.theme) if self.theme in self.theme_names else -1
        name = self.theme_names[(at + 1) % len(self.theme_names)]
        self.set_theme(name)
        self.tell(f"Theme: {name}")

    def set_theme(self, name: str) -> None:
        self.theme = name
        self.change_layout(theme=name)

    def action_copy(self) -> None:
        """What is copied goes by the pane in use: the answer, the exact prompt, else the row."""
        pane = self.session.layout.focus
        what, text = "", ""
        if pane == "output":
            inside = self.output_pane.answers.card is not None
            what = "the answer with the cursor" if inside else "the newest answer"
            text = self.output_pane.answers.answer()
        elif pane == "prompt":
            rendered = self.browsing.rendered
            what, text = "the exact prompt", rendered.text if rendered else ""
        elif self.browsing.values is not None:
            what = f"row {self.session.layout.row + 1:,}"
            text = msgspec.json.encode(self.browsing.values).decode()
        if not text:
            self.tell("There is nothing to copy here yet.")
            return
        self.copy_to_clipboard(text)
        self.tell(f"Copied {what}, {len(text):,} characters.")
