"""Answers token by token: one row or many, each until it ends, is full, or is stopped.

Knows tokens, probabilities and text; knows nothing of prompts or of how their rows were read.
Probabilities are the model's own, before temperature, penalties and constraints.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from tokenizers.decoders import DecodeStream

from workbench.inference.constraints import Matcher
from workbench.inference.model import LoadedModel
from workbench.inference.sampling import Sampler
from workbench.protocol import Option, Token


class Steps(Protocol):
    """Rows under way in a model: what `States` holds, or an encoder-decoder's."""

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """One more token for each row; logits of what comes next, float32 [rows, words]."""

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""


OnPiece = Callable[[str, int, list[Token]], None]  # text, number of tokens, the tokens in detail


def unheard(_text: str, _count: int, _tokens: list[Token]) -> None:
    """For an answer that nobody watches."""


@dataclass
class Writing:
    """An answer under way: after `prompt`, of at most `room` tokens."""

    loaded: LoadedModel
    prompt: Sequence[int]
    room: int
    matcher: Matcher | None = None
    random: torch.Generator | None = None
    alternatives: int = 0  # told with each token; 0: no token is told in detail
    on_piece: OnPiece = unheard
    ids: list[int] = field(default_factory=list)
    text: str = ""
    logprob: float = 0.0
    detail: list[Token] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    complete: bool = False  # its constraint lets nothing follow
    stream: Any = field(default_factory=lambda: DecodeStream(skip_special_tokens=True))

    def put(self, token: int, logprob: float, options: Sequence[tuple[int, float]]) -> None:
        """The next token, with its log-probability and those of the likeliest."""
        now = time.perf_counter()
        told: list[Token] = []
        if self.alternatives:
            said = [Option(id=one, text=self.spelled(one), logprob=p) for one, p in options]
            told = [Token(id=token, text=self.spelled(token), logprob=logprob, options=said)]
        self.ids.append(token)
        self.times.append(now)
        self.logprob += logprob
        self.detail += told
        if self.matcher is not None and token not in self.loaded.end_tokens:
            self.matcher.take(token)
            self.complete = self.matcher.complete
        piece = self.stream.step(self.loaded.tokenizer.backend_tokenizer, token) or ""
        self.text += piece
        self.on_piece(piece, 1, told)

    def spelled(self, token: int) -> str:
        """A token's text after the one before it; a part of a character as it decodes."""
        decode = self.loaded.tokenizer.backend_tokenizer.decode
        before = list(self.ids[-1:] or self.prompt[-1:])
        alone = decode(before, skip_special_tokens=False)
        both = decode([*before, token], skip_special_tokens=False)
        if both.startswith(alone):
            return str(both[len(alone) :])
        return str(decode([token], skip_special_tokens=False))

    def end(self) -> None:
        """What is left of an unfinished character is told as it decodes."""
        backend = self.loaded.tokenizer.backend_tokenizer
        rest = backend.decode(self.ids, skip_special_tokens=True)
        if len(rest) > len(self.text) and rest.startswith(self.text):
            piece = rest[len(self.text) :]
            self.text = rest
            self.on_piece(piece, 0, [])

    @property
    def ended(self) -> bool:
        return self.complete or bool(self.ids and self.ids[-1] in self.loaded.end_tokens)

    @property
    def done(self) -> bool:
        return self.ended or len(self.ids) >= self.room

    @property
    def reason(self) -> Literal["end", "length", "stopped"]:
        """Why it is not going on."""
        if self.ended:
            return "end"
        return "length" if len(self.ids) >= self.room else "stopped"


def begin_with(writing: Writing, given: Sequence[int], logits: torch.Tensor) -> None:
    """What of the answer is there already, `given`; the logits, float32 [tokens, words], are those
    that it was predicted by."""
    for token, (logprob, options) in zip(
        given, probabilities(logits, given, writing.alternatives), strict=True
    ):
        writing.put(token, logprob, options)


def decode(  # noqa: PLR0917
    states: Steps,
    logits: torch.Tensor,
    writings: Sequence[Writing],
    sampler: Sampler,
    stopped: threading.Event,
    on_end: Callable[[Writing], None],
) -> None:
    """Write all answers to their end; each is told as it ends, and its row leaves the batch.

    `logits`, float32 [rows, words], are what comes after the rows that `states` holds. When
    `stopped` is set, the answers end as they are.
    """
    going, tokens = list(writings), list[int]()
    while True:
        rows = [row for row, one in enumerate(going) if not one.done and not stopped.is_set()]
        for row in sorted(set(range(len(going))) - set(rows)):
            going[row].end()
            on_end(going[row])
        if not rows:
            return
        if len(rows) < len(going):
            states.select(rows)
            going, tokens = [going[row] for row in rows], [tokens[row] for row in rows if tokens]
            logits = logits[rows]
        if tokens:
            logits = states.step(tokens)
        tokens = sampler.choose(
            logits,
            [[*one.prompt, *one.ids] for one in going] if sampler.remembers else (),
            [one.random for one in going],
            [one.matcher for one in going],
        )
        found = probabilities(logits, tokens, max(one.alternatives for one in going))
        for writing, token, (logprob, options) in zip(going, tokens, found, strict=True):
            writing.put(token, logprob, options)


def probabilities(
    logits: torch.Tensor, tokens: Sequence[int], alternatives: int
) -> list[tuple[float, list[tuple[int, float]]]]:
    """Of each row, float32 [rows, words]: the log-probability of its token, and the likeliest
    tokens with theirs."""
    chosen = torch.tensor(tokens, dtype=torch.long, device=logits.device)[:, None]
    sums = logits.logsumexp(-1, keepdim=True)
    own = (logits.gather(1, chosen) - sums)[:, 0].tolist()
    if not alternatives:
        return [(one, []) for one in own]
    best, ids = logits.topk(min(alternatives, logits.shape[1]), -1)
    options = zip(ids.tolist(), (best - sums).tolist(), strict=True)
    return [(one, list(zip(*said, strict=True))) for one, said in zip(own, options, strict=True)]
