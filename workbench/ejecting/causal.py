"""The script of a run that learnt answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.prompting import before_answer, end_of_turn
from workbench.ejecting.made import Made
from workbench.ejecting.parts import causal, rows, tokens, training
from workbench.ejecting.readable import (
    SIDES,
    Example,
    Row,
    need_rows,
    need_same,
    stretches,
    values_of,
)
from workbench.ejecting.source import Constant
from workbench.ejecting.trainers import examples, sampler, trainer
from workbench.ejecting.written import Written


@dataclass(frozen=True)
class Kind:
    """One of the forms that a row has: what encodes it, the call of that, and how it is told from
    those after it."""

    encode: Any
    call: str
    test: str


KINDS = {
    "known": Kind(tokens.encode_known, "encode_known(row)", '"input_ids" in row'),
    "text": Kind(tokens.encode_text, "encode_text(tokenizer, row)", '"text" in row'),
    "answer": Kind(tokens.encode_answer, "encode_answer(tokenizer, row, END)", '"prompt" in row'),
    "marked": Kind(
        tokens.encode_marked,
        "encode_marked(tokenizer, row, CHAT_TEMPLATE)",
        '"messages" in row and not row.get("after")',
    ),
    "conversation": Kind(
        tokens.encode_conversation, "encode_conversation(tokenizer, row)", '"messages" in row'
    ),
}
EXAMPLES = '''\
def examples_of(tokenizer, side):
    """What is learnt of the rows of a side: token ids and labels; rows of which nothing is left to
    learn are left out."""
    found = []
    for row in read_rows(ROWS, side):
{encoding}
        found += fitted(ids, labels, MAX_LENGTH, OVERLONG)
    return [one for one in found if any(label != -100 for label in one[1])]
'''


class Answers:
    """Rows of supervised fine-tuning in readable form, each proven to give the tokens that were
    trained on; where no plain rule does, with these tokens."""

    def __init__(self, made: Made) -> None:
        self.made, self.tokenizer = made, made.loaded.tokenizer
        self.end = list(end_of_turn(self.tokenizer))
        self.marked: str | None = None
        self.used: set[str] = set()
        self.literal = 0

    def written(self) -> Written:
        from workbench.training.sft import Drawing, encoder_for

        made = self.made
        session = made.trained.session
        encoder = encoder_for(
            made.loaded, made.data, session, made.longest, Drawing(made.trained.workspace)
        )
        if self.tokenizer.chat_template:
            self.marked = encoder.conversation.marked
        found = [
            {"side": side, **row}
            for side in SIDES
            for values in values_of(made, side)
            for row in self.readable(encoder, values)
        ]
        need_rows(found)
        self.prove(found)
        return self.script(found)

    # --- rows --------------------------------------------------------------------------------

    def readable(self, encoder: Any, values: Row) -> Iterator[Row]:
        """The examples of a row as texts and turns."""
        for said in encoder.said(values):
            if said.name == "rejected":
                continue
            row = self.plain(encoder, said)
            whole = encoder.whole(said)
            try:
                same = self.encode(row) == (list(whole.input_ids), list(whole.labels))
            except Exception:  # whatever a chat template makes of turns
                same = False
            if not same:
                row = {
                    "text": self.tokenizer.decode(whole.input_ids),
                    "input_ids": list(whole.input_ids),
                    "learnt": stretches(whole.labels),
                }
                self.literal += 1
            self.used.add(self.kind(row))
            yield row

    def plain(self, encoder: Any, said: Any) -> Row:
        """What is said, without tokens."""
        if said.text is not None:
            return {"text": said.text}
        if said.answer is not None:
            completion = before_answer(self.tokenizer, encoder.prompt) + said.answer
            return {"prompt": said.turns, "completion": completion, "start": said.start}
        row: Row = {"messages": said.turns}
        row |= {"tools": said.tools} if said.tools else {}
        return row | ({"after": said.after} if said.after else {})

    def kind(self, row: Row) -> str:
        if "input_ids" in row:
            return "known"
        if "text" in row:
            return "text"
        if "prompt" in row:
            return "answer"
        return "marked" if self.marked and not row.get("after") else "conversation"

    def encode(self, row: Row) -> Example:
        """As the script does it."""
        match self.kind(row):
            case "known":
                ids, labels = tokens.encode_known(row)
            case "text":
                ids, labels = tokens.encode_text(self.tokenizer, row)
            case "answer":
                ids, labels = tokens.encode_answer(self.tokenizer, row, self.end)
            case "marked":
                ids, labels = tokens.encode_marked(self.tokenizer, row, self.marked)
            case _:
                ids, labels = tokens.encode_conversation(self.tokenizer, row)
        return list(ids), list(labels)

    def prove(self, found: Sequence[Row]) -> None:
        recipe: Any = self.made.recipe
        recipe.prepare()
        for side, learnt in zip(SIDES, (recipe.examples, recipe.evaluation), strict=True):
            theirs = [
                (list(one["input_ids"]), list(one["trained"]))
                for one in (learnt[n] for n in range(len(learnt)))
            ]
            mine = [(ids, stretches(labels)) for ids, labels in self.examples(found, side)]
            need_same(mine == theirs)

    def examples(self, found: Sequence[Row], side: str) -> list[Example]:
        """As the script makes them of all rows of a side."""
        made = []
        for row in found:
            if row["side"] == side:
                parts = tokens.fitted(*self.encode(row), self.made.longest, self.overlong)
                made += [one for one in parts if any(label != -100 for label in one[1])]
        return made

    @property
    def overlong(self) -> str:
        """What becomes of a row that is too long: only texts can be split."""
        chosen = self.made.settings.overlong
        return "cut" if chosen == "split" and "text" not in self.used else chosen

    # --- the script --------------------------------------------------------------------------

    def script(self, found: list[Row]) -> Written:
        flat = self.made.flat
        used = [kind for name, kind in KINDS.items() if name in self.used]
        return Written(
            rows=found,
            constants=self.constants(),
            functions=[
                *((tokens.encode_prompt,) if "answer" in self.used else ()),
                *(kind.encode for kind in used),
                tokens.fitted,
                EXAMPLES.format(encoding=encoding(used)),
                rows.EpochSampler,
                training.summed_loss,
                causal.packed if flat else causal.left_padded,
                causal.AnswerTrainer,
            ],
            main=causal_lines(self.made, packed=False, flat=flat),
            notes=self.notes(),
        )

    def constants(self) -> list[Constant]:
        found = [
            Constant("MAX_LENGTH", self.made.longest),
            Constant("OVERLONG", self.overlong),
            accepted(self.made),
        ]
        if "answer" in self.used:
            found.append(Constant("END", self.end, "The tokens that end an answer."))
        if "marked" in self.used:
            said = "The chat template, with marks around what the assistant says."
            found.append(Constant("CHAT_TEMPLATE", self.marked, said))
        return found

    def notes(self) -> list[str]:
        notes = []
        if self.made.flat:
            notes.append(
                "All rows of a batch stand in one, as in the run: so dropout leaves out the same."
            )
        if self.literal:
            notes.append(
                f"Of {self.literal:,} rows the token ids stand beside the text, because no plain "
                "rule makes them of it."
            )
        return notes


def encoding(used: Sequence[Kind]) -> str:
    """The lines that make `ids` and `labels` of a row that has one of these forms."""
    if len(used) == 1:
        return f"        ids, labels = {used[0].call}"
    lines = []
    for n, kind in enumerate(used):
        lines.append(f"        {'elif' if n else 'if'} {kind.test}:")
        lines.append(f"            ids, labels = {kind.call}")
    return "\n".join(lines)


def causal_lines(made: Made, *, packed: bool, flat: bool = False, arranged: str = "") -> str:
    """The rows, their order and the Trainer, of a causal model.

    Args:
        packed: a row of the data is several examples.
        flat: all examples of a batch stand in one row.
        arranged: lines that change `train` and `evaluation`.
    """
    pad = made.loaded.pad_token
    size = "sum(len(ids) for ids, _ in one)" if packed else "len(one[0])"
    batch = f"{'packed' if packed else 'left_padded'}(rows, {pad})"
    if flat:
        batch = f"packed([rows], {pad})"
    return (
        examples(arranged=arranged)
        + f"\n    def size(one):\n        return {size}\n\n"
        + sampler(made, "size(one)")
        + trainer(
            "AnswerTrainer",
            batch,
            *("sampler", "evaluation", "size", 'bfloat16=DTYPE == "bfloat16"'),
        )
    )


def accepted(made: Made) -> Constant:
    """The names that the model's forward takes, of those that a batch has."""
    names = ("input_ids", "attention_mask", "position_ids", "use_cache", "logits_to_keep")
    taken = [one for one in names if one in made.loaded.accepts]
    return Constant("ACCEPTED", taken, "What the model's forward takes.")


def written(made: Made) -> Written:
    """What the task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    return Answers(made).written()
