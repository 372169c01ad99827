"""Warns where rows that are measured are among those that the adapter was tuned on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from workbench.protocol import Evaluate, Values, Weights
from workbench.session import EvaluationSettings, Session, SessionError, load
from workbench.worker.lane import Job

if TYPE_CHECKING:
    from workbench.data.selection import Selection

MOST_ROWS = 200_000  # of those tuned on that are looked at


def tuning_notes(
    request: Evaluate, rows: "Selection", weights: Weights, adapter: str, job: Job
) -> list[str]:
    """A sentence where the adapter's run trained on some of the rows; nothing where it is not
    known what it was trained on. A run on the same dataset with the same split has seen none: the
    sides are told apart by content."""
    if weights != "tuned" or not adapter:
        return []
    run = run_of(Path(request.folder), adapter)
    same = run is not None and run.dataset == request.dataset and not request.numbers
    if run is None or same:
        return []
    from workbench.catalogue import SourceError
    from workbench.measuring.overlap import tuning_overlap

    count = len(request.numbers) or request.evaluation.rows
    numbers = [int(number) for number in rows.numbers[:count]]
    measured = list(zip(numbers, rows[:count], strict=True))
    try:
        return tuning_overlap(request.prompt, measured, tuned_on(run, request.folder, job))
    except SourceError as error:
        return [f"What the adapter was tuned on cannot be looked at: {error}"]


def learnt_from(request: Evaluate) -> EvaluationSettings:
    """How answers are measured: where no metric is asked for, those of a run that learnt from a
    reward model by what that model gives them."""
    asked, adapter = request.evaluation, request.model.adapter
    run = run_of(Path(request.folder), adapter) if adapter and not asked.metrics else None
    if run is None or run.training.task != "grpo":
        return asked
    name = run.training.reinforcement.reward_model.strip()
    if not name:
        return asked
    return replace(asked, metrics=["reward"], reward_model=name)


def run_of(folder: Path, adapter: str) -> Session | None:
    """The session of the run that made an adapter; None where it is no run's."""
    for path in (folder / "runs" / adapter, *(folder / Path(adapter).expanduser()).parents):
        if (path / "session.toml").exists():
            try:
                return load(path / "session.toml")
            except SessionError:
                return None
    return None


def tuned_on(run: Session, folder: str, job: Job) -> Iterator[Values]:
    """The rows that a run trained on, or the first of them."""
    from workbench.data.sources import open_dataset
    from workbench.training.examples import choose_rows

    train = open_dataset(run.dataset, Path(folder), job.progress, job.stopped).train
    chosen = choose_rows(len(train), run.training.rows, run.training.seed)[:MOST_ROWS]
    for done, index in enumerate(sorted(chosen)):
        if done % 1000 == 0:
            job.progress("looking for rows tuned on", done, len(chosen), "rows")
        yield train[index]
