"""The script of a run that learnt preferences, or rewards for answers, with TRL's own Trainers."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from workbench.data.examples import Encoder, Said
from workbench.data.prompting import before_answer, plain_text
from workbench.data.roles import value_of
from workbench.data.thumbs import thumb
from workbench.ejecting.causal import Written
from workbench.ejecting.made import Made
from workbench.ejecting.parts import preference, rows, tokens, training
from workbench.ejecting.source import functions
from workbench.exporting.errors import ExportError

NAMES = ("chosen", "rejected")
# Of each task: TRL's Trainer, and what makes its batches.
TRAINERS = {
    "dpo": ("DPOTrainer", preference.pair_batch),
    "kto": ("KTOTrainer", preference.thumb_batch),
    "orpo": ("ORPOTrainer", preference.odds_batch),
    "reward": ("RewardTrainer", preference.score_batch),
}
PAIRS = '''\
def examples_of(tokenizer, side):
    """The pairs of a side: token ids and labels of the better reply and of the worse."""
    return [
        {{
            "better": {encode}(tokenizer, row, "chosen", {limits}),
            "worse": {encode}(tokenizer, row, "rejected", {limits}),
        }}
        for row in read_rows(ROWS, side)
    ]
'''
THUMBS = '''\
def examples_of(tokenizer, side):
    """The replies of a side: token ids and labels, those of a stranger, and whether it is good."""
    found = [
        {
            "reply": encode_reply(tokenizer, row, "completion", END, MAX_LENGTH),
            "good": row["label"],
        }
        for row in read_rows(ROWS, side)
    ]
    return with_strangers(found, ROWS_A_BATCH, MAX_LENGTH)
'''
OURS = '''\
class RunTrainer(AsInTheRun, {trainer}):
    """TRL's Trainer, on the rows of the run."""
