"""Continued pre-training: a model reads texts or a book, and learns every token of them.

Documents stand packed in rows, each by itself: no token attends to another document, and positions
begin anew. Where an architecture would mix them they are padded.
"""

import math
from typing import Any

from msgspec.structs import replace
from transformers import TrainingArguments
from typing_extensions import override

from workbench.data.examples import Encoder
from workbench.data.formats import recognise_table, running_of
from workbench.data.prompting import PromptError
from workbench.data.selection import Selection
from workbench.inference.abilities import abilities
from workbench.training.collator import LeftCollator
from workbench.training.completion import CompletionTrainer
from workbench.training.documents import Pieces, prepare_documents, stretch_of_rows
from workbench.training.errors import TrainingError
from workbench.training.examples import choose_rows
from workbench.training.flat_attention import flat_works
from workbench.training.packed import PackedExamples, collator_for, packs_exactly
from workbench.training.recipe import Recipe
from workbench.training.recorder import Recorder

MOST = 700.0  # beyond it the exponential is no finite number
FEWEST = 4  # pieces of which some can be held out


class Pretraining(Recipe):
    """`pieces` are the documents' pieces to train on, `measured` those for the evaluation."""

    task = "pretraining"

    def prepare(self) -> None:
        work, settings = self.work, self.settings
        data, loaded = work.data, work.loaded
        if not len(data.train):
            raise TrainingError("There are no rows to train on; choose another dataset.split.")
        self.longest = min(settings.max_length, loaded.context_length)
        encoder = self.encoder()
        running = running_of(data.train.table) if encoder.found.format == "text" else None
        self.words = running.words if running else ""
        total = len(data.train)
        if running:
            chosen = stretch_of_rows(total, settings.rows, settings.seed)
        else:
            chosen = choose_rows(total, settings.rows, settings.seed)

        def pause(done: int) -> None:
            work.pause("preparing", done, len(chosen))

        self.pieces = prepare_documents(data.train, chosen, encoder, running, pause=pause)
        if not len(self.pieces):
            raise TrainingError(
                "The text has nothing to learn from: no document of it has two tokens; choose "
                "another dataset.source."
            )
        self.measured = self.held_out(encoder, pause) if settings.evaluation_rows else Pieces()
        self.arrange()

    def encoder(self) -> Encoder:
        """What makes tokens of rows."""
        work = self.work
        session = work.session
        found = recognise_table(work.data.train.table, session.dataset, session.prompt())
        if found.problem:
            raise TrainingError(found.problem)
        settings = replace(self.settings, max_length=self.longest)
        try:
            return Encoder(work.loaded.tokenizer, session.prompt(), found, settings)
        except PromptError as error:
            raise TrainingError(str(error)) from error

    def held_out(self, encoder: Encoder, pause: Any) -> Pieces:
        """What to measure on: the dataset's evaluation rows; of a text that is one row, the last
        of its pieces, which are then not trained on."""
        data, settings = self.work.data, self.settings
        rows: Selection | None = data.evaluation
        if rows is not None:
            running = running_of(rows.table) if encoder.found.format == "text" else None
            count = min(settings.evaluation_rows, len(rows))
            return prepare_documents(rows, range(count), encoder, running, pause=pause)
        share = self.work.session.dataset.evaluation_share
        if not share or len(self.pieces) < FEWEST:
            return Pieces()
        return self.pieces.split_off(max(1, round(share * len(self.pieces))))

    def arrange(self) -> None:
        """Pack the pieces, where that is wanted and exact."""
        settings, seed = self.settings, self.settings.seed
        if settings.packing == "off":
            self.packing = "off: training.packing says so"
        elif settings.method in ("prompt_tuning", "prefix_tuning"):
            self.packing = "off: virtual tokens stand before each document by itself"
        elif not self.packable():
            kind = self.loaded.model.config.model_type
            self.packing = f"off: {kind} would mix the documents of a row; they are padded"
        else:
            self.packing = "on: the model keeps the documents of a row apart"
        self.examples, self.evaluation = self.pieces, self.measured
        if self.packing.startswith("on"):
            self.examples = PackedExamples(self.pieces, self.longest, seed)
            if len(self.measured):
                self.evaluation = PackedExamples(self.measured, self.longest, seed)

    def packable(self) -> bool:
        """Whether the model keeps the documents of a row apart, one way or another."""
        flat = self.longest <= abilities(self.loaded).limit and flat_works(self.loaded)
        return flat or packs_exactly(self.loaded)

    def trainer(self, args: TrainingArguments, recorder: Recorder) -> "PretrainingTrainer":
        return PretrainingTrainer(self, args, recorder)

    def about(self) -> dict[str, Any]:
        words = {"text": self.words} if self.words else {}
        return {
            **super().about(),
            "documents": self.pieces.documents,
            "pieces": len(self.pieces),
            "packing": self.packing,
            **words,
        }


class PretrainingTrainer(CompletionTrainer):
    """Measures perplexity beside the loss, and bits per byte, in which models of different
    tokenizers can be compared."""

    recipe: Pretraining

    def __init__(self, recipe: Pretraining, args: TrainingArguments, recorder: Recorder) -> None:
        super().__init__(recipe, args, recorder)
        if isinstance(recipe.examples, PackedExamples) and isinstance(self.collator, LeftCollator):
            self.data_collator = self.collator = collator_for(recipe.loaded)

    @override
    def evaluation_loss(self) -> dict[str, float]:
        found = super().evaluation_loss()
        if not found:
            return found
        loss, measured = found["eval_loss"], self.recipe.measured
        tokens = sum(len(ids) - 1 for ids in measured.input_ids)
        found["eval_perplexity"] = math.exp(min(loss, MOST))
        if size := sum(measured.bytes):
            found["eval_bits_per_byte"] = loss * tokens / math.log(2) / size
        return found
