"""A masked language model answers: with the words where the prompt has its mask token."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from typing_extensions import override

from workbench.inference.errors import ModelError
from workbench.inference.reader import Reader
from workbench.protocol import Option, Token


class MaskedAnswerer(Reader):
    """Answers with the likeliest token for each mask of the prompt."""

    @cached_property
    def mask(self) -> int:
        return int(self.loaded.tokenizer.mask_token_id)

    @cached_property
    def space(self) -> str:
        """What stands before a word in the tokenizer's eyes: a space, where it tells them apart."""
        tokenizer = self.loaded.tokenizer
        one, other = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("a", " a"))
        return " " if one != other else ""

    @override
    def tokens(self, rows: Sequence[Sequence[int]], alternatives: int) -> list[list[Token]]:
        if any(self.mask not in row for row in rows):
            raise self.no_mask()
        found = []
        for row, logits in zip(rows, self.logits(rows), strict=True):
            masks = [place for place, one in enumerate(row) if one == self.mask]
            found.append([self.word(one, alternatives) for one in logits[masks].log_softmax(-1)])
        return found

    def word(self, logprobs: torch.Tensor, alternatives: int) -> Token:
        best = logprobs.topk(max(1, alternatives))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        options = [Option(n, self.text(n), value) for n, value in pairs]
        first = options[0]
        return Token(first.id, first.text, first.logprob, options if alternatives else [])

    def text(self, number: int) -> str:
        return str(self.loaded.tokenizer.decode([number])).strip()

    @override
    def joined(self, tokens: Sequence[Token]) -> str:
        return " ".join(token.text for token in tokens)

    def no_mask(self) -> ModelError:
        return ModelError(
            f"{self.name} guesses hidden words: write {self.loaded.tokenizer.mask_token} in the "
            "prompt's template where the word stands that it shall guess."
        )

    @override
    def log_probabilities(
        self, rows: Sequence[Sequence[int]], answers: Sequence[str]
    ) -> list[list[float]]:
        """In place of the one mask of a prompt. An answer of several tokens has as many masks, and
        its log-probability is the sum of theirs."""
        if any(self.mask not in row for row in rows):
            raise self.no_mask()
        if any(list(row).count(self.mask) > 1 for row in rows):
            raise ModelError(
                "The probability of an answer is known where the prompt has one mask token, and "
                "this one has several; leave one, or set evaluation.answer to write."
            )
        pieces = [self.pieces(answer) for answer in answers]
        guessed = {count: self.guessed(rows, count) for count in {len(ids) for ids in pieces}}
        return [
            [float(guessed[len(ids)][row, range(len(ids)), ids].sum()) for ids in pieces]
            for row in range(len(rows))
        ]

    def guessed(self, rows: Sequence[Sequence[int]], count: int) -> torch.Tensor:
        """Log-probabilities for that many masks in place of the one: [rows, count, words]."""
        places = [list(row).index(self.mask) for row in rows]
        wide: list[Any] = [
            [*row[:at], *[self.mask] * count, *row[at + 1 :]]
            for row, at in zip(rows, places, strict=True)
        ]
        if max(map(len, wide)) > self.loaded.context_length:
            raise ModelError(f"A prompt has no room for an answer of {count} tokens; shorten it.")
        logits = self.logits(wide)
        kept = [logits[row, at : at + count] for row, at in enumerate(places)]
        return torch.stack(kept).log_softmax(-1)

    def pieces(self, answer: str) -> list[int]:
        text = self.space + answer.strip()
        ids = list(self.loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise ModelError("An empty answer has no probability; leave such rows out.")
        return ids
