"""Which rows are shown: found by a search, an expression, a side or a problem, and their order.

What is wanted is one request, `FindRows`; each key changes a part of it. Nothing wanted is view 0:
all rows in the source's own order.
"""

import time
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.protocol import AnyEvent, Cancel, Done, Failed, FindRows, HostLost, RowsFound, Side
from workbench.ui.units import count, duration, plural
from workbench.ui.widgets.lines import Line

if TYPE_CHECKING:
    from workbench.ui.base import Base

ALL = FindRows()
SIDES: tuple[Side, ...] = ("all", "train", "evaluation", "left_out", "broken")
SIDE_WORDS: dict[Side, str] = {
    "all": "all rows",
    "train": "rows to train on",
    "evaluation": "evaluation rows",
    "left_out": "rows left out",
    "broken": "broken rows",
}


class Finding:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.wanted = ALL
        self.good = ALL  # what the view in the table is of
        self.view = 0  # the view in the table
        self.request = -1  # the latest search
        self.under_way = False
        self.found: RowsFound | None = None
        self.problem = ""
        self.began = 0.0
        self.title = ""  # of the problem whose rows are shown
        self.place = 0  # position to go to once the view is there again

    def forget(self, again: bool) -> None:
        """The dataset is opened anew; `again`: the same rows, of which a view is made again."""
        self.give_up()
        self.request, self.found, self.problem = -1, None, ""
        if not again:
            self.wanted = self.good = ALL
            self.view, self.title = 0, ""

    # --- asking ------------------------------------------------------------------------------

    def find(self, **parts: Any) -> None:
        """Want other rows: what is not named stays as it is."""
        wanted = msgspec.structs.replace(self.wanted, **parts)
        if wanted == self.wanted and not self.problem:
            return
        if wanted.problem != self.wanted.problem and not wanted.problem:
            self.title = ""
        self.wanted, self.place = wanted, 0
        self.seek()

    def find_again(self) -> None:
        """The same rows were opened anew: views of before are gone."""
        if self.wanted == ALL:
            return
        if self.wanted.problem:  # whose rows are known only once they are looked for again
            self.all_rows()
            return
        self.place = self.app.dataset_pane.table.cursor
        self.seek()

    def seek(self) -> None:
        self.give_up()
        self.problem, self.found = "", None
        if self.wanted == ALL:
            self.all_rows()
            return
        table = self.app.dataset_pane.table
        table.sought = self.wanted.search.lower()
        self.show_order()
        if self.app.browsing.waiting:  # it is looked for as soon as the dataset is open
            self.tell()
            return
        self.began, self.under_way = time.monotonic(), True
        self.request = self.app.send(self.wanted)
        self.tell()

    def show_order(self) -> None:
        opened, table = self.app.browsing.opened, self.app.dataset_pane.table
        table.sorted = None
        if opened and self.wanted.sort in opened.columns[: len(table.names)]:
            table.sorted = opened.columns.index(self.wanted.sort), self.wanted.descending
        table.refresh()

    def sort(self, column: str) -> None:
        """Rising; where it is sorted by this column already, falling; then not at all."""
        if self.wanted.sort != column:
            self.find(sort=column, descending=False)
        elif not self.wanted.descending:
            self.find(descending=True)
        else:
            self.find(sort="", descending=False)

    def next_side(self) -> None:
        at = SIDES.index(self.wanted.side)
        self.find(side=SIDES[(at + 1) % len(SIDES)])

    def show_problem(self, key: str, title: str) -> None:
        """The rows of one problem, alone."""
        self.title = title
        self.wanted, self.place = FindRows(problem=key), 0
        self.seek()

    def all_rows(self) -> None:
        self.give_up()
        self.wanted = self.good = ALL
        self.request, self.found, self.problem, self.title = -1, None, "", ""
        table = self.app.dataset_pane.table
        table.sought = ""
        self.show_order()
        opened = self.app.browsing.opened
        if self.view:
            self.view = 0
            row = self.app.session.layout.row
            table.turn_to(0, opened.rows if opened else 0, row)
            # The view may have been empty: then the row known is of before, and not shown.
            self.app.browsing.read_row()
            self.app.dataset_pane.detail.redraw(to_top=True)
        self.app.inspecting.renew()
        self.tell()

    def give_up(self) -> bool:
        """Cancel a search that is under way. False where there is none."""
        if not self.under_way:
            return False
        self.under_way = False
        self.app.send(Cancel(target=self.request))
        return True

    def back_to_shown(self) -> None:
        """What was wanted last failed: want what is shown again."""
        self.wanted, self.problem = self.good, ""
        self.tell()

    def back(self) -> bool:
        """One step towards all rows: give up the search, then its rows. False: nothing to do."""
        if self.give_up():
            self.tell()
            return True
        if self.wanted == ALL and not self.view:
            return False
        self.all_rows()
        return True

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            self.under_way = False
            return False
        if event.request != self.request:
            return False
        match event:
            case RowsFound():
                self.take(event)
            case Failed():
                self.under_way = False
                self.problem = event.message
                self.app.note(event.message, event.details)
                self.tell()
            case Done():
                self.under_way = False
                self.tell()
            case _:
                return False
        return True

    def take(self, event: RowsFound) -> None:
        self.found, self.good = event, self.wanted
        self.under_way = self.under_way and not event.complete
        table, browsing = self.app.dataset_pane.table, self.app.browsing
        if self.view != event.view and (event.rows or event.complete):
            # What was shown before stays until there is something to show in its place.
            self.view = event.view
            cursor = min(self.place, max(0, event.rows - 1))
            table.turn_to(event.view, event.rows, cursor)
            if event.rows:
                browsing.select(-1)
            self.app.inspecting.renew()
            self.app.dataset_pane.found()
        elif self.view == event.view:
            table.grow(event.rows)
        self.tell()

    def tell(self) -> None:
        self.app.dataset_pane.redraw_state()
        self.app.show_state()

    # --- in words ----------------------------------------------------------------------------

    def words(self) -> Line:
        """What is shown, and how far the search is; nothing where all rows are shown."""
        if self.problem:
            return [("✗ ", "bad"), (self.problem, "bad")]
        if self.wanted == ALL:
            return []
        parts: Line = []
        if self.found:
            noun = "hit" if self.wanted.search or self.wanted.where else "row"
            parts.append((plural(self.found.rows, noun), "strong"))
            share = self.found.scanned / self.found.total if self.found.total else 0
            if self.under_way:
                spent = time.monotonic() - self.began
                parts.append((f" · {share * 100:.0f} % scanned", "quiet"))
                if share and spent > 1:
                    parts.append((f" · {duration(spent * (1 - share) / share)} left", "quiet"))
            elif not self.found.complete:
                parts.append((f" · stopped after {share * 100:.0f} %", "warn"))
            elif self.found.total:
                parts.append((f" of {count(self.found.total)}", "quiet"))
        else:
            waits = self.under_way or self.app.browsing.waiting
            parts.append(("looking …" if waits else "stopped", "quiet"))
        return [*parts, (self.criteria(), "quiet")]

    def criteria(self) -> str:
        wanted, words = self.wanted, []
        if self.title:
            words.append(self.title)
        if wanted.search:
            words.append(f"with “{wanted.search}”")
        if wanted.where:
            words.append(wanted.where)
        if wanted.side != "all":
            words.append(SIDE_WORDS[wanted.side])
        if wanted.sort:
            words.append(f"by {wanted.sort} {'▼' if wanted.descending else '▲'}")
        return " · " + " · ".join(words)
