"""The actions on data: which rows are shown, what is looked at, what of it is used."""

from typing import TYPE_CHECKING, Any

import msgspec

from workbench.session import DatasetSettings
from workbench.ui.base import Base
from workbench.ui.units import plural

if TYPE_CHECKING:
    from workbench.ui.inspecting import ViewName
    from workbench.ui.panes.dataset import DatasetPane

SEARCH_PAUSE = 0.25  # seconds without another letter before the search begins
OVERLONG = ("cut", "drop", "split")


def same_rows(one: DatasetSettings, other: DatasetSettings) -> bool:
    """Whether both name the same rows, of which only the use may differ."""
    return (one.source, one.name, one.split) == (other.source, other.name, other.split)


class Looking(Base):
    def action_pane(self, name: Any) -> None:
        """Go to a pane."""
        raise NotImplementedError

    async def action_look(self, name: "ViewName") -> None:
        self.action_pane("dataset")
        await self.dataset_pane.look(name)
        self.inspecting.show(name)
        self.show_state()

    async def show_rows(self) -> None:
        """Go to the rows; where one is there already, nothing must take the focus afterwards."""
        if self.session.layout.focus != "dataset":
            self.action_pane("dataset")
        if self.dataset_pane.view != "rows":
            await self.action_look("rows")

    # --- which rows --------------------------------------------------------------------------

    async def action_search(self) -> None:
        await self.show_rows()
        await self.dataset_pane.ask("search", self.finding.wanted.search)

    async def action_filter(self) -> None:
        await self.show_rows()
        await self.dataset_pane.ask("filter", self.finding.wanted.where)

    async def action_go_to_row(self) -> None:
        await self.show_rows()
        await self.dataset_pane.ask("row-number")

    def on_dataset_pane_typed(self, event: "DatasetPane.Typed") -> None:
        text = event.text.strip() if event.kind != "search" else event.text
        if event.kind == "row-number":
            number = text.replace(",", "")
            if event.done and event.kept and number.isdigit() and int(number) > 0:
                self.browsing.go_to_number(int(number) - 1)
        elif event.kind == "search":
            if event.done:
                self.browsing.cancel("search")
                self.finding.find(search=text)
            elif text != self.finding.wanted.search:
                find = self.finding.find
                self.browsing.later("search", SEARCH_PAUSE, lambda: find(search=text))
        elif event.done:
            if event.kept and text == self.finding.wanted.where and not self.finding.problem:
                self.dataset_pane.found()
            elif not event.kept and self.finding.problem:
                self.finding.back_to_shown()
            elif event.kept:
                self.finding.find(where=text)
                if not text:
                    self.dataset_pane.found()

    async def action_sort(self) -> None:
        opened, pane = self.browsing.opened, self.dataset_pane
        if not opened or not opened.columns:
            return
        await self.show_rows()
        self.finding.sort(opened.columns[pane.table.column])

    def action_sort_by(self) -> None:
        opened = self.browsing.opened
        if not opened or not opened.columns:
            return
        from workbench.ui.screens.picker import ColumnScreen

        async def sort(column: str | None) -> None:
            if column is not None:
                await self.show_rows()
                self.finding.sort(column)

        self.push_screen(
            ColumnScreen("Sort by", opened.columns, opened.types, self.finding.wanted.sort), sort
        )

    async def action_side(self) -> None:
        if self.browsing.opened:
            await self.show_rows()
            self.finding.next_side()

    def action_all_rows(self) -> None:
        self.dataset_pane.close_field()
        self.finding.all_rows()
        self.action_pane("dataset")

    def action_previous_row(self) -> None:
        self.dataset_pane.table.action_move(-1)

    def action_next_row(self) -> None:
        self.dataset_pane.table.action_move(1)

    # --- what is used ------------------------------------------------------------------------

    def change_dataset(self, **values: Any) -> None:
        """Other settings of the dataset: kept in the session, and opened anew."""
        before = self.session.dataset
        dataset = msgspec.structs.replace(before, **values)
        if dataset == before:
            return
        self.change(msgspec.structs.replace(self.session, dataset=dataset))
        self.browsing.open(again=same_rows(before, dataset))

    def action_leave_out(self) -> None:
        if self.dataset_pane.view == "problems":
            self.leave_problem_out()
            return
        row = self.browsing.row
        if row is None and self.dataset_pane.table.total:
            if "leave_out" not in self.browsing.when_row_comes:
                self.browsing.when_row_comes.append("leave_out")
            return
        if row is None or not row.key:
            if row is not None and row.broken:
                self.tell("A broken row is never trained on.")
            return
        keys = list(self.session.dataset.leave_out_rows)
        if row.key in keys:
            keys.remove(row.key)
            self.tell(f"Row {row.number + 1:,} is taken back in.")
        elif row.mark == "left_out":
            self.tell("Other settings leave this row out: a kind of problem, or where (p).")
            return
        else:
            keys.append(row.key)
            self.tell(f"Row {row.number + 1:,} is left out; x again takes it back in.")
        self.change_dataset(leave_out_rows=keys)

    def leave_problem_out(self) -> None:
        view = self.dataset_pane.views.get("problems")
        problem = view.chosen if view else None
        if problem is None:
            return
        if not problem.can_leave_out:
            self.tell("These rows cannot be left out; the source has to be corrected.", "warning")
            return
        kinds = list(self.session.dataset.leave_out)
        if problem.kind in kinds:
            kinds.remove(problem.kind)
            self.tell(f"{plural(problem.rows, 'row')} taken back in.")
        else:
            kinds.append(problem.kind)
            self.tell(f"{plural(problem.rows, 'row')} left out; the source is not changed.")
        self.change_dataset(leave_out=kinds)

    async def show_problem(self) -> None:
        """The rows of the chosen problem, as a view."""
        view = self.dataset_pane.views.get("problems")
        if not view or view.chosen is None:
            return
        if self.inspecting.problems.stale:
            self.tell("What is used has changed: looking for problems again first.")
            self.inspecting.again()
            return
        problem = view.chosen
        await self.action_look("rows")
        self.finding.show_problem(problem.key, problem.title)

    async def on_listing_chosen(self, event: Any) -> None:
        if event.listing.id == "problems":
            await self.show_problem()
        elif event.listing.id == "columns":
            chosen = self.dataset_pane.views["columns"].chosen
            await self.action_look("rows")
            self.finding.sort(chosen.name)

    # --- views -------------------------------------------------------------------------------

    def action_look_again(self) -> None:
        self.inspecting.again()

    async def action_token_ids(self) -> None:
        if self.dataset_pane.view != "tokens":
            await self.action_look("tokens")
        view = self.dataset_pane.views["tokens"]
        view.ids = not view.ids
        view.redraw()

    async def show_lengths(self) -> None:
        if self.dataset_pane.view != "lengths":
            await self.action_look("lengths")

    async def action_longer(self) -> None:
        await self.step_length(1)

    async def action_shorter(self) -> None:
        await self.step_length(-1)

    async def step_length(self, by: int) -> None:
        from workbench.ui.views.lengths import stepped

        await self.show_lengths()
        length = stepped(self.session.training.max_length, by)
        self.inspecting.change_training(max_length=length)

    async def action_overlong(self) -> None:
        await self.show_lengths()
        at = OVERLONG.index(self.session.training.overlong)
        self.inspecting.change_training(overlong=OVERLONG[(at + 1) % len(OVERLONG)])

    async def action_measure_all(self) -> None:
        await self.show_lengths()
        self.inspecting.every_row = True
        self.inspecting.renew()

    # --- sheets ------------------------------------------------------------------------------

    def action_open_data(self) -> None:
        from workbench.ui.screens.opening import OpenScreen

        def opened(source: str | None) -> None:
            if source is None:
                return
            self.change_layout(row=0)
            self.action_pane("dataset")
            if source == self.session.dataset.source:
                self.browsing.open()
            else:
                # What was said of the other source's rows and columns says nothing of these.
                dataset = DatasetSettings(source=source)
                self.change(msgspec.structs.replace(self.session, dataset=dataset))
                self.browsing.open()

        starters = self.modelling.starters
        self.push_screen(OpenScreen(self.workspace, self.path, starters), opened)

    def action_format(self) -> None:
        opened = self.browsing.opened
        if not opened or not opened.format:
            self.tell("There is no data open yet.")
            return
        from workbench.ui.screens.format import FormatScreen

        sheet = FormatScreen(self, opened)

        def keep(answer: str | None) -> None:
            if answer == "keep":
                dataset = sheet.dataset
                self.change_dataset(format=dataset.format, mapping=dataset.mapping)

        self.push_screen(sheet, keep)

    def action_splits(self) -> None:
        from workbench.ui.screens.splits import SplitsScreen

        sheet = SplitsScreen(self.session, self.browsing.opened)

        def keep(answer: str | None) -> None:
            if answer == "keep":
                before, dataset = self.session.dataset, sheet.session.dataset
                self.change(sheet.session)
                if before != dataset:
                    self.browsing.open(again=same_rows(before, dataset))

        self.push_screen(sheet, keep)

    def action_export_rows(self) -> None:
        if not self.browsing.opened or not self.dataset_pane.table.total:
            self.tell("There is no row to export yet.")
            return
        from workbench.ui.screens.exporting import ExportScreen

        self.push_screen(ExportScreen(self))
