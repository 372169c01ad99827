"""The rows of a table that are near the view, by the view of the data that they belong to.

Knows nothing of drawing. A page holds `PAGE` rows; the last one of a view that grows holds fewer
for a while and is asked for again.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from workbench.protocol import Mark
from workbench.text import one_line

PAGE = 100  # rows that are asked for together
PAGES = 60  # kept of a view
CELL = 200  # characters of a cell that are asked for


@dataclass
class Page:
    cells: list[list[str]]  # [row][column], safe to show
    numbers: list[int]  # in the source, from 0
    marks: list[Mark]
    fresh: bool = True  # False: what it shows has changed since, and is asked for again


@dataclass
class Pages:
    """Pages of view 0, which is all rows, and of the view shown."""

    view: int = 0
    kept: dict[int, OrderedDict[int, Page]] = field(default_factory=lambda: {0: OrderedDict()})
    asked: dict[tuple[int, int], int] = field(default_factory=dict)  # (view, page) → rows
    marks: set[Mark] = field(default_factory=set)  # that were seen

    @property
    def here(self) -> OrderedDict[int, Page]:
        return self.kept[self.view]

    def clear(self) -> None:
        self.kept = {0: OrderedDict(), self.view: OrderedDict()}
        self.asked.clear()

    def turn_to(self, view: int) -> None:
        """Another view is shown; the one before is not asked for again, all rows may be."""
        self.view = view
        self.kept = {0: self.kept[0], view: self.kept.get(view, OrderedDict())}

    def forget(self) -> None:
        """All that is here may have changed: it is shown until it comes anew."""
        self.kept = {0: self.kept[0], self.view: self.here}
        for pages in self.kept.values():
            for page in pages.values():
                page.fresh = False
        self.asked.clear()

    def fill(
        self, view: int, start: int, cells: list[list[str]], numbers: list[int], marks: list[Mark]
    ) -> bool:
        """Take in rows that came. False where nobody waits for them any more."""
        pages = self.kept.get(view)
        if pages is None or start % PAGE:
            return False
        number = start // PAGE
        self.asked.pop((view, number), None)
        if not numbers and view == 0:
            numbers = list(range(start, start + len(cells)))
        safe = [[one_line(cell, CELL) for cell in row] for row in cells]
        self.marks.update(marks)
        pages[number] = Page(safe, numbers, marks)
        while len(pages) > PAGES:
            pages.popitem(last=False)
        return True

    def missing(self, first: int, last: int, total: int) -> list[tuple[int, int]]:
        """[start, stop) of what is to be asked for so that rows `first` to `last` can be shown."""
        found = []
        for number in range(first // PAGE, last // PAGE + 1):
            page = self.here.get(number)
            rows = min(PAGE, total - number * PAGE)
            if page and page.fresh and len(page.cells) >= rows:
                self.here.move_to_end(number)
            elif rows > 0 and self.asked.get((self.view, number)) != rows:
                self.asked[self.view, number] = rows
                found.append((number * PAGE, number * PAGE + rows))
        return found

    def row(self, position: int) -> tuple[list[str] | None, int, Mark]:
        """Cells (None: not here yet), number in the source (-1: unknown) and mark."""
        page, at = self.here.get(position // PAGE), position % PAGE
        if page is None or at >= len(page.cells):
            return None, position if self.view == 0 else -1, ""
        number = page.numbers[at] if at < len(page.numbers) else -1
        return page.cells[at], number, page.marks[at] if at < len(page.marks) else ""

    def sample(self, rows: int) -> list[list[str]]:
        """Some rows, by which columns are measured; a broken one is only text."""
        for page in self.here.values():
            marks = page.marks or [""] * len(page.cells)
            return [
                cells
                for cells, mark in zip(page.cells[:rows], marks, strict=False)
                if mark != "broken"
            ]
        return []
