"""From a row to what is learnt from it: token ids, and on which of them there is a loss.

The one path that the trainer, the token view and the lengths all take. Knows formats, wordings and
tokenizers; knows nothing of models or of the training loop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data import prompting, wordings
from workbench.data.conversation import Conversation
from workbench.data.prompting import (
    IGNORED,
    Example,
    PromptError,
    answered,
    cut_example,
    encode_answer,
    encode_turns,
)
from workbench.data.roles import Turn, as_roles
from workbench.protocol import FormatFound
from workbench.session import Prompt, TrainingSettings

__all__ = [
    "Encoder",
    "Example",
    "Examples",
    "Said",
    "expected_answer",
    "prompt_ids",
    "prompt_turns",
]

Examples = Callable[[dict[str, Any]], Sequence[dict[str, Any]]]  # of a row: the rows before it
SHOWN = 64  # tokens of a text's beginning that go on as a prompt


@dataclass(frozen=True)
class Said:
    """What an example says before it is tokens: a text; turns and the answer to them; or a
    conversation with a loss on what the assistant says in it from the turn `after` on."""

    name: str = "example"
    text: str | None = None
    turns: list[Turn] = field(default_factory=list)
    answer: str | None = None
    after: int = 0
    tools: list[Any] | None = None
    start: str = ""  # what the answer begins with: given, not learnt

    @property
    def contents(self) -> list[str]:
        """All texts of the row in it."""
        alone = [one for one in (self.text, self.answer) if one is not None]
        return [*(turn["content"] for turn in self.turns), *alone]


class Encoder:
    """Encodes rows of one format for one tokenizer.

    `examples` says which rows stand before a row as examples of the wording.

    Raises:
        PromptError: where the wording says no answer to learn.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt: Prompt,
        found: FormatFound,
        training: TrainingSettings,
        examples: Examples | None = None,
    ) -> None:
        self.tokenizer, self.found, self.training = tokenizer, found, training
        self.examples = examples or no_examples
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
        return [one for said in self.said(values) for one in self.fit(self.whole(said))]

    def said(self, values: dict[str, Any]) -> list[Said]:
        """What the examples of a row say.

        Raises:
            PromptError: when the row cannot be filled.
        """
        found = self.found
        if found.format in wordings.WORDED and not wordings.are_chats(found, values):
            turns, answer = wordings.asked(
                found, self.prompt, wordings.spoken(found, values), self.examples(values)
            )
            return [Said(turns=turns, answer=answer, start=self.prompt.answer_start)]
        shape = as_roles(found, values)
        if found.format == "text":
            return [Said(text=shape["text"])]
        if "messages" in shape:
            turns = wordings.with_system(shape["messages"], self.given)
            return [Said(turns=turns, tools=shape.get("tools"))]
        before = wordings.with_system(turns_in(shape), self.given)
        names = ("chosen", "rejected") if found.format == "preference" else ("completion",)
        return [replying(before, shape[name], name) for name in names]

    def whole(self, said: Said) -> Example:
        """All tokens of what an example says, whatever max_length is.

        Raises:
            PromptError: when the chat template refuses it.
        """
        if said.text is not None:
            return self.text(said.text)
        if said.answer is None:
            return self.conversation.encode(
                said.turns, said.tools, after=said.after, name=said.name
            )
        given = encode_turns(self.tokenizer, said.turns, said.start)
        learnt = encode_answer(self.tokenizer, self.prompt, said.answer)
        return answered(self.tokenizer, given, learnt, said.name)

    def fit(self, whole: Example) -> list[Example]:
        """An example within max_length, as `training.overlong` says."""
        longest = self.training.max_length
        if len(whole.input_ids) <= longest:
            return [whole]
        if self.training.overlong == "drop":
            return []
        if self.training.overlong == "split" and self.found.format == "text":
            parts = list(pieces(len(whole.input_ids), longest))
            return [
                Example(
                    input_ids=whole.input_ids[start:stop],
                    labels=[IGNORED, *whole.labels[start + 1 : stop]],
                    name=f"part {number} of {len(parts)}",
                    full_length=whole.full_length,
                )
                for number, (start, stop) in enumerate(parts, 1)
            ]
        return [cut_example(whole, longest)]

    def text(self, text: str) -> Example:
        """A text and the token that ends it, with a loss on all but the first token."""
        ids = list(self.tokenizer(text, add_special_tokens=True)["input_ids"])
        end = self.tokenizer.eos_token_id
        if end is not None and ids[-1:] != [end]:
            ids.append(end)
        return Example(input_ids=ids, labels=[IGNORED, *ids[1:]], full_length=len(ids))


