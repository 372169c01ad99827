"""The actions on answers and measurements: the views of the output pane."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.ui.wording import Wording

if TYPE_CHECKING:
    from workbench.ui.panes.output import OutputView
    from workbench.ui.scoring import Scoring


class Measuring(Wording):
    """Its desks are made when they are first asked for: no start-up pays for them."""

    @cached_property
    def scoring(self) -> "Scoring":
        from workbench.ui.scoring import Scoring

        self.late_desks.append(desk := Scoring(self))
        return desk

    # --- views -------------------------------------------------------------------------------

    async def action_output(self, name: "OutputView") -> None:
        self.action_pane("output")
        await self.output_pane.look(name)
        self.output_pane.go()
        self.show_state()

    async def to_view(self, name: "OutputView") -> Any:
        """The view, gone to where it is not in sight: an action may come from the palette."""
        if self.output_pane.view != name:
            await self.action_output(name)
        return self.output_pane.views[name]

    def stop_asking(self) -> bool:
        """Give up what the view in sight shows, else what was asked last. False: nothing is."""
        view = self.output_pane.view
        if view in ("grid", "scores") and self.scoring.stop(view):
            return True
        return self.asking.stop() or any(desk.stop() for desk in self.late_desks)

    # --- the grid ----------------------------------------------------------------------------

    async def action_fill_grid(self) -> None:
        from workbench.ui.screens.gridding import GridScreen

        sheet = GridScreen(self)

        async def begin(answer: str | None) -> None:
            if answer == "begin":
                self.scoring.fill_grid(sheet.prompts, sheet.numbers, sheet.rows)
                await self.action_output("grid")

        self.push_screen(sheet, begin)

    def action_retry_failed(self) -> None:
        purpose: Any = "grid" if self.output_pane.view == "grid" else "scores"
        if not self.scoring.retry(purpose):
            self.tell("No row failed here.")
        self.output_pane.redraw_view(purpose)

    async def action_grid_rows(self) -> None:
        (await self.to_view("grid")).next_which()
