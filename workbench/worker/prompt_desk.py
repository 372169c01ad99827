"""Shows what a model gets of a prompt, and what could be worded better."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from workbench.protocol import (
    Advice,
    Failed,
    FormatFound,
    PromptRendered,
    RenderPrompt,
    Values,
)
from workbench.session import DatasetSettings, Prompt, TrainingSettings
from workbench.worker.lane import Job
from workbench.worker.shelf import Shelf
from workbench.worker.tokenizer_lane import LatestLane

MOST_TOKENS = 20_000  # told of one text


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
        reads = self.reads("auto")
        ids = prompt_tokens(tokenizer, request, examples, reads)
        notes = [] if tokenizer.chat_template else ["The model has no chat template: plain text."]
        if reads:
            notes = ["The model is an encoder: it reads the text as it is."]
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
            parts={} if reads else parts_of(tokenizer, request, examples, len(ids)),
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


def found_of(request: Any) -> FormatFound:
    """What the row of a RenderPrompt or a Generate is taken for."""
    from workbench.data.formats import WORDING

    if not is_native(request):
        return WORDING
    return found_in_row(request.values, request.dataset, request.prompt)


def prompt_tokens(
    tokenizer: Any, request: Any, examples: Sequence[Values] = (), reads: bool = False
) -> list[int]:
    """What the model gets for a RenderPrompt or a Generate: of the wording, or of the row itself
    where there is none. `reads`: it reads a text as it is."""
    from workbench.data import prompting

    if reads:
        from workbench.data.reading import Reading

        encoder = Reading(tokenizer, request.prompt, found_of(request), TrainingSettings())
        return encoder.whole(encoder.said(request.values)[0]).input_ids
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
