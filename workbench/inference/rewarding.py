"""A reward model answers: with the number that it gives an answer to what was asked."""

from collections.abc import Sequence
from functools import cached_property

from msgspec.structs import replace
from typing_extensions import override

from workbench.data.examples import Encoder, prompt_turns
from workbench.data.prompting import PromptError
from workbench.data.scored import GIVEN, chosen_ids, scored_ids, scoring
from workbench.inference.answering import Question, Turn
from workbench.inference.classifier import ClassifierAnswerer
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
        encoder = scoring(
            self.loaded.tokenizer, prompt, found, self.encoder.training, self.both_ways
        )
        return chosen_ids(encoder, values)

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
