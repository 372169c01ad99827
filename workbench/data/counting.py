"""How many tokens the examples of many rows have, as fast as the tokenizer itself.

Each text is put together without its chat template where that only puts words around it, and
whole blocks are encoded at once. The result is the Encoder's, row for row: a template that cannot
be taken apart goes the Encoder's own way, and so does everything once a sampled row differs.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from workbench.data.examples import Encoder, Said
from workbench.data.pairing import Pairing
from workbench.data.prompting import PromptError, before_answer, end_of_turn, plain_text
from workbench.data.reading import Reading
from workbench.data.roles import Turn
from workbench.data.skeleton import Skeleton, find

CHECKED_FIRST = 16  # rows of the first block that are compared with the Encoder's own length
CHECKED = 2  # rows of each later block
SHAPES = 128  # conversations of different roles for which a skeleton is kept
KNOWN_ANSWERS = 100_000  # whose lengths are kept: labels come again and again


class Counter:
    """Counts the tokens of rows for one Encoder."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.tokenizer = encoder.tokenizer
        self.backend = encoder.tokenizer.backend_tokenizer
        self.exact = False  # count with the Encoder itself
        self.skeletons: dict[tuple[Any, ...], Skeleton | None] = {}
        self.answers: dict[str, int] = {}
        self.end = len(end_of_turn(self.tokenizer))
        self.checked = 0
        eos = self.tokenizer.eos_token_id
        closed = list(self.tokenizer("x", add_special_tokens=True)["input_ids"])[-1:]
        # Where the tokenizer closes texts itself, or a text may hold the end, ids have to be seen.
        self.closes = eos is not None and closed == [eos]
        self.eos = self.tokenizer.eos_token or ""

    def lengths(self, rows: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
        """Of each row its tokens and, of these, those before the first with a loss (-1: only the
        Encoder can say). Of a preference, the chosen answer's.

        Raises:
            PromptError: when a row cannot be filled or encoded.
        """
        said = [self.encoder.said(values)[0] for values in rows]
        if not self.exact:
            found = self.fast(said)
            count = CHECKED if self.checked else CHECKED_FIRST
            self.checked += 1
            step = max(len(said) // count, 1)
            sample = range(0, len(said), step)
            if all(found[index][0] == self.slow(said[index])[0] for index in sample):
                return found
            self.exact = True
        return [self.slow(one) for one in said]

    def slow(self, said: Said) -> tuple[int, int]:
        example = self.encoder.whole(said)
        if isinstance(self.encoder, Reading):  # of each of its tokens something can be learnt
            return len(example.input_ids), 0
        first = next((n for n, label in enumerate(example.labels) if label >= 0), -2)
        return len(example.input_ids), first if first >= 0 else len(example.input_ids)

    # --- texts ------------------------------------------------------------------------------

    def fast(self, said: list[Said]) -> list[tuple[int, int]]:
        """The same for a block, each text encoded once."""
        if isinstance(self.encoder, Reading):
            texts = [str(one.text) for one in said]
            return [(len(made), 0) for made in self.encoded(texts, special=True)]
        if isinstance(self.encoder, Pairing):
            return [self.slow(one) for one in said]
        if self.encoder.found.format == "text":
            return [(count, 1) for count in self.texts([str(one.text) for one in said])]
        if all(one.answer is not None for one in said):
            return self.answered(said)
        if not self.encoder.conversation.has_template:
            return [self.slow(one) for one in said]
        return self.conversations(said)

    def encoded(self, texts: list[str], special: bool) -> list[Any]:
        self.backend.no_truncation()
        self.backend.no_padding()
        return list(self.backend.encode_batch_fast(texts, add_special_tokens=special))

    def texts(self, texts: list[str]) -> list[int]:
        found = []
        for text, made in zip(texts, self.encoded(texts, special=True), strict=True):
            ends = self.closes or (self.eos and self.eos in text)
            closed = ends and made.ids[-1:] == [self.tokenizer.eos_token_id]
            found.append(len(made) + (not closed and self.tokenizer.eos_token_id is not None))
        return found

    def answered(self, said: list[Said]) -> list[tuple[int, int]]:
        """Prompts, and answers with the token that ends each."""
        if self.encoder.conversation.has_template:
            texts = [self.written(one, head=True) + one.start for one in said]
            given = [len(made) for made in self.encoded(texts, special=False)]
        else:
            given = self.prompts([plain_text(one.turns, one.start) for one in said])
        answers = [str(one.answer) for one in said]
        fresh = list(dict.fromkeys(one for one in answers if one not in self.answers))
        if len(self.answers) + len(fresh) > KNOWN_ANSWERS:
            self.answers.clear()
            fresh = list(dict.fromkeys(answers))
        before = before_answer(self.tokenizer, self.encoder.prompt)
        made = self.encoded([before + one for one in fresh], special=False)
        self.answers.update(zip(fresh, map(len, made), strict=True))
        lengths = [self.answers[one] for one in answers]
        return [
            (count + length + self.end, count) for count, length in zip(given, lengths, strict=True)
        ]

    def prompts(self, texts: list[str]) -> list[int]:
        """Tokens of plain prompts, without those that the tokenizer closes a text with."""
        found = []
        for text, made in zip(texts, self.encoded(texts, special=True), strict=True):
            count = len(made)
            if self.closes or (self.eos and self.eos in text):
                ids = made.ids
                while count > 1 and ids[count - 1] == self.tokenizer.eos_token_id:
                    count -= 1
            if not count:
                raise PromptError("The prompt is empty; write a template.")
            found.append(count)
        return found

    def conversations(self, said: list[Said]) -> list[tuple[int, int]]:
        """Whole conversations; where their first answer begins, only the Encoder can say."""
        texts = [self.written(one, head=False) for one in said]
        return [(len(made), -1) for made in self.encoded(texts, special=False)]

    def written(self, said: Said, head: bool) -> str:
        """What the chat template writes for the turns."""
        conversation, turns = self.encoder.conversation, said.turns
        plain = said.tools is None and all(len(turn) == 2 for turn in turns)
        key = (tuple(turn["role"] for turn in turns), bool(said.after), head)
        if plain and key not in self.skeletons and len(self.skeletons) < SHAPES:
            render = partial(self.render, turns, said.after, head)
            self.skeletons[key] = find(render, len(turns))
        skeleton = self.skeletons.get(key) if plain else None
        if skeleton is None:
            return conversation.text(turns, said.tools, after=said.after, head=head)
        return skeleton.fill([turn["content"] for turn in turns])

    def render(self, turns: list[Turn], after: int, head: bool, contents: Sequence[str]) -> str:
        changed = [{**turn, "content": one} for turn, one in zip(turns, contents, strict=True)]
        return self.encoder.conversation.text(changed, None, after=after, head=head)
