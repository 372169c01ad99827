"""A prompt and an answer as one text that a reward model gives a number to.

Knows wordings and tokenizers; knows nothing of models.
"""

from typing import Any

from typing_extensions import override

from workbench.data.examples import Encoder, Said
from workbench.data.prompting import IGNORED, Example, PromptError, plain_text
from workbench.data.roles import Turn
from workbench.protocol import FormatFound
from workbench.session import Prompt, TrainingSettings

GIVEN = FormatFound(  # turns and an answer, whatever a row is
    format="preference",
    recognised="preference",
    mapping={"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
    roles=[],
    why="",
)


def scoring(
    tokenizer: Any,
    prompt: Prompt,
    found: FormatFound,
    training: TrainingSettings,
    both_ways: bool,
) -> Encoder:
    """What encodes prompts and answers for a reward model; `both_ways`: one made from an encoder,
    which gets them as two texts."""
    kind = TwoTexts if both_ways else Encoder
    return kind(tokenizer, prompt, found, training)


class TwoTexts(Encoder):
    """Encodes prompt and answer as a pair of texts, as encoders (BERT and its kin) know it."""

    @override
    def encode(self, values: dict[str, Any]) -> list[Example]:
        return [made for said in self.said(values) if (made := self.paired(said)) is not None]

    def paired(self, said: Said) -> Example | None:
        """None where it is too long and such rows are dropped."""
        before, answer = said.turns, said.answer
        if answer is None:
            before = said.turns[: said.after]
            answer = plain_text(said.turns[said.after :])
        first, longest = plain_text(before), self.training.max_length
        made = self.tokenizer(first, answer)
        full, cut = len(made["input_ids"]), False
        if full > longest:
            if self.training.overlong == "drop":
                return None
            cut = True
            made = self.tokenizer(first, answer, truncation="longest_first", max_length=longest)
        ids = list(made["input_ids"])
        texts = made.sequence_ids(0)
        start = texts.index(1) if 1 in texts else len(ids)
        labels = [IGNORED] * start + ids[start:]  # with the token that closes both
        return Example(ids, labels, cut=cut, name=said.name, full_length=full)


def scored_ids(encoder: Encoder, turns: list[Turn], answer: str) -> list[int]:
    """The tokens of an answer to turns, as they are learnt."""
    row = {
        "prompt": turns,
        "chosen": [{"role": "assistant", "content": answer}],
        "rejected": [{"role": "assistant", "content": answer}],
    }
    return chosen_ids(encoder, row)


def chosen_ids(encoder: Encoder, row: dict[str, Any]) -> list[int]:
    """The tokens of a row's chosen answer.

    Raises:
        PromptError: where nothing of the answer is left within max_length.
    """
    return pair_ids(encoder, row)[0]


def pair_ids(encoder: Encoder, row: dict[str, Any]) -> list[list[int]]:
    """The tokens of a row's chosen answer and of its rejected one, each up to its end: what a
    template writes after that is not learnt.

    Raises:
        PromptError: where nothing of an answer is left within max_length.
    """
    return [up_to_its_end(encoder, made) for made in encoder.encode(row)]


def up_to_its_end(encoder: Encoder, made: Example) -> list[int]:
    last = max((n for n, label in enumerate(made.labels) if label != IGNORED), default=-1)
    if last < 0:
        raise PromptError(
            f"Nothing of the answer is left within {encoder.training.max_length} tokens; shorten "
            "the prompt."
        )
    return made.input_ids[: last + 1]
