"""The script of a run that read running text: documents in pieces, packed in rows."""

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.ejecting.causal import accepted, causal_lines
from workbench.ejecting.made import Made
from workbench.ejecting.parts import causal, documents, rows, tokens, training
from workbench.ejecting.readable import SIDES, Example, Row, chosen, need_rows, stretches
from workbench.ejecting.source import Constant
from workbench.ejecting.written import Written
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
PACKING = """\
    train, evaluation = (
        [[one[n] for n in row] for row in plan([len(ids) for ids, _ in one], MAX_LENGTH, {seed})]
        for one in (train, evaluation)
    )
"""


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
        found = list(self.readable(recipe.encoder()))
        if self.made.data.evaluation is None:
            self.held_out = len(recipe.measured)
        known = not self.proven(found, recipe)
        if known:
            self.held_out = 0
            found = list(self.pieces(recipe))
        need_rows(found)
        return self.script(found, known)

    # --- rows --------------------------------------------------------------------------------

    def readable(self, encoder: Any) -> Iterator[Row]:
        """The documents, each with its side."""
        from workbench.data.formats import running_of
        from workbench.training.documents import Tokens, stretches_of

        tokens_of = Tokens(self.tokenizer)
        self.before, self.end = tokens_of.before, tokens_of.end
        for side in SIDES:
            selection, indices = chosen(self.made, side)
            running = running_of(selection.table) if encoder.found.format == "text" else None
            if running and side == "train":
                indices = self.stretch(len(selection))
            held: list[str] = []
            for one in stretches_of(selection, indices, encoder, running, lambda _done: None):
                held.append(one.text)
                if not one.ends:
                    continue
                text, held = "".join(held), []
                if text.strip():
                    yield {"side": side, "text": text, **({} if one.closed else {"open": True})}

    def stretch(self, count: int) -> Sequence[int]:
        """Rows that run on are taken one after the other."""
        from workbench.training.documents import stretch_of_rows

        return stretch_of_rows(count, self.made.settings.rows, self.made.settings.seed)

    def pieces(self, recipe: Any) -> Iterator[Row]:
        """What was trained on, with its token ids."""
        for side, pieces in zip(SIDES, (recipe.pieces, recipe.measured), strict=True):
            for ids, learnt in zip(pieces.input_ids, pieces.trained, strict=True):
                text = self.tokenizer.decode(list(ids))
                yield {"side": side, "text": text, "input_ids": list(ids), "learnt": list(learnt)}

    def examples(self, found: Sequence[Row], side: str) -> list[Example]:
        """As the script makes them."""
        made: list[Example] = []
        for row in found:
            if row["side"] == side:
                ids = documents.encode_document(self.tokenizer, row, self.before, self.end)
                made += documents.in_pieces(ids, self.made.longest)
        return made

    def proven(self, found: Sequence[Row], recipe: Any) -> bool:
        """Whether the documents give the pieces that were trained on."""
        train, evaluation = (self.examples(found, side) for side in SIDES)
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

    # --- the script --------------------------------------------------------------------------

    def script(self, found: list[Row], known: bool) -> Written:
        constants = [Constant("MAX_LENGTH", self.made.longest), accepted(self.made)]
        encoders = [tokens.encode_known, KNOWN]
        if not known:
            said = "The tokens that a document begins with, and ends with."
            constants += [Constant("BEFORE", self.before, said), Constant("END", self.end)]
            encoders = [documents.encode_document, documents.in_pieces, EXAMPLES]
        note = "The rows are the pieces of the documents, with their token ids beside the text."
        return Written(
            rows=found,
            constants=constants,
            functions=[
                *encoders,
                rows.EpochSampler,
                training.summed_loss,
                *((plan, causal.packed) if self.packed else (causal.left_padded,)),
                causal.AnswerTrainer,
            ],
            main=causal_lines(self.made, packed=self.packed, arranged=self.arranged()),
            notes=[note] if known else [],
        )

    def arranged(self) -> str:
        """The lines that hold pieces out, and pack them."""
        lines, count = "", self.held_out
        if count:
            lines = f"    train, evaluation = train[:-{count}], train[-{count}:]\n"
        return lines + (PACKING.format(seed=self.made.settings.seed) if self.packed else "")


def written(made: Made) -> Written:
    """What the task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    return Texts(made).written()
