"""Shows what a model gets: of a prompt, of a row to learn from, and how long rows are in tokens."""

import queue
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from workbench.protocol import (
    Advice,
    Done,
    Failed,
    FormatFound,
    InspectTokens,
    LengthsMeasured,
    MeasureLengths,
    PromptRendered,
    RenderPrompt,
    RolesShown,
    ShowRoles,
    TokensInspected,
    Values,
)
from workbench.session import DatasetSettings, ModelSettings, Prompt, TrainingSettings
from workbench.worker.lane import Job, Lane, RefusedError
from workbench.worker.opened import Opened
from workbench.worker.shelf import Shelf, has_examples

MOST_TOKENS = 20_000  # told of one text


class TokenizerLane(Lane):
    """A lane with a tokenizer of its own: the model's may be in use."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # Settings without adapter, tokenizer, tokens that the model can attend to.
        self.loaded: tuple[ModelSettings, Any, int] | None = None

    def tokenizer(self, model: ModelSettings, folder: Path, job: Job) -> tuple[Any, int]:
        from msgspec.structs import replace

        from workbench.inference.locate import locate
        from workbench.inference.model import context_length, read_config
        from workbench.inference.tokenizer import load_tokenizer

        wanted = replace(model, adapter="")
        if self.loaded is None or self.loaded[0] != wanted:
            tokenizer = load_tokenizer(wanted, folder, job.progress)
            path = locate(wanted, folder, job.progress, weights=False)
            self.loaded = wanted, tokenizer, context_length(read_config(wanted, path), tokenizer)
        return self.loaded[1], self.loaded[2]


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


def found_in_row(values: Values, dataset: DatasetSettings, prompt: Prompt) -> FormatFound:
    """What a row is taken for, by itself."""
    from workbench.data.formats import recognise
    from workbench.data.sources import memory_table

    return recognise(memory_table([values]).columns, [values], dataset, prompt)


class PromptDesk(LatestLane):
    """Fills the prompt of a row, counts its tokens and looks for what could be worded better."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__("prompts")
        self.shelf = shelf
        self.handlers = {RenderPrompt: self.render}

    def render(self, request: RenderPrompt, job: Job) -> None:
        from workbench.data.prompting import PromptError

        try:
            self.fill(request, job)
        except PromptError as error:
            advice = self.advice(request, [])
            placed = [one.words for one in advice if one.kind == "syntax"]
            message = f"{placed[0]} {advice[0].why}" if placed else str(error)
            job.tell(Failed(request=job.id, message=message, advice=advice))

    def fill(self, request: RenderPrompt, job: Job) -> None:
        """
        Raises:
            PromptError: where the prompt cannot be filled.
        """
        from workbench.data import prompting

        native = is_native(request)
        answer = ""
        if not native:
            # The template is checked first: that needs no tokenizer, and is quick.
            prompting.messages(request.prompt, request.values)
            answer = prompting.answer(request.prompt, request.values)
        chosen = [] if native else self.examples(request, job)
        examples = [values for _, values in chosen]
        if native:
            answer = answer_of(request)
        told = self.on_server if request.model.url else self.here
        rendered = told(request, job, examples)
        job.tell(
            msgspec.structs.replace(
                rendered, request=job.id, answer=answer, examples=[number for number, _ in chosen]
            )
        )

    def examples(self, request: RenderPrompt, job: Job) -> list[tuple[int, Values]]:
        return self.shelf.examples(request, job)

    def on_server(
        self, request: RenderPrompt, _job: Job, examples: Sequence[Values]
    ) -> PromptRendered:
        """What a server gets: its tokens are its own affair."""
        turns = turns_of_request(request, examples)
        written = [f"[{turn['role']}]\n{turn['content']}" for turn in turns]
        if request.prompt.answer_start:
            written.append(f"[assistant]\n{request.prompt.answer_start}")
        return PromptRendered(
            text="\n\n".join(written),
            token_count=-1,
            context_length=0,
            notes=["The server puts the turns into its model's own words and counts the tokens."],
            advice=self.advice(request, examples),
        )

    def here(self, request: RenderPrompt, job: Job, examples: Sequence[Values]) -> PromptRendered:
        tokenizer, limit = self.tokenizer(request.model, Path(request.folder), job)
        ids = prompt_tokens(tokenizer, request, examples)
        notes = [] if tokenizer.chat_template else ["The model has no chat template: plain text."]
        return PromptRendered(
            text=tokenizer.decode(ids, skip_special_tokens=False),
            token_count=len(ids),
            context_length=limit,
            tokens=[
                tokenizer.decode([one], skip_special_tokens=False) for one in ids[:MOST_TOKENS]
            ],
            ids=ids[:MOST_TOKENS],
            notes=notes,
            advice=self.advice(request, examples, tokenizer, limit, len(ids)),
            parts=parts_of(tokenizer, request, examples, len(ids)),
        )

    @staticmethod
    def advice(
        request: RenderPrompt,
        examples: Sequence[Values],
        tokenizer: Any = None,
        limit: int = 0,
        count: int = 0,
    ) -> list[Advice]:
        from workbench.data import prompting
        from workbench.prompting.advice import advise

        if is_native(request):
            return []
        return advise(
            request.prompt,
            columns=list(request.values),
            values=request.values,
            labels=request.labels,
            tokenizer=tokenizer,
            context_length=limit,
            max_new_tokens=request.generation.max_new_tokens,
            prompt_tokens=count,
            example_answers=[prompting.answer(request.prompt, one) for one in examples],
        )


