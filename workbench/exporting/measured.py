"""What was measured of a run's model beside its base, as its card tells it.

Reads the workspace's results; writes nothing there.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import runs
from workbench.exporting.trained import Trained
from workbench.text import one_line

if TYPE_CHECKING:
    from workbench.measuring.store import Measurement, Results

LOOKED_AT = 60  # of the latest figures of the session


def measured(trained: Trained) -> Sequence[str]:
    """The latest comparison of base and tuned on the same rows; none where there is none."""
    session_path = str(trained.environment.get("session") or "")
    if not session_path or not (trained.workspace / "results" / "results.sqlite").is_file():
        return ()
    from workbench.measuring.comparison import compare
    from workbench.measuring.database import ResultsError
    from workbench.measuring.store import Results

    with suppress(ResultsError, OSError):
        results = Results(trained.workspace)
        try:
            pair = latest_pair(results, session_path, trained)
            if pair is None:
                return ()
            found = compare(*pair)
            return (
                f"The model it was made from and this one, on the same {found.rows:,} rows, which "
                f"were not trained on ({found.metric}):",
                f"| | {one_line(found.metric)} |\n| --- | --- |\n"
                f"| base | {found.value_a:.4f} |\n| tuned | {found.value_b:.4f} |\n"
                f"| difference | {found.difference:+.4f}, 95 % interval {found.low:+.4f} to "
                f"{found.high:+.4f}, p = {found.p_value:.3g} ({one_line(found.test)}) |",
            )
        finally:
            results.close()
    return ()


def latest_pair(
    results: "Results", session_path: str, trained: Trained
) -> "tuple[Measurement, Measurement] | None":
    """The latest finished measurement of the tuned weights, and that of the base on its rows."""
    figures = [
        figure
        for version in results.versions(Path(session_path))
        for figure in version.figures
        if figure.complete and figure.model == trained.session.model.name
    ]
    figures.sort(key=lambda one: -one.time)
    for figure in figures[:LOOKED_AT]:
        if figure.weights != "tuned":
            continue
        tuned = results.measurement(figure.measurement)
        if tuned.about.adapter not in (trained.name, str(trained.folder)):
            continue
        if not of_its_weights(tuned, trained):
            continue
        for other in figures[:LOOKED_AT]:
            if other.weights == "base" and other.metric == figure.metric:
                base = results.measurement(other.measurement)
                if same_rows(base, tuned):
                    return base, tuned
    return None


def of_its_weights(tuned: "Measurement", trained: Trained) -> bool:
    """Whether the weights of this checkpoint were measured: at its step while the run trained, or
    after it, when they are those of its best checkpoint, else of its last."""
    if tuned.about.step >= 0:
        return tuned.about.step == trained.step
    best = runs.best_checkpoint(trained.folder)
    last = max((step for step, _ in runs.finished_checkpoints(trained.folder)), default=-1)
    moved = ("checkpoint", "best", "resumed")
    times = (float(one.get("time") or 0) for one in trained.events if one.get("event") in moved)
    meant = best[0] if best else last
    return meant == trained.step and tuned.begun >= max(times, default=0.0)


def same_rows(a: "Measurement", b: "Measurement") -> bool:
    return {one.reply.number for one in a.rows} == {one.reply.number for one in b.rows} and (
        a.about.prompt == b.about.prompt
    )
