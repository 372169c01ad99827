"""Says what a run will take: beside whatever is under way, from a tokenizer and an outline of the
model."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.protocol import Done, PlanTraining, TrainingPlanned
from workbench.text import one_line
from workbench.worker.imports import imported
from workbench.worker.lane import Job
from workbench.worker.shelf import GivenUpError, Shelf
from workbench.worker.tokenizer_lane import LatestLane

if TYPE_CHECKING:
    from workbench.training.plan import Planner


class PlanDesk(LatestLane):
    """`held` tells the bytes of a model in memory that a run would not need beside its own."""

    def __init__(self, shelf: Shelf, held: Callable[[], int]) -> None:
        super().__init__("plans")
        self.shelf, self.held = shelf, held
        self.planner: Planner | None = None
        self.handlers = {PlanTraining: self.plan}

    def plan(self, request: PlanTraining, job: Job) -> None:
        from pathlib import Path

        from msgspec.structs import replace

        imported("workbench.training.plan")
        from workbench.training.errors import StopRequested
        from workbench.training.plan import Planner

        self.planner = self.planner or Planner()
        session = replace(request.session, model=replace(request.session.model, adapter=""))
        try:
            data = self.shelf.dataset(job, session.dataset, request.folder)
            plan, made = self.planner.plan(
                session, data, Path(request.folder), job.progress, job.stopped, self.held()
            )
        except (GivenUpError, StopRequested):
            job.tell(Done(request=job.id, cancelled=True))
            return
        # As the person has it but for what was chosen: the adapter of the session is no part of it.
        made = replace(made, model=request.session.model)
        if adapter := request.session.model.adapter:
            words = (
                f"The run begins from the base model, without what {one_line(adapter, 60)} learnt; "
                "to build on that, export it merged and set model.name to the folder."
            )
            plan = replace(plan, advice=[*plan.advice, words])
        job.tell(TrainingPlanned(request=job.id, plan=plan, session=made))