def is_native(request: Any) -> bool:
    """Whether the row itself is the prompt: the pane has no wording for it."""
    return not request.prompt.template.strip() and bool(request.dataset and request.values)


def turns_of_request(request: Any, examples: Sequence[Values] = ()) -> list[dict[str, Any]]:
    """The turns of a RenderPrompt or a Generate: of the wording, or of the row itself."""
    from workbench.data import prompting
    from workbench.data.examples import prompt_turns

    if not is_native(request):
        return list(prompting.messages(request.prompt, request.values, examples))
    found = found_in_row(request.values, request.dataset, request.prompt)
    return list(prompt_turns(request.prompt, found, request.values))


def prompt_tokens(tokenizer: Any, request: Any, examples: Sequence[Values] = ()) -> list[int]:
    """What the model gets for a RenderPrompt or a Generate: of the wording, or of the row itself
    where there is none."""
    from workbench.data import prompting

    if not is_native(request):
        return prompting.encode_prompt(tokenizer, request.prompt, request.values, examples)
    from workbench.data.examples import prompt_ids

    found = found_in_row(request.values, request.dataset, request.prompt)
    return prompt_ids(tokenizer, request.prompt, found, request.values)


def parts_of(
    tokenizer: Any, request: RenderPrompt, examples: Sequence[Values], total: int
) -> dict[str, int]:
    """Tokens of each part of the wording by itself, and in "frame" of what the model's chat
    template writes around them."""
    from workbench.data import prompting

    if is_native(request):
        return {}
    prompt, values = request.prompt, request.values
    turns = prompting.messages(prompt, values, examples)
    system = turns[:1] if turns[0]["role"] == "system" else []
    typed = len(system) + len(prompt.turns)
    texts = {
        "system": [turn["content"] for turn in system],
        "turns": [turn["content"] for turn in turns[len(system) : typed]],
        "examples": [turn["content"] for turn in turns[typed:-1]],
        "template": [turns[-1]["content"]],
        "answer start": [prompt.answer_start] if prompt.answer_start else [],
    }
    counts = {
        name: sum(len(ids) for ids in tokenizer(there, add_special_tokens=False)["input_ids"])
        for name, there in texts.items()
        if there
    }
    frame = total - sum(counts.values())
    return {**counts, "frame": frame} if frame > 0 else counts


def answer_of(request: RenderPrompt) -> str:
    """The right answer of a row that is its own prompt; empty where it has none."""
    from workbench.data.examples import expected_answer
    from workbench.data.prompting import PromptError

    assert request.dataset is not None
    found = found_in_row(request.values, request.dataset, request.prompt)
    try:
        return expected_answer(request.prompt, found, request.values)
    except PromptError:
        return ""


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

        from workbench.data.examples import Encoder
        from workbench.data.tokens import inspect

        found = usable(format_of(self.opened, job, request))
        tokenizer, limit = self.tokenizer(request.model, Path(request.folder), job)
        training = within(request.training, limit)
        encoder = Encoder(
            tokenizer, request.prompt, found, training, drawn(self.shelf, job, request)
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
            within(request.training, limit),
            rows,
            request.rows,
            job.stopped,
            job.progress,
            drawn(self.shelf, job, request),
        )
        job.tell(replace(made, request=job.id))


def drawn(shelf: Shelf, job: Job, request: InspectTokens | MeasureLengths) -> Any:
    """What draws the examples that stand before a row, for an Encoder; None: there are none."""
    if not has_examples(request.prompt):
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
