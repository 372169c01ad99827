"""Datasets and drawn examples that several lanes need, kept while somebody has them open."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import ChooseExamples, Generate, RenderPrompt, Values
from workbench.session import DatasetSettings, Prompt
from workbench.worker.lane import Job, RefusedError
from workbench.worker.opened import Opened

if TYPE_CHECKING:
    from workbench.data.sources import Dataset
    from workbench.prompting.shots import Shots
    from workbench.protocol import FormatFound

Wanted = RenderPrompt | Generate | ChooseExamples
KEPT = 8  # drawn sets of examples


class GivenUpError(Exception):
    """The request was given up while it waited for the dataset."""


class Shelf:
    """`opened` tells what a client has open."""

    def __init__(self, opened: Callable[[Hashable], Opened]) -> None:
        self.opened = opened
        self.lock = threading.Lock()
        self.drawn: OrderedDict[bytes, Shots] = OrderedDict()

    def dataset(self, job: Job, settings: DatasetSettings, folder: str) -> "Dataset":
        """The sides of a dataset: of the one that the client has open, where it is that one.

        Raises:
            SourceError: when it cannot be opened.
            GivenUpError: when the job was given up meanwhile.
        """
        from workbench.data.sources import open_dataset

        opened = self.open_now(job.client)
        if opened and opened.request.folder == folder and opened.request.dataset == settings:
            if not opened.ready.is_set():
                job.progress("waiting until the dataset is read")
            found = opened.dataset(job.stopped)
            if found is None:
                raise GivenUpError
            return found
        return open_dataset(settings, Path(folder), job.progress, job.stopped)

    def open_now(self, client: Hashable) -> Opened | None:
        try:
            return self.opened(client)
        except RefusedError:
            return None

    def shots(
        self, job: Job, prompt: Prompt, settings: DatasetSettings, folder: str
    ) -> "Shots | None":
        """What draws the examples of a prompt; None where it has none.

        Raises:
            SourceError, PromptError: when they cannot be drawn.
        """
        if not prompt.examples.wanted:
            return None
        from workbench.data.formats import recognise_table

        data = self.dataset(job, settings, folder)
        found = recognise_table(data.train.table, settings, prompt)
        return self.draw(job, prompt, data, found, folder)

    def draw(
        self, job: Job, prompt: Prompt, data: "Dataset", found: "FormatFound", folder: str
    ) -> "Shots":
        """The same of a dataset at hand."""
        from workbench.prompting.shots import Shots

        told = [prompt.template, prompt.completion, prompt.examples, found, data.fingerprint]
        key = msgspec.json.encode([*told, data.division.settings, folder])
        with self.lock:
            if kept := self.drawn.get(key):
                self.drawn.move_to_end(key)
                kept.report, kept.stopped = job.progress, job.stopped  # whose it is now
                return kept
        made = Shots(prompt, found, data.train, Path(folder), job.progress, job.stopped)
        with self.lock:
            self.drawn[key] = made
            while len(self.drawn) > KEPT:
                self.drawn.popitem(last=False)
        return made

    def examples(self, request: Wanted, job: Job) -> list[tuple[int, Values]]:
        """The rows that stand before a row as examples: their numbers and values.

        Raises:
            RefusedError: where there is no dataset to draw them from.
        """
        if not request.prompt.examples.wanted:
            return []
        if request.dataset is None:
            raise RefusedError("The prompt has examples, and no dataset is open to draw them from.")
        shots = self.shots(job, request.prompt, request.dataset, request.folder)
        return [] if shots is None else list(shots.for_row(request.values, request.number))
