"""The actions on answers and measurements: the views of the output pane."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.session import Prompt, Session
from workbench.ui.wording import Wording

if TYPE_CHECKING:
    from workbench.ui.comparing import Comparing
    from workbench.ui.improving import Improving
    from workbench.ui.measurement import Job
    from workbench.ui.panes.output import OutputView
    from workbench.ui.remembering import Remembering
    from workbench.ui.scoring import Scoring


class Measuring(Wording):
    """Its desks are made when they are first asked for: no start-up pays for them."""

    @cached_property
    def scoring(self) -> "Scoring":
        from workbench.ui.scoring import Scoring

        self.late_desks.append(desk := Scoring(self))
        return desk

    @cached_property
    def comparing(self) -> "Comparing":
        from workbench.ui.comparing import Comparing

        self.late_desks.append(desk := Comparing(self))
        return desk

    @cached_property
    def remembering(self) -> "Remembering":
        from workbench.ui.remembering import Remembering

        self.late_desks.append(desk := Remembering(self))
        return desk

    @cached_property
    def improving(self) -> "Improving":
        from workbench.ui.improving import Improving

        self.late_desks.append(desk := Improving(self))
        return desk

    def change(self, session: Session) -> None:
        super().change(session)
        if self.begun:
            self.output_pane.name_view()  # what answers must be

    # --- views -------------------------------------------------------------------------------

    def one_pane(self) -> bool:
        """Whether only the pane in use is shown."""
        raise NotImplementedError

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

    @property
    def busy(self) -> str:
        """What is asked of the model now, in a word."""
        if self.asking.open:
            return "answering"
        return next((desk.busy for desk in self.late_desks if desk.busy), "")

    def stop_asking(self) -> bool:
        """Give up what the view in sight shows, else what was asked last. False: nothing is."""
        view = self.output_pane.view
        if view in ("grid", "scores") and self.scoring.stop(view):
            return True
        return self.asking.stop() or any(desk.stop() for desk in self.late_desks)

    # --- answers -----------------------------------------------------------------------------

    async def action_token_cursor(self) -> None:
        view = await self.to_view("answers")
        if not view.back():
            view.enter()

    async def action_token_colours(self) -> None:
        (await self.to_view("answers")).turn_colours()

    async def action_again(self, next_seed: bool = False) -> None:
        view = await self.to_view("answers")
        asked = [card for card in self.asking.cards.cards if card.kind == "answer"]
        card = view.card or (asked[0] if asked else None)
        if card is None:
            self.tell("There is no answer yet: F5 asks.")
        elif problem := self.asking.again(card, next_seed):
            self.tell(problem, "warning")
        else:
            view.back()

    async def action_next_seed(self) -> None:
        await self.action_again(next_seed=True)

    async def action_go_there(self) -> None:
        """The row under the cursor, in the dataset pane."""
        view = self.output_pane.views[self.output_pane.view]
        number = getattr(view, "number", -1)
        if number < 0:
            self.tell("There is no row under the cursor.")
            return
        split = self.split_here()
        if split in ("", self.session.dataset.split):
            await self.show_rows()
            self.browsing.go_to_number(number)
            return
        from workbench.ui.screens.outputs import other_split_question

        async def look(answer: str | None) -> None:
            if answer == "look":
                await self.show_rows()
                self.change_layout(row=number)
                self.change_dataset(split=split)

        now = self.session.dataset.split
        self.push_screen(other_split_question(number, split, now), look)

    def split_here(self) -> str:
        """The split that the row under the cursor is of; empty: the one that is looked at."""
        match self.output_pane.view:
            case "grid":
                job = self.scoring.grid[0] if self.scoring.grid else None
                looked_at = job.request.dataset.split if job and job.request else ""
                return (job.split or looked_at) if job else ""
            case "compared":
                result = self.comparing.result
                return self.scoring.split_of(result.a) if result else ""
        return ""

    def add_variant(self, prompt: Prompt, name: str) -> str:
        """Add a variant after the one in use; a number tells it from one of the same name."""
        names = {one.name for one in self.session.prompts}
        numbers = range(2, len(names) + 3)
        free = next(
            one for one in (name, *(f"{name} {number}" for number in numbers)) if one not in names
        )
        prompts = list(self.session.prompts)
        at = [one.name for one in prompts].index(self.session.prompt().name)
        prompts.insert(at + 1, msgspec.structs.replace(prompt, name=free))
        self.change_wordings(prompts, free)
        self.tell(f"Added the variant {free}, now in use; alt+z takes it back.")
        return free

    # --- the grid ----------------------------------------------------------------------------

    async def action_fill_grid(self) -> None:
        from workbench.ui.screens.gridding import GridScreen

        sheet = GridScreen(self)

        async def begin(answer: str | None) -> None:
            if answer == "begin":
                self.scoring.fill_grid(sheet.prompts, sheet.numbers, sheet.rows)
                await self.action_output("grid")

        self.push_screen(sheet, begin)

    async def action_grid_rows(self) -> None:
        (await self.to_view("grid")).next_which()

    def show_in_grid(self, job: "Job") -> None:
        """The rows of a measurement of before."""
        self.scoring.grid = [job]
        self.call_later(self.run_action, "output('grid')")

    def action_retry_failed(self) -> None:
        purpose: Any = "grid" if self.output_pane.view == "grid" else "scores"
        if not self.scoring.retry(purpose):
            self.tell("No row failed here.")
        self.output_pane.redraw_view(purpose)

    # --- scores ------------------------------------------------------------------------------

    async def action_measure(self) -> None:
        """F8: the variant in use; the view is shown, the focus stays where there is room."""
        self.scoring.measure([self.session.prompt()])
        await self.output_pane.look("scores")
        if self.one_pane():
            self.action_pane("output")
        else:
            self.show_state()

    async def action_measure_variants(self) -> None:
        await self.to_view("scores")
        self.scoring.measure(self.session.prompts)
        self.output_pane.redraw_view("scores")

    async def action_measure_anew(self) -> None:
        view = await self.to_view("scores")
        names = {one.name: one for one in self.session.prompts}
        prompt = names.get(view.chosen[0].name if view.chosen else "", self.session.prompt())
        self.scoring.measure([prompt], fresh=True)
        self.output_pane.redraw_view("scores")

    async def action_mark(self, side: str) -> None:
        view = await self.to_view("scores")
        if view.chosen is None or not view.chosen[0].key:
            self.tell("There is no measurement to mark yet; F8 measures.")
            return
        self.comparing.mark(side, view.chosen[0].key)
        view.redraw()

    async def action_compare(self, judge: bool = False) -> None:
        if self.output_pane.view != "compared":
            view = await self.to_view("scores")
            table = [one for one, _ in view.table]
            a, b = self.comparing.sides(table, view.listing.cursor)
        elif result := self.comparing.result:
            a, b = result.a, result.b
        else:
            return
        if not a or not b:
            words = "Two measurements are needed: F8 measures this variant, v all of them."
            if len([one for one in table if one.key]) > 1:
                words = "Choose what is compared with the first one, or mark two with a and b."
            self.tell(words, "warning")
            return
        self.comparing.compare(a, b, judge)
        await self.action_output("compared")

    async def action_judge_pairs(self) -> None:
        await self.action_compare(judge=True)

    def action_measured_rows(self) -> None:
        """The rows of the measurement that is chosen, in the grid."""
        view = self.output_pane.views[self.output_pane.view]
        chosen = getattr(view, "measurement", None)
        if chosen is None:
            self.tell("There is no measurement here; F8 measures the variant.")
            return
        job = next((one for one in self.scoring.jobs if chosen in one.measurements.values()), None)
        if job:
            self.show_in_grid(job)
        else:
            self.remembering.show(chosen.key, to_grid=True)

    # --- search, versions, taking away -------------------------------------------------------

    async def action_optimize(self) -> None:
        if self.improving.under_way:
            await self.action_output("search")
            self.tell("A search is under way; esc stops it and keeps the best.")
            return
        from workbench.ui.screens.searching import SearchScreen

        sheet = SearchScreen(self.session, self.browsing.opened)

        async def begin(answer: str | None) -> None:
            if answer == "begin":
                self.change(sheet.session)
                self.improving.begin()
                await self.action_output("search")

        self.push_screen(sheet, begin)

    def action_keep_wording(self) -> None:
        """The chosen candidate of a search, or a version of before, as a variant."""
        view = self.output_pane.views[self.output_pane.view]
        if self.output_pane.view == "search":
            if not self.improving.keep(view.listing.cursor):
                self.tell("There is no candidate yet; alt+f searches.")
            view.redraw()
        elif self.output_pane.view == "versions" and view.chosen:
            self.add_variant(view.chosen.prompt, view.chosen.name)
        else:
            self.tell("Candidates of a search (4) and versions (5) can be kept as variants.")

    def action_constrain(self) -> None:
        from workbench.ui.screens.constraining import ConstraintScreen

        sheet = ConstraintScreen(self.session)

        def keep(answer: str | None) -> None:
            if answer == "keep":
                self.change(sheet.session)
                self.prompt_pane.show_wording(self.session)
                self.browsing.render()
                self.output_pane.name_view()

        self.push_screen(sheet, keep)

    def action_take_away(self) -> None:
        from workbench.ui.screens.taking import TakeScreen

        rendered = self.browsing.rendered
        answer = self.output_pane.answers.answer()
        self.push_screen(TakeScreen(self, answer, rendered.text if rendered else ""))
