"""What looks at all rows: searching, summing up, looking for problems, exporting."""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.protocol import (
    ColumnsSummarised,
    Done,
    ExportRows,
    FindProblems,
    FindRows,
    ProblemsFound,
    RowsExported,
    RowsFound,
    SummariseColumns,
)
from workbench.worker.lane import Job, Lane, RefusedError
from workbench.worker.opened import Opened

if TYPE_CHECKING:
    from workbench.data.splits import Division

BLOCK = 1000  # rows that are read together
MOST_COLUMNS = 200  # that are summed up unless they are named


class FindDesk(Lane):
    """Makes views. A lane of its own: one searches while a summary is under way."""

    def __init__(self, opened: Callable[[Hashable], Opened]) -> None:
        super().__init__("finding")
        self.opened = opened
        self.handlers = {FindRows: self.find}

    def find(self, request: FindRows, job: Job) -> None:
        from workbench.data.views import View, find

        opened = self.opened(job.client)
        division = self.sides(request, opened, job)
        if job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return
        members = None
        if request.problem:
            members = opened.problem_rows.get(request.problem)
            if members is None:
                raise RefusedError("Look for problems first; then its rows can be shown.")
        view = View()
        opened.keep(job.id, view)

        def tell(rows: int, scanned: int, total: int) -> None:
            job.tell(
                RowsFound(request=job.id, view=job.id, rows=rows, scanned=scanned, total=total)
            )

        find(
            opened.table,
            division,
            search=request.search,
            where=request.where,
            sort=request.sort,
            descending=request.descending,
            side=request.side,
            problem=members,
            view=view,
            stopped=job.stopped,
            tell=tell,
        )
        count = opened.table.count
        job.tell(
            RowsFound(
                request=job.id,
                view=job.id,
                rows=view.count,
                scanned=count,
                total=count,
                complete=not job.stopped.is_set(),
            )
        )
        job.tell(Done(request=job.id, cancelled=job.stopped.is_set()))

    def sides(self, request: FindRows, opened: Opened, job: Job) -> "Division | None":
        """The sides, waited for only where they are asked for."""
        if request.side in ("all", "broken"):
            return opened.division
        return opened.divided(job.stopped)


class LookDesk(Lane):
    """Summaries, problems and exports, one after the other."""

    def __init__(self, opened: Callable[[Hashable], Opened]) -> None:
        super().__init__("looking")
        self.opened = opened
        self.handlers = {
            SummariseColumns: self.summarise,
            FindProblems: self.problems,
            ExportRows: self.export,
        }

    def whole(self, job: Job) -> Opened | None:
        """The client's dataset once it is read to the end; None where that was given up."""
        opened = self.opened(job.client)
        if not opened.ready.is_set():
            job.progress("waiting until the dataset is read")
        opened.divided(job.stopped)
        if job.stopped.is_set() or opened.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return None
        return opened

    def summarise(self, request: SummariseColumns, job: Job) -> None:
        import time

        import numpy

        from workbench.data.summary import summarise

        opened = self.opened(job.client)
        if not opened.read.is_set():
            job.progress("waiting until the dataset is read")
        if not opened.wait_until_read(job.stopped):  # which side a row is on does not matter
            job.tell(Done(request=job.id, cancelled=True))
            return
        began = time.monotonic()
        every = [column.name for column in opened.table.columns]
        names = request.columns or every[:MOST_COLUMNS]
        numbers = None
        if request.view:
            view = opened.view(request.view)
            numbers = numpy.sort(view.numbers(0, view.count))
        found = summarise(
            opened.table,
            numbers,
            names,
            job.stopped,
            lambda done, total: job.progress("summing up the columns", done, total, "rows"),
        )
        rows = opened.table.count if numbers is None else len(numbers)
        job.tell(
            ColumnsSummarised(
                request=job.id,
                rows=rows,
                columns=found,
                left_out=len(every) - len(names) if not request.columns else 0,
                seconds=time.monotonic() - began,
                view=request.view,
            )
        )

    def problems(self, _request: FindProblems, job: Job) -> None:
        import time

        from workbench.data.problems import find_problems

        if (opened := self.whole(job)) is None:
            return
        assert opened.division is not None
        began = time.monotonic()
        problems, rows, notes = find_problems(
            opened.source, opened.division, opened.found, job.stopped, job.progress
        )
        opened.problem_rows = rows
        job.tell(
            ProblemsFound(
                request=job.id,
                problems=problems,
                rows=opened.table.count,
                seconds=time.monotonic() - began,
                notes=notes,
            )
        )

    def export(self, request: ExportRows, job: Job) -> None:
        from workbench.data.export import export

        if (opened := self.whole(job)) is None:
            return
        path = Path(request.folder) / Path(request.path).expanduser()
        if belongs_to(path, opened.folder, opened.request.dataset.source):
            raise RefusedError(
                f"{path} belongs to the dataset itself, which is never changed; choose another "
                "place."
            )
        count = opened.count(request.view)
        rows = self.shaped(request, opened)
        written, size = export(
            rows,
            path,
            overwrite=request.overwrite,
            total=count,
            stopped=job.stopped,
            report=job.progress,
        )
        job.tell(RowsExported(request=job.id, path=str(path), rows=written, bytes=size))

    def shaped(self, request: ExportRows, opened: Opened) -> Iterator[dict[str, Any]]:
        """The view's rows as they are to be written; broken ones have nothing to write."""
        from workbench.data.formats import as_roles, filled, recognise_table
        from workbench.data.prompting import PromptError

        found = opened.found
        if request.what != "rows":
            found = recognise_table(opened.table, request.dataset, request.prompt)
            if found.problem:
                raise RefusedError(found.problem)
        for start in range(0, opened.count(request.view), BLOCK):
            numbers = opened.numbers(request.view, start, start + BLOCK)
            for number, record in zip(numbers, opened.table.take(numbers), strict=True):
                if not isinstance(record, dict):
                    continue
                try:
                    if request.what == "roles":
                        yield as_roles(found, record)
                    elif request.what == "filled":
                        yield filled(found, request.prompt, record)
                    else:
                        yield record
                except PromptError as error:
                    raise RefusedError(f"Row {number + 1:,}: {error}") from error


def belongs_to(path: Path, folder: Path, source: str) -> bool:
    """Whether a file is one of a source's, or would become one."""
    import glob

    place = folder / Path(source).expanduser()
    target = path.resolve()
    if place.exists():
        found = place.resolve()
        return found == target or (found.is_dir() and found in target.parents)
    return glob.has_magic(source) and target in {
        Path(name).resolve() for name in glob.glob(str(place), recursive=True)
    }
