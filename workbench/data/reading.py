"""From a row to what a model reads at once: a classifier's text, or one with words to guess.

Such a model gets no chat's words around the text: the wording's template where it is filled, else
the text of the row. Knows formats, wordings and tokenizers; knows nothing of models.
"""

from collections.abc import Iterator
from typing import Any, Literal

from msgspec.structs import replace
from typing_extensions import override

from workbench.data import wordings
from workbench.data.conversation import Conversation
from workbench.data.examples import Encoder, Examples, Said, no_examples
from workbench.data.pairing import Pairing, around
from workbench.data.prompting import IGNORED, Example, PromptError, render
from workbench.data.roles import as_roles, text_of
from workbench.protocol import FormatFound
from workbench.session import Prompt, TrainingSettings

Reads = Literal["label", "words"]  # what is learnt: of the whole row, or of some of its words
MADE_BY = {"label": "with one loss for the row as a whole", "words": "with a loss on those hidden"}


class Reading(Encoder):
    """Encodes rows of one format for a model that reads."""

    def __init__(
        self,
        tokenizer: Any,
        prompt: Prompt,
        found: FormatFound,
        training: TrainingSettings,
        reads: Reads = "label",
    ) -> None:
        self.tokenizer, self.found, self.training = tokenizer, found, training
        self.given, self.prompt = prompt, wordings.in_use(found, prompt)
        self.examples, self.reads = no_examples, reads
        self.conversation = Conversation(tokenizer)
        self.opening, self.closing = around(tokenizer)

    @property
    def how(self) -> str:
        """How a row becomes tokens, in a sentence."""
        what = "The filled template" if self.given.template.strip() else "The row's text"
        hidden = ", some words of it hidden anew in each epoch" if self.reads == "words" else ""
        return f"{what} as the tokenizer encodes it{hidden}; {MADE_BY[self.reads]}."

    @override
    def said(self, values: dict[str, Any]) -> list[Said]:
        return [Said(text=text_read(self.found, self.given, values))]

    @override
    def whole(self, said: Said) -> Example:
        made = self.tokenizer(str(said.text), add_special_tokens=True)
        ids = list(made["input_ids"])
        if self.reads == "label":
            return Example(ids, [IGNORED] * len(ids), full_length=len(ids), scored=True)
        words = words_of(made)
        labels = [one if word >= 0 else IGNORED for one, word in zip(ids, words, strict=True)]
        return Example(ids, labels, full_length=len(ids), words=words)

    @override
    def fit(self, whole: Example) -> list[Example]:
        """As for a model that writes, but each part opens and closes as the whole does."""
        count, longest = len(whole.input_ids), self.training.max_length
        if count <= longest:
            return [whole]
        if self.training.overlong == "drop":
            return []
        first, last = self.opening, count - self.closing
        room = max(1, longest - self.opening - self.closing)
        if self.training.overlong != "split" or self.reads != "words":
            return [self.part(whole, first, first + room, cut=True)]
        starts = range(first, last, room)
        return [
            self.part(whole, at, min(at + room, last), name=f"part {number} of {len(starts)}")
            for number, at in enumerate(starts, 1)
        ]

    def part(
        self, whole: Example, start: int, stop: int, *, cut: bool = False, name: str = "example"
    ) -> Example:
        count = len(whole.input_ids)
        kept = [*range(self.opening), *range(start, stop), *range(count - self.closing, count)]
        return Example(
            input_ids=[whole.input_ids[one] for one in kept],
            labels=[whole.labels[one] for one in kept],
            cut=cut,
            name=name,
            full_length=count,
            scored=whole.scored,
            words=[whole.words[one] for one in kept] if whole.words else (),
        )


def encoder_of(  # noqa: PLR0917
    tokenizer: Any,
    prompt: Prompt,
    found: FormatFound,
    training: TrainingSettings,
    examples: Examples | None,
    reads: bool,
) -> Encoder:
    """What makes of rows what the trainer gets. `reads`: the model reads each as one text.

    Raises:
        PromptError: where the wording says no answer to learn.
    """
    if not reads and bool(getattr(tokenizer, "encoder_decoder", "")):
        return Pairing(tokenizer, prompt, found, training, examples)
    if not reads:
        return Encoder(tokenizer, prompt, found, training, examples)
    words = training.task == "masked_lm" or (
        training.task == "auto" and found.format not in ("classification", "wording")
    )
    return Reading(tokenizer, prompt, found, training, "words" if words else "label")


def to_its_end(training: TrainingSettings, found: FormatFound, reads: bool) -> TrainingSettings:
    """The settings as they hold for a row: in continued pre-training a document is read to its end,
    in pieces. `reads`: the model reads a row as one text."""
    if found.format != "text" or reads or training.task not in ("auto", "pretraining"):
        return training
    return replace(training, overlong="split")


def text_read(found: FormatFound, prompt: Prompt, values: dict[str, Any]) -> str:
    """What is read of a row.

    Raises:
        PromptError: where the row has no text.
    """
    if found.format in wordings.WORDED and not wordings.are_chats(found, values):
        if prompt.template.strip():
            return render(prompt.template, wordings.spoken(found, values))
        if found.format == "wording":
            raise PromptError("The prompt is empty; write a template, or name a column for text.")
        if found.format != "classification":
            used = wordings.in_use(found, prompt)
            return render(used.template, wordings.spoken(found, values))
    return "\n".join(texts_in(as_roles(found, values)))


def texts_in(shape: dict[str, Any]) -> Iterator[str]:
    """The texts of a row in its format's shape, one after another; no label."""
    for name, value in shape.items():
        if isinstance(value, list):
            yield from (text_of(one.get("content")) for one in value if isinstance(one, dict))
        elif name not in ("label", "tools"):
            yield text_of(value)


def words_of(made: Any) -> list[int]:
    """The word that each token is a piece of, counted from 0; -1: of none."""
    found = [-1 if word is None else word for word in made.word_ids(0)]
    if max(found, default=0) > 0 or len(found) < 4:
        return found
    # The tokenizer takes the text for one word, and marks where words begin in its tokens.
    count = -1
    words = []
    for token, word in zip(made.tokens(0), found, strict=True):
        count += word >= 0 and (token.startswith(("▁", "Ġ")) or count < 0)
        words.append(count if word >= 0 else -1)
    return words
