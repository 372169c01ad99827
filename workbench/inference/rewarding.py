"""A reward model answers: with the number that it gives an answer to what was asked."""

from collections.abc import Callable, Sequence
from functools import cached_property

from msgspec.structs import replace
from typing_extensions import override

from workbench.data.examples import Encoder, prompt_turns
from workbench.data.prompting import PromptError
from workbench.data.scored import GIVEN, pair_ids, scored_ids, scoring
from workbench.inference.answering import Question, Turn
from workbench.inference.classifier import ClassifierAnswerer
from workbench.inference.errors import ModelError
from workbench.inference.heads import family_of
from workbench.protocol import FormatFound, Values
from workbench.session import Prompt, TrainingSettings


class RewardAnswerer(ClassifierAnswerer):
    """Reads turns and an answer to them as in training: of a conversation the last turn is the
    answer; of a row it is the chosen one.

    `grades`: the number that it answers with is compared with nothing."""

    grades = True

    @cached_property
    def encoder(self) -> Encoder:
        training = self.run.training if self.run else TrainingSettings()
        training = replace(training, max_length=max(8, self.longest), overlong="cut")
        return scoring(self.loaded.tokenizer, Prompt(), GIVEN, training, self.both_ways)

    @property
    def both_ways(self) -> bool:
        return family_of(self.loaded.base.config) == "encoder"

    @override
    def row_ids(
        self,
        prompt: Prompt,
        found: FormatFound,
        values: Values,
        _examples: Sequence[Values] = (),
    ) -> list[int]:
        if found.format != "preference" or prompt.template.strip():
            return self.question(prompt_turns(prompt, found, values), prompt.answer_start).ids
        return self.pair_ids(prompt, found, values)[0]

    def pair_ids(self, prompt: Prompt, found: FormatFound, values: Values) -> list[list[int]]:
        """The tokens of a row's chosen answer and of its rejected one, as they are learnt.

        Raises:
            PromptError: where nothing of an answer is left.
        """
        encoder = scoring(
            self.loaded.tokenizer, prompt, found, self.encoder.training, self.both_ways
        )
        return pair_ids(encoder, values)

    def numbers(
        self, rows: Sequence[Sequence[int]], between: Callable[[], None] = lambda: None
    ) -> list[float]:
        """What it gives to each of those answers; `between` is called between batches.

        Raises:
            ModelError: where a number is none.
        """
        found = [0.0] * len(rows)
        for batch in self.batches(rows):
            between()
            given = self.logits([rows[one] for one in batch])[:, 0].tolist()
            for one, value in zip(batch, given, strict=True):
                if value - value != 0:
                    raise ModelError(f"{self.name} gives {value} for an answer; use another.")
                found[one] = value
        return found

    def ids_of(self, turns: Sequence[Turn], answer: str) -> list[int]:
        """The tokens of an answer to turns, as they are learnt.

        Raises:
            PromptError: where nothing of the answer is left.
        """
        return scored_ids(self.encoder, list(turns), answer)

    @override
    def question(self, turns: Sequence[Turn], start: str = "") -> Question:
        given = list(turns)
        answer = start or (str(given.pop()["content"]) if len(given) > 1 else "")
        if not answer:
            raise PromptError(
                f"{self.name} gives an answer a number, and there is none: write it after the "
                "question, as the last turn or as what the answer starts with."
            )
        return Question(turns=list(turns), start=start, ids=scored_ids(self.encoder, given, answer))
