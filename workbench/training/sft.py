"""Supervised fine-tuning: the answers to prompts, learnt from rows.

The loss is on the answers only: of a prompt and its completion on the completion, of a conversation
on what the assistant says in it.
"""

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace
from transformers import TrainingArguments

from workbench.catalogue import Report
from workbench.data.examples import Encoder
from workbench.data.examples import Examples as RowsBefore
from workbench.data.formats import recognise_table
from workbench.data.prompting import PromptError
from workbench.data.sources import Dataset
from workbench.inference.model import LoadedModel
from workbench.protocol import FormatFound
from workbench.session import Session
from workbench.training.completion import CompletionTrainer
from workbench.training.errors import TrainingError
from workbench.training.examples import Examples, choose_rows, prepare_examples
from workbench.training.measured import Measured
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder


@dataclass(frozen=True)
class Drawing:
    """How a prompt's examples are drawn: names of encoders start in `folder`, the workspace."""

    folder: Path = Path()
    report: Report = lambda _what, _done, _total, _unit: None


class SupervisedFineTuning(Recipe):
    task = "sft"

    def prepare(self) -> None:
        self.examples, self.evaluation = prepare(self)

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> CompletionTrainer:
        return CompletionTrainer(self, args, recorder)

    @cached_property
    def measured(self) -> Measured:
        return Measured(self)

    def measure(self) -> dict[str, float]:
        return self.measured.figures()


def prepare(recipe: Recipe) -> tuple[Examples, Examples]:
    """The rows to train on and those for the evaluation loss, as token ids.

    Raises:
        TrainingError: when there is nothing to learn from; the text says what to set.
        StopRequested: when it was asked for.
    """
    work, settings = recipe.work, recipe.settings
    data, loaded = work.data, work.loaded
    if not len(data.train):
        raise TrainingError("There are no rows to train on; choose another dataset.split.")
    longest = min(settings.max_length, loaded.context_length)

    def report(what: str, done: float, total: float, _unit: str) -> None:
        work.pause(what, int(done), int(total))

    encoder = encoder_for(loaded, data, work.session, longest, Drawing(work.folder, report))
    chosen = choose_rows(len(data.train), settings.rows, settings.seed)

    def pause(done: int) -> None:
        work.pause("preparing", done, len(chosen))

    examples = prepare_examples(data.train, chosen, encoder, pause=pause)
    if not len(examples):
        if examples.silent == len(chosen):
            raise TrainingError(
                f"None of {len(chosen):,} rows has an answer to learn: the loss is on what the "
                "assistant says, and it says nothing in them; correct the rows or the columns in "
                "dataset.mapping."
            )
        raise TrainingError(
            f"Of all {len(chosen)} rows nothing is left to learn within {longest} tokens; "
            "raise training.max_length or shorten the prompt."
        )
    evaluation = Examples()
    if data.evaluation is not None and settings.evaluation_rows:
        count = min(settings.evaluation_rows, len(data.evaluation))
        evaluation = prepare_examples(data.evaluation, range(count), encoder, pause=pause)
    return examples, evaluation


def encoder_for(
    loaded: LoadedModel,
    data: Dataset,
    session: Session,
    max_length: int,
    drawing: Drawing | None = None,
) -> Encoder:
    """What makes examples of the dataset's rows, as the dataset pane shows them.

    Raises:
        TrainingError: when the session's format or mapping does not fit, or says no answer.
    """
    found = recognise_table(data.train.table, session.dataset, session.prompt())
    if found.problem:
        raise TrainingError(found.problem)
    settings = replace(session.training, max_length=max_length)
    try:
        shown = examples_of(data, session, found, drawing or Drawing())
        return Encoder(loaded.tokenizer, session.prompt(), found, settings, shown)
    except PromptError as error:
        raise TrainingError(str(error)) from error


def examples_of(
    data: Dataset, session: Session, found: FormatFound, drawing: Drawing
) -> RowsBefore | None:
    """Which rows stand before a row as the prompt's examples; None where it has none."""
    prompt = session.prompt()
    if not prompt.examples.wanted:
        return None
    from workbench.prompting.shots import Shots

    shots = Shots(prompt, found, data.train, drawing.folder, drawing.report, threading.Event())
    return lambda values: [row for _, row in shots.for_row(values, -1)]
