"""Lanes with a tokenizer of their own."""

import queue
from pathlib import Path
from typing import Any

from workbench.protocol import Done
from workbench.session import ModelSettings
from workbench.worker.imports import imported
from workbench.worker.lane import Job, Lane


class TokenizerLane(Lane):
    """A lane with a tokenizer of its own: the model's may be in use."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # Settings without adapter, tokenizer, tokens that the model can attend to, configuration.
        self.loaded: tuple[ModelSettings, Any, int, Any] | None = None

    def tokenizer(self, model: ModelSettings, folder: Path, job: Job) -> tuple[Any, int]:
        from msgspec.structs import replace

        imported("workbench.inference.model", "workbench.inference.tokenizer")
        from workbench.inference.loaded import context_length
        from workbench.inference.locate import locate
        from workbench.inference.model import read_config
        from workbench.inference.tokenizer import load_tokenizer

        wanted = replace(model, adapter="")
        if self.loaded is None or self.loaded[0] != wanted:
            tokenizer = load_tokenizer(wanted, folder, job.progress)
            path = locate(wanted, folder, job.progress, weights=False)
            config = read_config(wanted, path)
            self.loaded = wanted, tokenizer, context_length(config, tokenizer), config
        return self.loaded[1], self.loaded[2]

    def reads(self, task: str) -> bool:
        """Whether the model of that tokenizer reads a row as one text; see `heads.reads_rows`."""
        from workbench.inference.heads import reads_rows

        assert self.loaded is not None
        return reads_rows(task, self.loaded[3])


class LatestLane(TokenizerLane):
    """Of several of a kind that wait only the latest is worth the work: one types faster."""

    def work(self, job: Job) -> None:
        latest = {(type(job.request), job.client): job}
        ended = False
        while True:
            try:
                later = self.queue.get_nowait()
            except queue.Empty:
                break
            if later is None:
                ended = True
                break
            key = (type(later.request), later.client)
            if before := latest.pop(key, None):
                before.tell(Done(request=before.id, cancelled=True))
            latest[key] = later
        if ended:
            self.queue.put(None)
        for one in latest.values():
            super().work(one)
