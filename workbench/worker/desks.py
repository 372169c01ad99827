"""Looking at data and at prompts: lanes of their own, so that neither waits for the model."""

import queue
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.protocol import (
    DatasetOpened,
    Done,
    OpenDataset,
    PromptRendered,
    ReadRow,
    ReadRows,
    RenderPrompt,
    Row,
    Rows,
)
from workbench.session import ModelSettings
from workbench.text import one_line
from workbench.worker.lane import Job, Lane, RefusedError

if TYPE_CHECKING:
    from workbench.data.sources import Dataset


def cell(value: Any, width: int) -> str:
    """A value as a table shows it: on one line, cut to `width` characters."""
    if isinstance(value, str):
        return one_line(value, width)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else one_line(str(value), width)


class DataDesk(Lane):
    """Opens the dataset and reads rows from it."""

    def __init__(self) -> None:
        super().__init__("data")
        self.dataset: Dataset | None = None
        self.handlers = {OpenDataset: self.open, ReadRows: self.rows, ReadRow: self.row}

    def open(self, request: OpenDataset, job: Job) -> None:
        from workbench.data.sources import open_dataset

        job.progress("Opening the dataset")
        self.dataset = None
        self.dataset = data = open_dataset(request.dataset, Path(request.folder), job.progress)
        job.tell(
            DatasetOpened(
                request=job.id,
                description=data.description,
                columns=data.columns,
                types=data.types,
                rows=len(data.train),
                evaluation_rows=len(data.evaluation) if data.evaluation is not None else 0,
                evaluation=data.evaluation_description,
                fingerprint=data.fingerprint,
            )
        )

    def opened(self) -> "Dataset":
        if self.dataset is None:
            raise RefusedError("No dataset is open.")
        return self.dataset

    def rows(self, request: ReadRows, job: Job) -> None:
        from workbench.data.sources import plain_values

        data = self.opened()
        start = max(0, min(request.start, len(data.train)))
        stop = max(start, min(request.stop, len(data.train)))
        batch = data.train[start:stop]  # column → list
        columns = [
            [cell(plain_values({name: value})[name], request.width) for value in batch[name]]
            for name in data.columns
        ]
        rows = [list(row) for row in zip(*columns, strict=True)]
        job.tell(Rows(request=job.id, start=start, cells=rows))

    def row(self, request: ReadRow, job: Job) -> None:
        from workbench.data.sources import plain_values

        data = self.opened()
        if not 0 <= request.index < len(data.train):
            raise RefusedError(
                f"There is no row {request.index + 1:,}: the dataset has {len(data.train):,}."
            )
        job.tell(
            Row(request=job.id, index=request.index, values=plain_values(data.train[request.index]))
        )


class PromptDesk(Lane):
    """Shows what the model gets. It has a tokenizer of its own: the model's may be in use."""

    def __init__(self) -> None:
        super().__init__("prompts")
        self.handlers = {RenderPrompt: self.render}
        # Settings without adapter, tokenizer, tokens that the model can attend to.
        self.loaded: tuple[ModelSettings, Any, int] | None = None

    def work(self, job: Job) -> None:
        """Only the latest of several that wait is worth the work: one types faster than this."""
        while True:
            try:
                later = self.queue.get_nowait()
            except queue.Empty:
                break
            if later is None:
                self.queue.put(None)
                break
            job.tell(Done(request=job.id, cancelled=True))
            job = later
        super().work(job)

    def load(self, model: ModelSettings, folder: Path, job: Job) -> tuple[Any, int]:
        from workbench.inference.locate import locate
        from workbench.inference.model import context_length, read_config
        from workbench.inference.tokenizer import load_tokenizer

        tokenizer = load_tokenizer(model, folder, job.progress)
        path = locate(model, folder, job.progress, weights=False)
        return tokenizer, context_length(read_config(model, path), tokenizer)

    def render(self, request: RenderPrompt, job: Job) -> None:
        from msgspec.structs import replace

        from workbench.data import prompting

        # The template is checked first: that needs no tokenizer, and is quick.
        prompting.messages(request.prompt, request.values)
        answer = prompting.answer(request.prompt, request.values)

        wanted = replace(request.model, adapter="")
        if self.loaded is None or self.loaded[0] != wanted:
            self.loaded = wanted, *self.load(wanted, Path(request.folder), job)
        _, tokenizer, limit = self.loaded
        ids = prompting.encode_prompt(tokenizer, request.prompt, request.values)
        notes = [] if tokenizer.chat_template else ["The model has no chat template: plain text."]
        job.tell(
            PromptRendered(
                request=job.id,
                text=tokenizer.decode(ids, skip_special_tokens=False),
                token_count=len(ids),
                context_length=limit,
                tokens=[tokenizer.decode([one], skip_special_tokens=False) for one in ids[:20_000]],
                ids=ids[:20_000],
                answer=answer,
                notes=notes,
            )
        )
