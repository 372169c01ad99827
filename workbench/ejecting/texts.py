"""The script of a run that read running text: documents in pieces, packed in rows."""

from collections.abc import Iterator
from typing import Any

from workbench.ejecting.causal import Example, Written, accepted, stretches, trainer_lines
from workbench.ejecting.made import Made
from workbench.ejecting.parts import causal, documents, rows, tokens, training
from workbench.ejecting.source import functions
from workbench.exporting.errors import ExportError
from workbench.training.packing import plan

EXAMPLES = '''\
def examples_of(tokenizer, side):
    """The pieces of the documents of a side: token ids and labels."""
    found = []
    for row in read_rows(ROWS, side):
        found += in_pieces(encode_document(tokenizer, row, BEFORE, END), MAX_LENGTH)
    return found
'''
KNOWN = '''\
def examples_of(tokenizer, side):
    """The pieces of the documents of a side: token ids and labels."""
    return [encode_known(row) for row in read_rows(ROWS, side)]
'''


class Texts:
    """Documents as text, proven to give the pieces that were trained on; where they do not, the
    pieces with their token ids."""

    def __init__(self, made: Made) -> None:
        self.made, self.tokenizer = made, made.loaded.tokenizer
        self.packed = str(made.trained.started.get("packing") or "").startswith("on")
        self.before: list[int] = []
        self.end: list[int] = []
        self.held_out = 0

    def written(self) -> Written:
        from workbench.training.pretraining import Pretraining

        recipe = self.made.recipe
        assert isinstance(recipe, Pretraining)
        recipe.packable = lambda: self.packed  # type: ignore[method-assign]
        recipe.prepare()
        encoder = recipe.encoder()
        found = [*self.readable(encoder)]
        if self.made.data.evaluation is None:
            self.held_out = len(recipe.measured)
        notes = []
        known = not self.proven(found, recipe)
        if known:
            self.held_out = 0
            found = [
                {
                    "side": side,
                    "text": self.tokenizer.decode(list(ids)),
                    "input_ids": list(ids),
                    "learnt": list(learnt),
                }
                for side, pieces in (("train", recipe.pieces), ("evaluation", recipe.measured))
                for ids, learnt in zip(pieces.input_ids, pieces.trained, strict=True)
            ]
            notes.append(
                "The rows are the pieces of the documents, with their token ids beside the text."
            )
        if not found:
            raise ExportError("Nothing is left of the text that was trained on.")
        return self.script(found, known, notes)

    def readable(self, encoder: Any) -> Iterator[dict[str, Any]]:
        """The documents, each with its side."""
        from workbench.data.formats import running_of
        from workbench.training.documents import Tokens, stretch_of_rows, stretches_of
        from workbench.training.examples import choose_rows

        made, settings = self.made, self.made.settings
        tokens_of = Tokens(self.tokenizer)
        self.before, self.end = tokens_of.before, tokens_of.end
        data = made.data
        texts = encoder.found.format == "text"
        running = running_of(data.train.table) if texts else None
        choose = stretch_of_rows if running else choose_rows
        chosen = choose(len(data.train), settings.rows, settings.seed)
        parts = [("train", data.train, chosen, running)]
        if data.evaluation is not None and settings.evaluation_rows:
            count = min(settings.evaluation_rows, len(data.evaluation))
            other = running_of(data.evaluation.table) if texts else None
            parts.append(("evaluation", data.evaluation, range(count), other))
        for side, selection, indices, following in parts:
            held: list[str] = []
            for one in stretches_of(selection, indices, encoder, following, lambda _done: None):
                held.append(one.text)
                if one.ends:
                    text = "".join(held)
                    held = []
                    if text.strip():
                        yield {
                            "side": side,
                            "text": text,
                            **({} if one.closed else {"open": True}),
                        }

    def examples(self, found: list[dict[str, Any]], side: str) -> list[Example]:
        """As the script makes them."""
        made: list[Example] = []
        for row in found:
            if row["side"] == side:
                ids = documents.encode_document(self.tokenizer, row, self.before, self.end)
                made += documents.in_pieces(ids, self.made.longest)
        return made

    def proven(self, found: list[dict[str, Any]], recipe: Any) -> bool:
        """Whether the documents give the pieces that were trained on."""
        train, evaluation = self.examples(found, "train"), self.examples(found, "evaluation")
        if self.held_out:
            train, evaluation = train[: -self.held_out], train[-self.held_out :]
        return all(
            [(list(ids), stretches(labels)) for ids, labels in mine]
            == [
                (list(ids), list(learnt))
                for ids, learnt in zip(theirs.input_ids, theirs.trained, strict=True)
            ]
            for mine, theirs in ((train, recipe.pieces), (evaluation, recipe.measured))
        )

    def script(self, found: list[dict[str, Any]], known: bool, notes: list[str]) -> Written:
        made, settings = self.made, self.made.settings
        values: dict[str, Any] = {"MAX_LENGTH": made.longest, "ACCEPTED": accepted(made)}
        if not known:
            values |= {"BEFORE": self.before, "END": self.end}
        comments = {
            "ACCEPTED": "What the model's forward takes.",
            "BEFORE": "The tokens that a document begins with, and ends with.",
        }
        encoders = (
            [tokens.encode_known] if known else [documents.encode_document, documents.in_pieces]
        )
        rest = [rows.EpochSampler, training.summed_loss]
        rest += [plan, causal.packed] if self.packed else [causal.left_padded]
        lines = []
        if self.held_out:
            lines.append(
                f"    train, evaluation = train[:-{self.held_out}], train[-{self.held_out}:]"
            )
        if self.packed:
            lines += [
                "    train, evaluation = (",
                f"        [[one[n] for n in row] for row in "
                f"plan([len(ids) for ids, _ in one], MAX_LENGTH, {settings.seed})]",
                "        for one in (train, evaluation)",
                "    )",
            ]
        return Written(
            rows=found,
            constants=values,
            comments=comments,
            functions="\n\n".join(
                [
                    functions(rows.read_rows, *encoders),
                    KNOWN if known else EXAMPLES,
                    functions(*rest, causal.AnswerTrainer, training.Schedule),
                ]
            ),
            main=trainer_lines(made, packed=self.packed, arrange="\n".join(lines)),
            notes=notes,
        )


def written(made: Made) -> Written:
    """What the task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    return Texts(made).written()