'''
ODDS = """
    def loss_of(self, batch):
        return self.get_batch_loss_metrics(self.model, batch, train_eval="eval")[0]
"""
# Of a tuned prompt TRL would take what the model says after the virtual tokens for what it says
# after the row's own.
ODDS_AFTER_VIRTUAL = """
    def concatenated_forward(self, model, batch):
        def after_virtual_tokens(ids, **named):
            made = model(ids, **named)
            made.logits = made.logits[:, -ids.shape[1] :]
            return made

        return super().concatenated_forward(after_virtual_tokens, batch)
"""


class Preferences:
    """Rows with a better and a worse reply, or with one and a thumb, each proven to give the tokens
    that were trained on; where no plain rule does, with these tokens."""

    def __init__(self, made: Made) -> None:
        from workbench.data.prompting import end_of_turn

        self.made, self.tokenizer = made, made.loaded.tokenizer
        self.literal = 0
        recipe: Any = made.recipe
        recipe.prepare()
        self.recipe = recipe
        self.encoder: Encoder = recipe.encoder()
        self.two_texts = hasattr(self.encoder, "paired")
        self.end = [] if self.two_texts else list(end_of_turn(self.tokenizer))

    def written(self) -> Written:
        found = [
            {"side": side, **row} for side in ("train", "evaluation") for row in self.readable(side)
        ]
        if not any(row["side"] == "train" for row in found):
            raise ExportError("Nothing is left of the rows that were trained on.")
        self.prove(found)
        return self.script(found)

    # --- rows --------------------------------------------------------------------------------

    def readable(self, side: str) -> Sequence[dict[str, Any]]:
        """The rows of a side, in the order in which they are learnt."""
        found = [*self.rows_of(side)]
        if self.made.task != "kto":
            return found
        if self.encoder.found.format == "preference":
            found = [one for row in found for one in self.both(row)]
        generator = torch.Generator().manual_seed(self.made.settings.seed)
        return [found[n] for n in torch.randperm(len(found), generator=generator).tolist()]

    def rows_of(self, side: str) -> Iterator[dict[str, Any]]:
        from workbench.training.examples import choose_rows
        from workbench.training.pairs import encoded

        settings, data = self.made.settings, self.made.data
        indices: Sequence[int] = choose_rows(len(data.train), settings.rows, settings.seed)
        selection = data.train
        if side == "evaluation":
            if data.evaluation is None or not settings.evaluation_rows:
                return
            selection = data.evaluation
            indices = range(min(settings.evaluation_rows, len(selection)))
        rows_found: dict[int, dict[str, Any]] = {}
        for index, values, examples, why in encoded(
            selection, indices, self.encoder, lambda _done: None
        ):
            if not why and (row := self.row(values, examples)):
                rows_found[index] = row
        for index in indices:
            if index in rows_found:
                yield rows_found[index]

    def row(self, values: dict[str, Any], examples: Sequence[Any]) -> dict[str, Any]:
        """A row as texts and turns; none where it says neither good nor bad."""
        said = self.encoder.said(values)
        first = said[0]
        row: dict[str, Any] = {}
        names: tuple[str, ...] = NAMES
        if len(said) == 1:
            good = thumb(value_of(self.encoder.found.mapping["label"], values))
            if good is None:
                return {}
            row, names = {"label": good}, ("completion",)
        prompt = first.turns if first.answer is not None else first.turns[: first.after]
        row = {"prompt": plain_text(prompt) if self.two_texts else prompt, **row}
        if first.start:
            row["start"] = first.start
        for name, one, example in zip(names, said, examples, strict=True):
            row[name] = self.reply(one)
            ids, learnt = self.trained(example)
            if self.tokens(row, name) != (ids, learnt):
                row |= {f"{name}_ids": ids, f"{name}_learnt": learnt}
                self.literal += 1
        return row

    def reply(self, said: Said) -> Any:
        """What is answered: a text, or turns."""
        if self.two_texts:
            answer = said.answer
            return plain_text(said.turns[said.after :]) if answer is None else answer
        if said.answer is None:
            return said.turns[said.after :]
        return before_answer(self.tokenizer, self.encoder.prompt) + said.answer

    @staticmethod
    def trained(example: Any) -> tuple[list[int], list[int]]:
        from workbench.training.answered import Answered

        one = Answered.of(example)
        return list(one.ids), list(one.trained)

    def tokens(self, row: dict[str, Any], name: str) -> tuple[list[int], list[int]]:
        """As the script makes them: token ids, and where those with a loss are."""
        from workbench.training.examples import stretches

        try:
            longest = self.made.longest
            if self.two_texts:
                ids, labels = preference.encode_two_texts(self.tokenizer, row, name, longest)
            else:
                ids, labels = preference.encode_reply(self.tokenizer, row, name, self.end, longest)
        except Exception:  # whatever a chat template makes of turns
            return [], []
        return list(ids), list(stretches(labels))

    @staticmethod
    def both(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A pair as two replies, of which one is good."""
        for name in NAMES:
            one = {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
            for part in ("ids", "learnt"):
                if f"{name}_{part}" in row:
                    one[f"completion_{part}"] = row[f"{name}_{part}"]
            yield one

    def prove(self, found: list[dict[str, Any]]) -> None:
        """Raise ExportError where the script would not learn what the run did."""
        recipe = self.recipe
        for side, made in (("train", recipe.examples), ("evaluation", recipe.evaluation)):
            wanted = [one for one in found if one["side"] == side]
            if self.made.task == "kto":
                names, theirs = ["completion"], [made.answers] if len(made) else [[]]
                good = [one["label"] for one in wanted] == (list(made.good) if len(made) else [])
            else:
                names, good = [*NAMES], True
                theirs = [made.chosen, made.rejected] if len(made) else [[], []]
            same = good and all(
                [self.tokens(row, name) for row in wanted]
                == [(list(one.ids), list(one.trained)) for one in answers]
                for name, answers in zip(names, theirs, strict=True)
            )
            if not same:
                raise ExportError(
                    "The rows do not give the tokens that were trained on, so no script can make "
                    "the run again; export the model instead."
                )

    # --- the script --------------------------------------------------------------------------

    def script(self, found: list[dict[str, Any]]) -> Written:
        from workbench.training.borrowed import pad_token
        from workbench.training.reading import in_bfloat16

        made, task = self.made, self.made.task
        settings = made.settings
        trainer, batch = TRAINERS[task]
        pad = pad_token(made.loaded)
        values: dict[str, Any] = {
            "MAX_LENGTH": made.longest,
            "END": self.end,
            "MIXED": in_bfloat16(made.loaded) if task == "reward" else made.bfloat16,
        }
        comments = {
            "END": "The tokens that end a reply.",
            "MIXED": "bfloat16 products over float32 weights.",
        }
        if task == "kto":
            values["ROWS_A_BATCH"] = settings.per_device_train_batch_size
        encoders: list[Any] = [tokens.encode_known, preference.encode_two_texts]
        if not self.two_texts:
            encoders = [
                tokens.encode_prompt,
                tokens.encode_answer,
                tokens.encode_conversation,
                tokens.encode_known,
                preference.encode_reply,
            ]
        kto = task == "kto"
        if kto:
            encoders.append(preference.with_strangers)
        examples = THUMBS if kto else PAIRS.format(encode="encode_reply", limits="END, MAX_LENGTH")
        if self.two_texts:
            examples = PAIRS.format(encode="encode_two_texts", limits="MAX_LENGTH")
            del values["END"]
        ours = OURS.format(trainer=trainer) + (ODDS if task == "orpo" else "")
        if task == "orpo" and settings.method == "prompt_tuning":
            ours += ODDS_AFTER_VIRTUAL
        notes = []
        if self.literal:
            notes.append(
                f"Of {self.literal:,} replies the token ids stand beside the text, because no "
                "plain rule makes them of it."
            )
        if task in ("dpo", "kto") and settings.method == "full":
            notes.append(
                "TRL holds the model from before the run in memory beside the one that moves; the "
                "run noted what it says of the rows before the first step."
            )
        score = task == "reward"
        more = f", num_labels=1, pad_token_id={pad}" if score else ""
        return Written(
            rows=found,
            constants=values,
            comments=comments,
            functions="\n\n".join(
                [
                    functions(rows.read_rows, *encoders),
                    examples,
                    *([] if kto else [functions(rows.EpochSampler)]),
                    functions(preference.padded, batch, preference.AsInTheRun),
                    ours,
                    functions(training.Schedule),
                ]
            ),
            main=self.main(batch.__name__, pad),
            notes=notes,
            model="AutoModelForSequenceClassification" if score else "AutoModelForCausalLM",
            model_more=more,
            packages=("peft", "trl"),
            trainer_lays=True,
        )

    def main(self, batch: str, pad: int) -> str:
        """The rows, their order and the Trainer."""
        made = self.made
        lines = f"""\
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
    print(len(train), "rows to train on,", len(evaluation), "to evaluate on")
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens({pad})
"""
        sampler, longest_first = "None", ""
        if made.task != "kto":
            sampler = "sampler"
            grouped = made.settings.train_sampling_strategy == "group_by_length"
            longest_first = "    evaluation.sort(key=size, reverse=True)\n"
            lines += f"""
    def size(row):
        return max(len(row["better"][0]), len(row["worse"][0]))

    sampler = EpochSampler(
        len(train),
        args.train_batch_size * args.gradient_accumulation_steps,
        args.seed,
        {"[size(row) for row in train]" if grouped else "[]"},
    )
"""
        return (
            lines
            + longest_first
            + f"""\
    trainer = RunTrainer(
        model=model,
        args=args,
        data_collator=lambda rows: {batch}(rows, {pad}),
        train_dataset=Dataset.from_list(train),
        processing_class=tokenizer,
        peft_config=config,
    )
    trainer.prepare({sampler}, evaluation)
"""
        )


def written(made: Made) -> Written:
    """What the task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    return Preferences(made).written()
