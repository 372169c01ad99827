"""The script of a run that learnt preferences, or rewards for answers, with TRL's own Trainers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from workbench.data.examples import Encoder, Said
from workbench.data.prompting import before_answer, end_of_turn, plain_text
from workbench.data.roles import value_of
from workbench.data.thumbs import thumb
from workbench.ejecting.made import Made
from workbench.ejecting.parts import preference, rows, tokens
from workbench.ejecting.readable import (
    SIDES,
    Example,
    Row,
    chosen,
    need_rows,
    need_same,
    stretches,
)
from workbench.ejecting.source import Constant, Raw, mixed
from workbench.ejecting.trainers import by_trl, examples, pad_token, sampler
from workbench.ejecting.written import Written

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
        {
            "better": encode_reply(tokenizer, row, "chosen", END, MAX_LENGTH),
            "worse": encode_reply(tokenizer, row, "rejected", END, MAX_LENGTH),
        }
        for row in read_rows(ROWS, side)
    ]
'''
TEXTS = PAIRS.replace("encode_reply", "encode_two_texts").replace("END, ", "")
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
SIZE = """
    def size(row):
        return max(len(row["better"][0]), len(row["worse"][0]))

"""
LONGEST_FIRST = "    evaluation.sort(key=size, reverse=True)\n"


class Preferences:
    """Rows with a better and a worse reply, or with one and a thumb, each proven to give the tokens
    that were trained on; where no plain rule does, with these tokens."""

    def __init__(self, made: Made) -> None:
        self.made, self.tokenizer = made, made.loaded.tokenizer
        self.literal = 0
        recipe: Any = made.recipe
        recipe.prepare()
        self.recipe = recipe
        self.encoder: Encoder = recipe.encoder()
        self.two_texts = hasattr(self.encoder, "paired")
        self.kto = made.task == "kto"
        self.end = [] if self.two_texts else list(end_of_turn(self.tokenizer))

    def written(self) -> Written:
        found = [{"side": side, **row} for side in SIDES for row in self.readable(side)]
        need_rows(found)
        self.prove(found)
        return self.script(found)

    # --- rows --------------------------------------------------------------------------------

    def readable(self, side: str) -> Sequence[Row]:
        """The rows of a side, in the order in which they are learnt."""
        found = [*self.rows_of(side)]
        if not self.kto:
            return found
        if self.encoder.found.format == "preference":
            found = [one for row in found for one in self.both(row)]
        generator = torch.Generator().manual_seed(self.made.settings.seed)
        return [found[n] for n in torch.randperm(len(found), generator=generator).tolist()]

    def rows_of(self, side: str) -> Iterator[Row]:
        from workbench.training.pairs import encoded

        selection, indices = chosen(self.made, side)
        found: dict[int, Row] = {}
        for index, values, answers, why in encoded(
            selection, indices, self.encoder, lambda _done: None
        ):
            if not why and (row := self.row(values, answers)):
                found[index] = row
        for index in indices:
            if index in found:
                yield found[index]

    def row(self, values: Row, answers: Sequence[Any]) -> Row:
        """A row as texts and turns; none where it says neither good nor bad."""
        said = self.encoder.said(values)
        first = said[0]
        row: Row = {}
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
        for name, one, example in zip(names, said, answers, strict=True):
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
    def trained(example: Any) -> Example:
        from workbench.training.answered import Answered

        one = Answered.of(example)
        return list(one.ids), list(one.trained)

    def tokens(self, row: Row, name: str) -> Example:
        """As the script makes them: token ids, and where those with a loss are."""
        try:
            longest = self.made.longest
            if self.two_texts:
                ids, labels = preference.encode_two_texts(self.tokenizer, row, name, longest)
            else:
                ids, labels = preference.encode_reply(self.tokenizer, row, name, self.end, longest)
        except Exception:  # whatever a chat template makes of turns
            return [], []
        return list(ids), stretches(labels)

    @staticmethod
    def both(row: Row) -> Iterator[Row]:
        """A pair as two replies, of which one is good."""
        for name in NAMES:
            one = {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
            for part in ("ids", "learnt"):
                if f"{name}_{part}" in row:
                    one[f"completion_{part}"] = row[f"{name}_{part}"]
            yield one

    def prove(self, found: Sequence[Row]) -> None:
        """Raise ExportError where the script would not learn what the run did."""
        recipe = self.recipe
        for side, learnt in zip(SIDES, (recipe.examples, recipe.evaluation), strict=True):
            mine = [one for one in found if one["side"] == side]
            for name, theirs in self.replies(learnt).items():
                need_same(
                    [self.tokens(row, name) for row in mine]
                    == [(list(one.ids), list(one.trained)) for one in theirs]
                )
            if self.kto:
                need_same([one["label"] for one in mine] == list(learnt.good if learnt else ()))

    def replies(self, learnt: Any) -> Mapping[str, Sequence[Any]]:
        """The replies that were trained on, by their names in a row."""
        if self.kto:
            return {"completion": learnt.answers if len(learnt) else ()}
        if not len(learnt):
            return dict.fromkeys(NAMES, ())
        return {"chosen": learnt.chosen, "rejected": learnt.rejected}

    # --- the script --------------------------------------------------------------------------

    def script(self, found: list[Row]) -> Written:
        from workbench.training.borrowed import pad_token as pad_of

        pad = pad_of(self.made.loaded)
        score = self.made.task == "reward"
        return Written(
            rows=found,
            constants=self.constants(),
            functions=self.functions(),
            main=self.main(pad),
            notes=self.notes(),
            model=f"AutoModelFor{'SequenceClassification' if score else 'CausalLM'}",
            loading={"num_labels": 1, "pad_token_id": pad} if score else {},
            packages=("peft", "trl"),
            trainer_lays=True,
        )

    def constants(self) -> list[Constant]:
        from workbench.training.reading import in_bfloat16

        made = self.made
        found = [Constant("MAX_LENGTH", made.longest)]
        if not self.two_texts:
            found.append(Constant("END", self.end, "The tokens that end a reply."))
        found.append(mixed(in_bfloat16(made.loaded) if made.task == "reward" else made.bfloat16))
        if self.kto:
            found.append(Constant("ROWS_A_BATCH", made.settings.per_device_train_batch_size))
        return found

    def functions(self) -> list[Any]:
        _, batch = TRAINERS[self.made.task]
        encoders: list[Any] = [tokens.encode_known, preference.encode_two_texts]
        if not self.two_texts:
            encoders = [
                tokens.encode_prompt,
                tokens.encode_answer,
                tokens.encode_conversation,
                tokens.encode_known,
                preference.encode_reply,
            ]
        order = [preference.with_strangers, THUMBS] if self.kto else [PAIRS, rows.EpochSampler]
        if self.two_texts:
            order[0] = TEXTS
        return [*encoders, *order, preference.padded, batch, preference.AsInTheRun, self.trainer()]

    def trainer(self) -> str:
        """The class of the Trainer."""
        name, _ = TRAINERS[self.made.task]
        source = OURS.format(trainer=name)
        if self.made.task == "orpo":
            source += ODDS
            if self.made.settings.method == "prompt_tuning":
                source += ODDS_AFTER_VIRTUAL
        return source

    def main(self, pad: int) -> str:
        """The rows, their order and the Trainer."""
        _, batch = TRAINERS[self.made.task]
        order = "" if self.kto else SIZE + sampler(self.made, "size(one)") + LONGEST_FIRST
        named = {
            "data_collator": Raw(f"lambda rows: {batch.__name__}(rows, {pad})"),
            "train_dataset": Raw("Dataset.from_list(train)"),
        }
        taken = "None" if self.kto else "sampler"
        return examples() + pad_token(pad) + order + by_trl(self.made, named, taken, "evaluation")

    def notes(self) -> list[str]:
        notes = []
        if self.literal:
            notes.append(
                f"Of {self.literal:,} replies the token ids stand beside the text, because no "
                "plain rule makes them of it."
            )
        if self.made.task in ("dpo", "kto") and self.made.settings.method == "full":
            notes.append(
                "TRL holds the model from before the run in memory beside the one that moves; the "
                "run noted what it says of the rows before the first step."
            )
        return notes


def written(made: Made) -> Written:
    """What the task adds to a script.

    Raises:
        ExportError: where it cannot be written out.
    """
    return Preferences(made).written()
