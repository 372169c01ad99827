"""What a search has found is told, whatever happens to the measurement that comes after it."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.work import rows
from workbench.inference.errors import ModelError
from workbench.protocol import Optimize, Optimized
from workbench.searching.objective import Found
from workbench.session import Session
from workbench.worker.lane import Job
from workbench.worker.searching import Searching


class Bench:
    """Measures nothing: it does what the test says instead."""

    def __init__(self, instead: Callable[[Job], None]) -> None:
        self.instead = instead

    def measure(self, request: Any, job: Job, data: Any) -> list[Any]:
        self.instead(job)
        return []


class Ready(Searching):
    """Its search is over: the second wording is better."""

    def search(self, data: Any, answerer: Any, evaluation: Any) -> Found:
        best = replace(self.start, template="Better: {{ text }}")
        return Found(
            prompt=best,
            start=self.start,
            value=0.8,
            start_value=0.5,
            rows=20,
            tried=[],
            spent=40,
            words="It went from 50 to 80 %.",
        )


def stop(job: Job) -> None:
    job.stopped.set()


def fail(_job: Job) -> None:
    raise ModelError("The server is down; start it and ask again.")


@pytest.mark.parametrize(
    ("instead", "said"),
    [(stop, "Stopped before it was measured"), (fail, "The server is down")],
    ids=["stopped", "failed"],
)
def test_the_best_is_told_where_its_measurement_does_not_come_to_an_end(
    session: Session, instead: Callable[[Job], None], said: str
) -> None:
    told: list[Any] = []
    request = Optimize(session=session, session_path="", folder="")
    job = Job(request, told.append)
    searching = Ready(Bench(instead), request, job, None, lambda _model: ("base", None))  # type: ignore[arg-type]
    searching.run(rows())
    (result,) = [one for one in told if isinstance(one, Optimized)]
    assert result.prompt.template == "Better: {{ text }}"
    assert result.held_out is None
    assert said in result.words
