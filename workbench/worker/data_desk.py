"""Opens datasets and reads rows: what the cursor waits for, so nothing slow is done here."""

import threading
import time
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.protocol import (
    TABLE_COLUMNS,
    DatasetIndexed,
    DatasetOpened,
    OpenDataset,
    ReadRow,
    ReadRows,
    Row,
    Rows,
)
from workbench.text import one_line
from workbench.turns import in_one_line, turns_of
from workbench.worker.lane import Job, Lane, RefusedError, sentence
from workbench.worker.opened import Opened

if TYPE_CHECKING:
    from workbench.catalogue import Report

SMALL = 8 << 20  # bytes of a source that is read whole before the first answer
NEWS_SECONDS = 0.2  # between two tellings of how far the reading is


def cell(value: Any, width: int) -> str:
    """A value as a table shows it: on one line, cut to `width` characters."""
    if isinstance(value, str):
        return one_line(value, width)
    if isinstance(value, float):
        return f"{value:g}"
    if turns := turns_of(value):
        return one_line(in_one_line(turns, width), width)
    return "" if value is None else one_line(str(value), width)


class DataDesk(Lane):
    """Knows what each client has open. Reading on to the end is a thread of its own."""

    def __init__(self) -> None:
        super().__init__("data")
        self.open_now: dict[Hashable, Opened] = {}
        self.reading: threading.Thread | None = None  # the last that was begun
        self.handlers = {OpenDataset: self.open, ReadRows: self.rows, ReadRow: self.row}

    def opened(self, client: Hashable) -> Opened:
        """What the client has open.

        Raises:
            RefusedError: when that is nothing.
        """
        found = self.open_now.get(client)
        if found is None:
            raise RefusedError("No dataset is open.")
        return found

    def forget(self, client: Hashable) -> None:
        """The client is gone, or opens another."""
        if before := self.open_now.pop(client, None):
            before.close()

    def close(self) -> None:
        """Give up what is open, of all clients."""
        for client in list(self.open_now):
            self.forget(client)

    def open(self, request: OpenDataset, job: Job) -> None:
        from workbench.data.sources import open_source

        job.progress("Opening the dataset")
        try:
            source = open_source(request.dataset, Path(request.folder), job.progress)
            opened = Opened(request, source)
            tables = source.tables.values()
            if all(table.size or table.complete for table in tables) and (
                sum(table.size for table in tables) <= SMALL
            ):
                self.finish(opened, job.stopped, job.progress)
        finally:  # what was open before is there until then
            self.forget(job.client)
        self.open_now[job.client] = opened
        answer = opened.describe()
        job.tell(tagged(answer, job.id))
        if opened.division is None:
            self.reading = threading.Thread(
                target=self.read_on, args=(opened, job), name="reading-on", daemon=True
            )
            self.reading.start()

    def finish(self, opened: Opened, stopped: threading.Event, report: "Report") -> None:
        """Read to the end, then tell the sides apart."""
        from workbench.data.splits import divide

        total = opened.table.size
        opened.table.index(lambda done, of: report("reading", done, of or total, "B"), stopped)
        if stopped.is_set():
            return
        opened.found = opened.recognise()  # columns may have come, types have changed
        opened.read.set()
        opened.divide_known(divide(opened.source, opened.request.dataset, stopped, report))

    def read_on(self, opened: Opened, job: Job) -> None:
        """The rest of a large source, while one looks at its first rows already."""
        try:
            self.finish(opened, opened.stopped, News(opened, job).tell)
        except Exception as error:
            if not opened.stopped.is_set():
                opened.problem = sentence(error)
        opened.end_waiting()
        if opened.stopped.is_set():
            return
        job.tell(DatasetIndexed(request=job.id, opened=opened.describe(), problem=opened.problem))

    def rows(self, request: ReadRows, job: Job) -> None:
        opened = self.opened(job.client)
        numbers = opened.numbers(request.view, request.start, request.stop)
        records = opened.table.take(numbers)
        names = [column.name for column in opened.table.columns[:TABLE_COLUMNS]]
        cells = [
            [cell(record.get(name), request.width) for name in names]
            if isinstance(record, dict)
            else [one_line(record.text, request.width)]
            for record in records
        ]
        job.tell(
            Rows(
                request=job.id,
                start=request.start,
                cells=cells,
                numbers=numbers,
                marks=opened.marks(numbers),
                view=request.view,
            )
        )

    def row(self, request: ReadRow, job: Job) -> None:
        from workbench.data.splits import row_key

        opened = self.opened(job.client)
        index = request.index
        if request.number >= 0:
            index = opened.position(request.view, request.number)
        numbers = opened.numbers(request.view, index, index + 1) if index >= 0 else []
        if not numbers:
            wanted = max(request.number, request.index) + 1
            among = " among the rows shown" if request.view else f": there are {opened.count(0):,}"
            raise RefusedError(f"There is no row {wanted:,}{among}.")
        number = numbers[0]
        record = opened.table.take([number])[0]
        values, broken = (record, "") if isinstance(record, dict) else ({}, record.words)
        if not isinstance(record, dict) and record.text:
            broken += f"\n{record.text}"
        job.tell(
            Row(
                request=job.id,
                index=index,
                values=values,
                number=number,
                key=row_key(number, values) if values else "",
                mark=opened.marks([number])[0],
                broken=broken,
                view=request.view,
            )
        )


def tagged(opened: DatasetOpened, request: int) -> DatasetOpened:
    from msgspec.structs import replace

    return replace(opened, request=request)


class News:
    """Tells of a dataset that grows, now and then, with the time left at the speed so far."""

    def __init__(self, opened: Opened, job: Job) -> None:
        self.opened, self.job = opened, job
        self.told = self.began = time.monotonic()
        self.what = ""

    def tell(self, what: str, done: float, total: float, _unit: str) -> None:
        now = time.monotonic()
        if what != self.what:
            self.what, self.began = what, now
        elif now - self.told < NEWS_SECONDS:
            return
        self.told = now
        left = (total - done) * (now - self.began) / done if done and total else -1
        self.job.tell(
            DatasetIndexed(
                request=self.job.id,
                opened=self.opened.describe(),
                done=done,
                total=total,
                what=what,
                seconds_left=left,
            )
        )
