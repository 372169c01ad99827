"""A dataset that someone looks at: its rows, which of them are used, and the views made of it."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.protocol import DatasetOpened, FormatFound, Mark, OpenDataset
from workbench.worker.lane import RefusedError

if TYPE_CHECKING:
    import numpy

    from workbench.data.sources import Dataset, Source
    from workbench.data.splits import Division
    from workbench.data.views import View

VIEWS = 8  # kept; the oldest is forgotten


class Opened:
    """What one client has open. Made by the data desk, read by all."""

    def __init__(self, request: OpenDataset, source: "Source") -> None:
        self.request, self.source = request, source
        self.table = source.table(request.dataset.split)
        self.division: Division | None = None  # not known until the whole source was read
        self.stopped = threading.Event()  # it was closed: another is open
        self.read = threading.Event()  # to the end, or it will never be
        self.ready = threading.Event()  # `division` is known, or will never be
        self.problem = ""  # why it will never be
        self.views: OrderedDict[int, View] = OrderedDict()
        self.problem_rows: dict[str, Any] = {}  # key of a problem → numbers of its rows
        self.marked: dict[str, numpy.ndarray[Any, Any]] = {}
        self.found = self.recognise()

    @property
    def folder(self) -> Path:
        return Path(self.request.folder)

    def recognise(self) -> FormatFound:
        from workbench.data.formats import recognise_table
        from workbench.session import Prompt

        prompt = self.request.prompt or Prompt()
        return recognise_table(self.table, self.request.dataset, prompt)

    def describe(self) -> DatasetOpened:
        """What is known by now."""
        table, division = self.table, self.division
        several = len(self.source.tables) > 1
        split = f", split {self.request.dataset.split}" if several else ""
        return DatasetOpened(
            description=self.source.description + split,
            columns=[column.name for column in table.columns],
            types=[column.type for column in table.columns],
            rows=table.count,
            complete=table.complete and division is not None,
            splits=list(self.source.tables),
            broken=table.broken_count,
            evaluation_rows=len(division.evaluation) if division else 0,
            evaluation=division.words if division else "",
            used=len(division.train) if division else 0,
            left_out=len(division.left_out) if division else 0,
            fingerprint=self.source.fingerprint,
            format=self.found,
            notes=list(
                dict.fromkeys(
                    [*self.source.notes, *table.notes, *(division.notes if division else [])]
                )
            ),
        )

    def divide_known(self, division: "Division") -> None:
        """The sides are known: so is what to say of each row."""
        if division.evaluation_table is self.table:
            self.marked["evaluation"] = division.evaluation
        self.marked["left_out"] = division.left_out
        self.marked["broken"] = self.table.broken_numbers()
        self.division = division
        self.ready.set()

    def marks(self, numbers: Sequence[int]) -> list[Mark]:
        """What to say of each of these rows."""
        import numpy

        wanted = numpy.asarray(numbers, dtype=numpy.int64)
        marks: list[Mark] = [""] * len(wanted)
        names: tuple[Mark, ...] = ("evaluation", "left_out", "broken")  # the last one counts
        for name in names:
            members = self.marked.get(name)
            if members is None or not len(members) or not len(wanted):
                continue
            places = numpy.searchsorted(members, wanted)
            places[places == len(members)] = 0
            for index in numpy.flatnonzero(members[places] == wanted):
                marks[int(index)] = name
        return marks

    def count(self, view: int) -> int:
        return self.table.count if not view else self.view(view).count

    def numbers(self, view: int, start: int, stop: int) -> list[int]:
        """The source's numbers of the rows at positions [start, stop) of a view."""
        start = max(0, min(start, self.count(view)))
        stop = max(start, min(stop, self.count(view)))
        if not view:
            return list(range(start, stop))
        return [int(number) for number in self.view(view).numbers(start, stop)]

    def position(self, view: int, number: int) -> int:
        """Where in a view the row of this number is; -1 where it is not in it."""
        if not view:
            return number if number < self.table.count else -1
        import numpy

        made = self.view(view)
        found = numpy.flatnonzero(made.numbers(0, made.count) == number)
        return int(found[0]) if len(found) else -1

    def view(self, view: int) -> "View":
        if view not in self.views:
            raise RefusedError("This view of the rows is no longer there; search again.")
        self.views.move_to_end(view)
        return self.views[view]

    def keep(self, view: int, made: "View") -> None:
        self.views[view] = made
        while len(self.views) > VIEWS:
            self.views.popitem(last=False)

    def divided(self, stopped: threading.Event) -> "Division | None":
        """The sides, once they are known; None where the wait was given up.

        Raises:
            RefusedError: when they will never be.
        """
        while not self.ready.wait(0.05):
            if stopped.is_set() or self.stopped.is_set():
                return None
        if self.division is None and self.problem:
            raise RefusedError(self.problem)
        return self.division

    def dataset(self, stopped: threading.Event) -> "Dataset | None":
        """The sides as training and measuring take them; None where the wait was given up.

        Raises:
            RefusedError: when they will never be known.
        """
        from workbench.data.sources import gathered

        division = self.divided(stopped)
        return gathered(self.source, division) if division else None

    def wait_until_read(self, stopped: threading.Event) -> bool:
        """Whether the table was read to its end; False where the wait was given up.

        Raises:
            RefusedError: when it will never be.
        """
        while not self.read.wait(0.05):
            if stopped.is_set():
                return False
        if not self.table.complete and self.problem:
            raise RefusedError(self.problem)
        return not stopped.is_set() and not self.stopped.is_set()

    def close(self) -> None:
        self.stopped.set()
        self.end_waiting()

    def end_waiting(self) -> None:
        """Whatever is known by now is all that will be."""
        self.read.set()
        self.ready.set()
