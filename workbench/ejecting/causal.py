"""The script of a run that learnt answers, or running text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workbench.data.prompting import PromptError, before_answer, end_of_turn
from workbench.ejecting.made import Made
from workbench.ejecting.parts import causal, rows, tokens, training
from workbench.ejecting.source import functions
from workbench.exporting.errors import ExportError

Example = tuple[list[int], list[int]]  # token ids and labels
Encode = Callable[[dict[str, Any]], Example]


@dataclass(frozen=True)
class Written:
    """What a task adds to a script."""

    rows: list[dict[str, Any]]
    constants: dict[str, Any]
    comments: dict[str, str]
    functions: str
    main: str  # indented by four: makes `train`, `evaluation` and then `trainer`
    notes: list[str]
    model: str = "AutoModelForCausalLM"
    model_more: str = ""  # further arguments of its from_pretrained
    packages: tuple[str, ...] = ("peft",)
    trainer_lays: bool = False  # the Trainer lays `config`, the adapter, over the model
    arguments: dict[str, Any] = field(default_factory=dict)  # more of the Trainer's
    files: dict[str, str] = field(default_factory=dict)  # beside the script, by what ends the name


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
            for side, values in sides(made)
            for row in self.readable(encoder, values)
        ]
        if not any(row["side"] == "train" for row in found):
            raise ExportError("Nothing is left of the rows that were trained on.")
        recipe = made.recipe
        recipe.prepare()
        self.prove(found, recipe)
        return self.script(found)

    def readable(self, encoder: Any, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The examples of a row as texts and turns."""
        for said in encoder.said(values):
            if said.name == "rejected":
                continue
            row: dict[str, Any]
            if said.text is not None:
                row = {"text": said.text}
            elif said.answer is not None:
                before = before_answer(self.tokenizer, encoder.prompt)
                row = {
                    "prompt": said.turns,
                    "completion": before + said.answer,
                    "start": said.start,
                }
            else:
                row = {"messages": said.turns}
                row |= {"tools": said.tools} if said.tools else {}
                row |= {"after": said.after} if said.after else {}
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

    def kind(self, row: dict[str, Any]) -> str:
        if "input_ids" in row:
            return "known"
        if "text" in row:
            return "text"
        if "prompt" in row:
            return "answer"
        return "marked" if self.marked and not row.get("after") else "conversation"

    def encode(self, row: dict[str, Any]) -> Example:
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

    def examples(self, found: list[dict[str, Any]], side: str) -> list[Example]:
        """As the script makes them of all rows of a side."""
        settings = self.made.settings
        overlong = "split" if settings.overlong == "split" and "text" in self.used else "cut"
        overlong = "drop" if settings.overlong == "drop" else overlong
        made = []
        for row in found:
            if row["side"] == side:
                parts = tokens.fitted(*self.encode(row), self.made.longest, overlong)
                made += [one for one in parts if any(label != -100 for label in one[1])]
        return made

    def prove(self, found: list[dict[str, Any]], recipe: Any) -> None:
        """Raise ExportError where the script would not learn what the run did."""
        for side, examples in (("train", recipe.examples), ("evaluation", recipe.evaluation)):
            mine = self.examples(found, side)
            theirs = [
                (list(one["input_ids"]), list(one["trained"]))
                for one in (examples[n] for n in range(len(examples)))
            ]
            if [(ids, stretches(labels)) for ids, labels in mine] != theirs:
                raise ExportError(
                    "The rows do not give the tokens that were trained on, so no script can make "
                    "the run again; export the model instead."
                )

    # --- the script --------------------------------------------------------------------------

    def script(self, found: list[dict[str, Any]]) -> Written:
        settings = self.made.settings
        encoders = {
            "known": ("encode_known(row)", tokens.encode_known, '"input_ids" in row'),
            "text": ("encode_text(tokenizer, row)", tokens.encode_text, '"text" in row'),
            "answer": (
                "encode_answer(tokenizer, row, END)",
                tokens.encode_answer,
                '"prompt" in row',
            ),
            "marked": (
                "encode_marked(tokenizer, row, CHAT_TEMPLATE)",
                tokens.encode_marked,
                '"messages" in row and not row.get("after")',
            ),
            "conversation": (
                "encode_conversation(tokenizer, row)",
                tokens.encode_conversation,
                '"messages" in row',
            ),
        }
        used = [one for one in encoders if one in self.used]
        lines = [
            "def examples_of(tokenizer, side):",
            '    """What is learnt of the rows of a side: token ids and labels; rows of which '
            "nothing is",
            '    left to learn are left out."""',
            "    found = []",
            "    for row in read_rows(ROWS, side):",
        ]
        for n, name in enumerate(used):
            call, _, test = encoders[name]
            if len(used) == 1:
                lines.append(f"        ids, labels = {call}")
            else:
                word = "if" if n == 0 else "elif"
                lines += [f"        {word} {test}:", f"            ids, labels = {call}"]
        lines += [
            "        found += fitted(ids, labels, MAX_LENGTH, OVERLONG)",
            "    return [one for one in found if any(label != -100 for label in one[1])]",
        ]
        known: dict[str, Any] = {
            "MAX_LENGTH": self.made.longest,
            "OVERLONG": settings.overlong,
            "ACCEPTED": accepted(self.made),
        }
        if settings.overlong == "split" and "text" not in self.used:
            known["OVERLONG"] = "cut"
        if "answer" in self.used:
            known["END"] = self.end
        if "marked" in self.used:
            known["CHAT_TEMPLATE"] = self.marked
        comments = {
            "ACCEPTED": "What the model's forward takes.",
            "END": "The tokens that end an answer.",
            "CHAT_TEMPLATE": "The chat template, with marks around what the assistant says.",
        }
        notes = []
        flat = self.made.flat
        if flat:
            notes.append(
                "All rows of a batch stand in one, as in the run: so dropout leaves out the same."
            )
        if self.literal:
            notes.append(
                f"Of {self.literal:,} rows the token ids stand beside the text, because no plain "
                "rule makes them of it."
            )
        return Written(
            rows=found,
            constants=known,
            comments=comments,
            functions="\n\n".join(
                [
                    functions(
                        rows.read_rows,
                        *((tokens.encode_prompt,) if "answer" in used else ()),
                        *(encoders[one][1] for one in used),
                        tokens.fitted,
                    ),
                    "\n".join(lines) + "\n",
                    functions(
                        rows.EpochSampler,
                        training.summed_loss,
                        causal.packed if flat else causal.left_padded,
                        causal.AnswerTrainer,
                        training.Schedule,
                    ),
                ]
            ),
            main=trainer_lines(self.made, packed=False, flat=flat),
            notes=notes,
        )


