"""Shows what the trainer gets of a row, and how long rows are in tokens."""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from workbench.protocol import (
    Done,
    FormatFound,
    InspectTokens,
    LengthsMeasured,
    MeasureLengths,
    RolesShown,
    ShowRoles,
    TokensInspected,
    Values,
)
from workbench.session import TrainingSettings
from workbench.worker.lane import Job, RefusedError
from workbench.worker.opened import Opened
from workbench.worker.shelf import Shelf
from workbench.worker.tokenizer_lane import LatestLane, TokenizerLane


class TokenDesk(LatestLane):
    """Shows what the trainer gets from a row."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__("tokens")
        self.shelf, self.opened = shelf, shelf.opened
        self.handlers = {InspectTokens: self.inspect, ShowRoles: self.roles}

    def roles(self, request: ShowRoles, job: Job) -> None:
        from workbench.data.formats import as_roles
        from workbench.data.prompting import PromptError

        found = format_of(self.opened, job, request)
        row: Values = {}
        problem = found.problem
        if not problem:
            try:
                row = as_roles(found, request.values)
            except PromptError as error:
                problem = str(error)
        job.tell(RolesShown(request=job.id, found=found, row=row, problem=problem))

    def inspect(self, request: InspectTokens, job: Job) -> None:
        from msgspec.structs import replace

        from workbench.data.reading import encoder_of, to_its_end
        from workbench.data.tokens import inspect

        found = usable(format_of(self.opened, job, request))
        tokenizer, limit = self.tokenizer(request.model, Path(request.folder), job)
        training = to_its_end(within(request.training, limit), found, self.reads("auto"))
        encoder = encoder_of(
            tokenizer,
            request.prompt,
            found,
            training,
            drawn(self.shelf, job, request),
            self.reads(training.task),
        )
        seen: TokensInspected = inspect(tokenizer, encoder, request.values)
        job.tell(replace(seen, request=job.id))


class LengthDesk(TokenizerLane):
    """Counts the tokens of many rows."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__("lengths")
        self.shelf, self.opened = shelf, shelf.opened
        self.handlers = {MeasureLengths: self.measure}

    def measure(self, request: MeasureLengths, job: Job) -> None:
        import numpy
        from msgspec.structs import replace

        from workbench.data.lengths import measure
        from workbench.data.reading import to_its_end
        from workbench.data.sources import Selection

        opened = self.opened(job.client)
        job.progress("waiting until the dataset is read")
        division = opened.divided(job.stopped)
        if division is None or job.stopped.is_set():
            job.tell(Done(request=job.id, cancelled=True))
            return
        found = usable(format_of(self.opened, job, request))
        tokenizer, limit = self.tokenizer(request.model, Path(request.folder), job)
        numbers = division.train
        if request.view >= 0:
            numbers = numpy.asarray(
                opened.numbers(request.view, 0, opened.count(request.view)), dtype=numpy.int64
            )
        rows = Selection(opened.table, numbers)
        made: LengthsMeasured = measure(
            tokenizer,
            request.prompt,
            found,
            to_its_end(within(request.training, limit), found, self.reads("auto")),
            rows,
            request.rows,
            job.stopped,
            job.progress,
            drawn(self.shelf, job, request),
            self.reads(request.training.task),
        )
        job.tell(replace(made, request=job.id))


def drawn(shelf: Shelf, job: Job, request: InspectTokens | MeasureLengths) -> Any:
    """What draws the examples that stand before a row, for an Encoder; None: there are none."""
    if not request.prompt.examples.wanted:
        return None
    shots = shelf.shots(job, request.prompt, request.dataset, request.folder)
    assert shots is not None
    return lambda values: [row for _, row in shots.for_row(values, -1)]


def format_of(
    opened: Callable[[Hashable], Opened],
    job: Job,
    request: InspectTokens | MeasureLengths | ShowRoles,
) -> FormatFound:
    """What the dataset's rows are taken for, with the wording and mapping of the request."""
    from workbench.data.formats import recognise_table

    return recognise_table(opened(job.client).table, request.dataset, request.prompt)


def usable(found: FormatFound) -> FormatFound:
    """The format, where its mapping fits.

    Raises:
        RefusedError: where it does not.
    """
    if found.problem:
        raise RefusedError(found.problem)
    return found


def within(training: TrainingSettings, limit: int) -> TrainingSettings:
    """No longer than the model's context, as the trainer does."""
    from msgspec.structs import replace

    return replace(training, max_length=min(training.max_length, limit))
