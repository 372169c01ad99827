"""From a row to what is learnt from it: token ids, and on which of them there is a loss.

The one path that the trainer, the token view and the lengths all take. Knows formats, wordings and
tokenizers; knows nothing of models or of the training loop.
"""

from typing import Any

from workbench.data import wordings
from workbench.data.conversation import Conversation
from workbench.data.prompting import (
    IGNORED,
    Example,
    PromptError,
    answered,
    cut_example,
    encode_answer,
    encode_prompt,
    encode_turns,
)
from workbench.data.roles import Turn, as_roles
from workbench.protocol import FormatFound
from workbench.session import Prompt, TrainingSettings

__all__ = ["Encoder", "Example", "prompt_ids"]

SHOWN = 64  # tokens of a text's beginning that go on as a prompt


class Encoder:
    """Encodes rows of one format for one tokenizer.

    Raises:
        PromptError: where the wording says no answer to learn.
    """

    def __init__(
        self, tokenizer: Any, prompt: Prompt, found: FormatFound, training: TrainingSettings
    ) -> None:
        self.tokenizer, self.found, self.training = tokenizer, found, training
        self.prompt = wordings.in_use(found, prompt)
        self.given = prompt  # as the prompt pane has it
        self.conversation = Conversation(tokenizer)
        if found.format in wordings.WORDED and not self.prompt.completion.strip():
            raise PromptError(
                f'The prompt "{prompt.name}" has no completion to learn; set it to the right '
                "answer, such as {{ label }}."
            )

    def encode(self, values: dict[str, Any]) -> list[Example]:
        """What the trainer gets from a row: one example; of a preference the chosen answer's and
        the rejected one's; of a text that is split, its parts; none where the row is dropped.

        Raises:
            PromptError: when the row cannot be filled or encoded.
        """
        return [one for whole in self.whole(values) for one in self.fit(whole)]

    def whole(self, values: dict[str, Any]) -> list[Example]:
        """The same with all tokens, whatever max_length is."""
        found = self.found
        if found.format == "text":
            return [self.text(str(as_roles(found, values)["text"]))]
        if found.format in wordings.WORDED and not wordings.are_chats(found, values):
            turns, answer = wordings.asked(found, self.prompt, wordings.spoken(found, values))
            return [self.answered(turns, answer)]
        shape = as_roles(found, values)
        if found.format == "preference":
            return [self.preferred(shape, name) for name in ("chosen", "rejected")]
        if "messages" in shape:
            turns = wordings.with_system(shape["messages"], self.given)
            return [self.conversation.encode(turns, shape.get("tools"))]
        return [self.completed(turns_in(shape), shape["completion"], "example")]

    def fit(self, whole: Example) -> list[Example]:
        """An example within max_length, as `training.overlong` says."""
        longest = self.training.max_length
        if len(whole.input_ids) <= longest:
            return [whole]
        if self.training.overlong == "drop":
            return []
        if self.training.overlong == "split" and self.found.format == "text":
            starts = range(0, len(whole.input_ids), longest)
            return [
                Example(
                    input_ids=whole.input_ids[start : start + longest],
                    labels=[IGNORED, *whole.labels[start + 1 : start + longest]],
                    name=f"part {number} of {len(starts)}",
                    full_length=whole.full_length,
                )
                for number, start in enumerate(starts, 1)
            ]
        return [cut_example(whole, longest)]

    def text(self, text: str) -> Example:
        """A text and the token that ends it, with a loss on all but the first token."""
        ids = list(self.tokenizer(text, add_special_tokens=True)["input_ids"])
        end = self.tokenizer.eos_token_id
        if end is not None and ids[-1:] != [end]:
            ids.append(end)
        return Example(input_ids=ids, labels=[IGNORED, *ids[1:]], full_length=len(ids))

    def answered(self, turns: list[Turn], answer: str, name: str = "example") -> Example:
        """Turns as generation sends them, and the answer with the token that ends it."""
        given = encode_turns(self.tokenizer, turns)
        return answered(
            self.tokenizer, given, encode_answer(self.tokenizer, self.prompt, answer), name
        )

    def preferred(self, shape: dict[str, Any], name: str) -> Example:
        """The prompt with the chosen or with the rejected answer."""
        if isinstance(shape["prompt"], str) and isinstance(shape[name], str):
            turns = wordings.with_system(turns_in(shape), self.given)
            return self.answered(turns, shape[name].strip(), name)
        return self.completed(turns_in(shape), shape[name], name)

    def completed(self, before: list[Turn], answer: list[Turn] | str, name: str) -> Example:
        """Turns, and the turns that answer them, with a loss on these alone."""
        if isinstance(answer, str):
            answer = [{"role": "assistant", "content": answer}]
        before = wordings.with_system(before, self.given)
        return self.conversation.encode([*before, *answer], after=len(before), name=name)


def turns_in(shape: dict[str, Any]) -> list[Turn]:
    """The turns before an answer, with the row's own system text first."""
    prompt = shape.get("prompt") or []
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if shape.get("system") and not (turns and turns[0]["role"] == "system"):
        turns.insert(0, {"role": "system", "content": shape["system"]})
    return turns


def prompt_ids(
    tokenizer: Any, prompt: Prompt, found: FormatFound, values: dict[str, Any]
) -> list[int]:
    """What a model gets of a row to answer it: the prompt pane's wording where it is filled, else
    the row up to where its last answer begins; of a text, its beginning.

    Raises:
        PromptError: when the row has no such beginning.
    """
    if prompt.template.strip() or found.format == "wording":
        return encode_prompt(tokenizer, prompt, values)
    if found.format == "text":
        ids = list(tokenizer(as_roles(found, values)["text"], add_special_tokens=True)["input_ids"])
        return ids[: max(1, min(SHOWN, len(ids) // 2))]
    if found.format in wordings.WORDED and not wordings.are_chats(found, values):
        used = wordings.in_use(found, prompt)
        return encode_turns(
            tokenizer, wordings.asked(found, used, wordings.spoken(found, values))[0]
        )
    shape = as_roles(found, values)
    if "messages" not in shape:
        return encode_turns(tokenizer, wordings.with_system(turns_in(shape), prompt))
    turns = wordings.with_system(shape["messages"], prompt)
    last = max((n for n, turn in enumerate(turns) if turn["role"] == "assistant"), default=-1)
    if last < 1:
        raise PromptError("The conversation holds no answer of the assistant to a turn before it.")
    return Conversation(tokenizer).head(turns[:last], shape.get("tools"))