def sides(made: Made) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows, each with its side, in the order in which they are learnt and measured."""
    from workbench.training.examples import choose_rows

    settings, data = made.settings, made.data
    chosen = choose_rows(len(data.train), settings.rows, settings.seed)
    for index in chosen:
        yield "train", data.train[index]
    if data.evaluation is not None and settings.evaluation_rows:
        for index in range(min(settings.evaluation_rows, len(data.evaluation))):
            yield "evaluation", data.evaluation[index]


def texts_of(made: Made, side: str, encoder: Any) -> Iterator[str]:
    """What is read of the rows of a side, "train" or "evaluation", in their order."""
    for where, values in sides(made):
        if where != side:
            continue
        try:
            said = encoder.said(values)
        except PromptError:
            continue
        yield from (str(one.text) for one in said)


def stretches(labels: list[int]) -> list[int]:
    """Where labels are: start, stop, start, stop, …"""
    from workbench.training.examples import stretches as found

    return list(found(labels))


def trainer_lines(made: Made, *, packed: bool, flat: bool = False, arrange: str = "") -> str:
    """The rows, their order and the Trainer, of a causal model.

    Args:
        packed: a row of the data is several examples.
        flat: all examples of a batch stand in one row.
        arrange: lines that change `train` and `evaluation`.
    """
    settings = made.settings
    pad = made.loaded.pad_token
    grouped = settings.train_sampling_strategy == "group_by_length"
    size = "sum(len(ids) for ids, _ in one)" if packed else "len(one[0])"
    batch = f"{'packed' if packed else 'left_padded'}(rows, {pad})"
    if flat:
        batch = f"packed([rows], {pad})"
    lines = f"""\
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
{arrange}
    print(len(train), "rows to train on,", len(evaluation), "to evaluate on")

    def size(one):
        return {size}

    sampler = EpochSampler(
        len(train),
        args.train_batch_size * args.gradient_accumulation_steps,
        args.seed,
        {"[size(one) for one in train]" if grouped else "[]"},
    )
    trainer = AnswerTrainer(
        model=model,
        args=args,
        data_collator=lambda rows: {batch},
        train_dataset=train,
    )
    trainer.prepare(sampler, evaluation, size, bfloat16=DTYPE == "bfloat16")
"""
    return lines.replace("\n\n    print(len", "\n    print(len")


def accepted(made: Made) -> list[str]:
    """The names that the model's forward takes, of those that a batch has."""
    names = ("input_ids", "attention_mask", "position_ids", "use_cache", "logits_to_keep")
    return [one for one in names if one in made.loaded.accepts]


def written(made: Made) -> Written:
    """What the task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    return Answers(made).written()
