"""How wide a table's columns are. Knows nothing of drawing."""

from collections.abc import Callable

from rich.cells import cell_len

WIDEST, NARROWEST = 60, 6
FEW = 24  # columns that share the room there is; of more, each is as wide as it needs
USUAL = 32  # cells that one of many columns takes at most


def column_widths(
    names: list[str], sample: list[list[str]], room: int, least: dict[int, int] | None = None
) -> list[int]:
    """Widths of the columns, in cells: as the sample needs, the widest giving way or taking up.

    Where even narrow columns do not fit, they keep their width and the table scrolls sideways.
    `least`: cells that a column is known to need.
    """
    floors = least or {}
    widths = [
        max(needed(name, sample, index, 4 * WIDEST), floors.get(index, 0))
        for index, name in enumerate(names)
    ]
    if not widths:
        return widths
    over = sum(widths) + 2 * len(widths) - room
    while over > 0 and max(widths) > 16:
        widest = widths.index(max(widths))
        second = max([one for i, one in enumerate(widths) if i != widest], default=0)
        cut = min(over, widths[widest] - max(16, min(second, widths[widest] - 1)))
        widths[widest] -= max(1, cut)
        over = sum(widths) + 2 * len(widths) - room
    if over < 0:
        widths[widths.index(max(widths))] -= over
    return widths


def needed(name: str, sample: list[list[str]], index: int, most: int) -> int:
    """What nine in ten cells of a column fit into."""
    seen = sorted(cell_len(row[index]) for row in sample if index < len(row))
    usual = seen[len(seen) * 9 // 10] if seen else 0
    return max(NARROWEST, cell_len(name), min(usual, most))


class Widths:
    """Widths by column; of many columns only those that come into view are measured."""

    def __init__(self) -> None:
        self.shared: list[int] = []
        self.measured: dict[int, int] = {}
        self.least: dict[int, int] = {}  # of columns of numbers, which must not be cut
        self.measure: Callable[[int], int] = lambda _: NARROWEST

    def take(self, names: list[str], sample: list[list[str]], room: int) -> None:
        self.shared, self.measured = [], {}
        if len(names) <= FEW:
            self.shared = column_widths(names, sample, room, self.least)
        self.measure = lambda index: min(
            max(NARROWEST, room - 2),
            max(needed(names[index], sample, index, USUAL), self.least.get(index, 0)),
        )

    def widen(self, cells: list[list[str]], numeric: list[bool]) -> bool:
        """Whether a number came that is wider than its column; numbers grow with the rows."""
        wider = False
        for index, one in enumerate(numeric[:FEW]):
            if not one:
                continue
            wide = max((len(row[index]) for row in cells if index < len(row)), default=0)
            if self[index] < wide <= USUAL:
                self.least[index], wider = wide, True
        return wider

    def __getitem__(self, index: int) -> int:
        if self.shared:
            return self.shared[index]
        if index not in self.measured:
            self.measured[index] = self.measure(index)
        return self.measured[index]