def pieces(length: int, longest: int) -> Iterator[tuple[int, int]]:
    """A long text in pieces, as start and stop: no token is lost, and none is in two of them.

    A last token all by itself could not be learnt, as nothing would stand before it: the piece
    before it leaves it one more.
    """
    start = 0
    while start < length:
        stop = min(start + longest, length)
        if stop == length - 1:
            stop -= 1
        yield start, stop
        start = stop


def replying(before: list[Turn], answer: list[Turn] | str, name: str) -> Said:
    """Turns and the reply to them, a text or turns of its own."""
    name = "example" if name == "completion" else name
    if isinstance(answer, str):
        return Said(name=name, turns=before, answer=answer.strip())
    return Said(name=name, turns=[*before, *answer], after=len(before))


def turns_in(shape: dict[str, Any]) -> list[Turn]:
    """The turns before an answer, with the row's own system text first."""
    prompt = shape["prompt"]
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    if shape.get("system") and not (turns and turns[0]["role"] == "system"):
        turns.insert(0, {"role": "system", "content": shape["system"]})
    return turns


def no_examples(_values: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return ()


def prompt_turns(
    prompt: Prompt,
    found: FormatFound,
    values: dict[str, Any],
    examples: Sequence[dict[str, Any]] = (),
) -> list[Turn]:
    """The turns that a model on a server gets of a row; see `prompt_ids`.

    Raises:
        PromptError: when the row has no such beginning.
    """
    if prompt.template.strip() or found.format == "wording":
        return list(prompting.messages(wordings.in_use(found, prompt), values, examples))
    if found.format == "text":
        text = as_roles(found, values)["text"]
        return [{"role": "user", "content": text[: max(1, len(text) // 2)]}]
    if found.format in wordings.WORDED and not wordings.are_chats(found, values):
        used = wordings.in_use(found, prompt)
        return wordings.asked(found, used, wordings.spoken(found, values), examples)[0]
    shape = as_roles(found, values)
    if "messages" not in shape:
        return wordings.with_system(turns_in(shape), prompt)
    turns = wordings.with_system(shape["messages"], prompt)
    last = max((n for n, turn in enumerate(turns) if turn["role"] == "assistant"), default=-1)
    if last < 1:
        raise PromptError("The conversation holds no answer of the assistant to a turn before it.")
    return turns[:last]


def prompt_ids(
    tokenizer: Any,
    prompt: Prompt,
    found: FormatFound,
    values: dict[str, Any],
    examples: Sequence[dict[str, Any]] = (),
) -> list[int]:
    """What a model gets of a row to answer it: the prompt pane's wording where it is filled, else
    the row up to where its last answer begins; of a text, its beginning.

    Raises:
        PromptError: when the row has no such beginning.
    """
    if getattr(tokenizer, "encoder_decoder", ""):
        from workbench.data.pairing import speak, worded

        speak(tokenizer, found)
        prompt = worded(tokenizer, found, prompt)
    if found.format == "text" and not prompt.template.strip():
        ids = list(tokenizer(as_roles(found, values)["text"], add_special_tokens=True)["input_ids"])
        return ids[: max(1, min(SHOWN, len(ids) // 2))]
    turns = prompt_turns(prompt, found, values, examples)
    if prompt.template.strip() or found.format == "wording":
        return encode_turns(tokenizer, turns, prompt.answer_start)
    if found.format in wordings.WORDED and not wordings.are_chats(found, values):
        return encode_turns(tokenizer, turns, prompt.answer_start)
    shape = as_roles(found, values)
    if isinstance(shape.get("chosen", ""), str) and found.format == "preference":
        return encode_turns(tokenizer, turns)
    return Conversation(tokenizer).head(turns, shape.get("tools"))


def expected_answer(prompt: Prompt, found: FormatFound, values: dict[str, Any]) -> str:
    """The right answer to what `prompt_ids` asks, without spaces around it.

    Raises:
        PromptError: where the row has none.
    """
    if found.format in wordings.WORDED and not wordings.are_chats(found, values):
        used = wordings.in_use(found, prompt)
        return wordings.asked(found, used, wordings.spoken(found, values))[1]
    if found.format == "text":
        raise PromptError(
            "A text has no answer to measure against; write a template and a completion, or see "
            "eval_loss and eval_perplexity of a run on it: each run tells them of the weights "
            "before it, too."
        )
    shape = as_roles(found, values)
    return last_said(shape.get("messages") or shape.get("chosen") or shape.get("completion") or "")


def rejected_answer(found: FormatFound, values: dict[str, Any]) -> str:
    """The worse of a row's two answers, without spaces around it; empty where it has none."""
    return last_said(as_roles(found, values).get("rejected") or "")


def last_said(said: Any) -> str:
    """A text, or the last thing that an assistant says in turns."""
    if isinstance(said, list):
        said = next((one["content"] for one in reversed(said) if one["role"] == "assistant"), "")
    return str(said).strip()
