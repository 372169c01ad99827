"""The actions on runs: start, steer, compare, take along. Sheets are imported when asked for."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.ui.measuring import Measuring

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorView
    from workbench.ui.steering import Steering
    from workbench.ui.sweeping import Sweeping


class Running(Measuring):
    """Its desks are made when they are first asked for: no start-up pays for them."""

    @cached_property
    def steering(self) -> "Steering":
        from workbench.ui.steering import Steering

        self.late_desks.append(desk := Steering(self))
        return desk

    @cached_property
    def sweeping(self) -> "Sweeping":
        from workbench.ui.sweeping import Sweeping

        self.late_desks.append(desk := Sweeping(self))
        return desk

    # --- views -------------------------------------------------------------------------------

    async def action_monitor(self, name: "MonitorView") -> None:
        self.action_pane("monitor")
        await self.monitor_pane.look(name)
        self.monitor_pane.go()
        self.show_state()

    async def to_monitor(self, name: "MonitorView") -> Any:
        """The view, gone to where it is not in sight: an action may come from the palette."""
        if self.monitor_pane.view != name:
            await self.action_monitor(name)
        return self.monitor_pane.views[name]

    async def action_next_curve(self) -> None:
        view = await self.to_monitor("curves")
        self.tell(f"The chart shows: {view.next_curve()}.")

    async def action_mark_run(self) -> None:
        (await self.to_monitor("compared_runs")).mark()

    # --- start and stop ----------------------------------------------------------------------

    async def action_train(self) -> None:
        if self.watching.live:
            self.action_stop_training()
            return
        if self.sweep_under_way:
            await self.action_start_sweep()
            return
        from workbench.ui.screens.training import TrainScreen

        sheet = TrainScreen(self)

        async def start(answer: str | None) -> None:
            changed = sheet.session != self.session
            self.change(sheet.session)
            if answer != "start" and changed:
                self.tell("The settings are kept; F7 shows them and starts the run.")
            elif answer == "start":
                self.watching.start(self.session)
                await self.monitor_pane.look("curves")
                self.action_pane("monitor")

        self.push_screen(sheet, start)

    def action_stop_training(self) -> None:
        if not self.watching.live and not self.sweep_under_way:
            self.tell("No run is under way; F7 starts one.")
            return
        from workbench.ui.screens.leaving import stop_question, sweep_question

        live = self.watching.live
        question = sweep_question(live) if self.sweep_under_way or not live else stop_question(live)
        self.push_screen(question, self.stop_run)

    def stop_run(self, answer: str | None) -> None:
        if answer == "end":
            self.sweeping.end()
        elif answer == "stop":
            self.watching.stop()

    def action_resume(self) -> None:
        self.watching.resume()

    def action_use_run(self) -> None:
        self.watching.use()

    def action_previous_run(self) -> None:
        self.watching.step_to(-1)

    def action_next_run(self) -> None:
        self.watching.step_to(1)

    # --- steer -------------------------------------------------------------------------------

    def action_steer(self, what: str) -> None:
        self.steering.steer(what)

    def action_pause(self) -> None:
        history = self.watching.history
        self.steering.steer("resume" if history and history.paused else "pause")

    def action_steer_rate(self) -> None:
        if not self.steering.under_way():
            return
        from workbench.ui.screens.entering import EnterScreen

        history = self.watching.history
        now = history.figure("learning_rate") if history else None
        shown = f"{now:.3g}" if now else f"{self.session.training.learning_rate:g}"

        def change(text: str | None) -> None:
            if text:
                self.steering.steer("learning_rate", float(text))

        words = "It holds from the next step on; the schedule goes on from it."
        self.push_screen(EnterScreen("Learning rate", shown, wrong_rate, words), change)

    def action_pin_row(self) -> None:
        """The selected row is one of the pinned prompts, or no longer."""
        row = self.browsing.row
        if row is None or not row.key:
            self.tell("There is no row here that could be pinned.", "warning")
            return
        pinned = list(self.session.training.pinned)
        there = row.key in pinned
        pinned = [one for one in pinned if one != row.key] if there else [*pinned, row.key]
        training = msgspec.structs.replace(self.session.training, pinned=pinned)
        self.change(msgspec.structs.replace(self.session, training=training))
        count = f"{len(pinned)} pinned" if pinned else "the first evaluation rows are answered"
        name = f"Row {row.number + 1:,}"
        self.tell(
            f"{name} is no longer pinned; {count}."
            if there
            else f"{name} is answered at each evaluation of a run from now on; {count}."
        )

    # --- after -------------------------------------------------------------------------------

    async def action_compare_tuned(self) -> None:
        """Measure both weights of the shown run on the same rows; the comparison is a key away."""
        history = self.watching.history
        if history is None or not self.watching.has_checkpoint:
            self.tell("There is no run with a checkpoint to compare; F7 starts one.")
            return
        if not self.watching.live and self.session.model.adapter != history.folder.name:
            self.watching.attach(history.folder.name)
        await self.action_measure()
        status = self.modelling.status
        if status is not None and status.adapter == history.folder.name and not status.base:
            self.tell("Only the tuned weights are measured: those from before give no answers.")
        else:
            self.tell("Base and tuned are measured on the same rows; alt+k compares them.")

    def action_export_run(self) -> None:
        history = self.watching.history
        if history is None or not self.watching.has_checkpoint:
            self.tell("There is no run with a checkpoint to export; F7 starts one.")
            return
        from workbench.ui.screens.taking_run import ExportScreen

        self.push_screen(ExportScreen(self, history.folder.name))

    def action_eject_run(self) -> None:
        history = self.watching.history
        if history is None:
            self.tell("There is no run to write as a script; F7 starts one.")
            return
        from workbench.ui.screens.ejecting import EjectScreen

        self.push_screen(EjectScreen(self, history.folder.name))

    # --- sweep -------------------------------------------------------------------------------

    async def action_start_sweep(self) -> None:
        if self.sweeping.under_way:
            await self.action_monitor("sweep")
            self.tell("A sweep is under way; s ends it.")
            return
        from workbench.ui.screens.sweeping import SweepScreen

        sheet = SweepScreen(self)

        async def begin(answer: str | None) -> None:
            if answer in ("begin", "go on", "more"):
                if answer == "begin":
                    self.change(sheet.session)
                trials = sheet.session.sweep.trials if answer == "more" else 0
                self.sweeping.begin(again=answer != "begin", trials=trials)
                await self.action_monitor("sweep")

        self.push_screen(sheet, begin)

    async def action_take_trial(self) -> None:
        view = await self.to_monitor("sweep")
        if view.chosen is None:
            self.tell("There is no run of a sweep yet; o begins one.")
            return
        self.sweeping.take(view.chosen)


def wrong_rate(text: str) -> str:
    """What is wrong with a learning rate; empty: nothing."""
    try:
        value = float(text)
    except ValueError:
        return "Type a number, such as 1e-4."
    return "" if 0 < value <= 10 else "Type a number above 0, such as 1e-4."
