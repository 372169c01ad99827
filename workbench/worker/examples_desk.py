"""Shows which rows a prompt's examples are, before they are kept."""

from workbench.protocol import ChooseExamples, ExamplesChosen
from workbench.worker.lane import Job
from workbench.worker.shelf import Shelf
from workbench.worker.tokenizer_lane import LatestLane


class ExamplesDesk(LatestLane):
    def __init__(self, shelf: Shelf) -> None:
        super().__init__("examples")
        self.shelf = shelf
        self.handlers = {ChooseExamples: self.choose}

    def choose(self, request: ChooseExamples, job: Job) -> None:
        from workbench.data.splits import row_key

        shots = self.shelf.shots(job, request.prompt, request.dataset, request.folder)
        if shots is None:
            job.tell(ExamplesChosen(request=job.id, numbers=[], keys=[], rows=[], answers=[]))
            return
        chosen = shots.shots_for(request.values, request.number)
        job.tell(
            ExamplesChosen(
                request=job.id,
                numbers=[shot.number for shot in chosen],
                keys=[row_key(shot.number, shot.values) for shot in chosen],
                rows=[shot.values for shot in chosen],
                answers=[shot.answer for shot in chosen],
                words=shots.describe(),
            )
        )
