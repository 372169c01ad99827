"""What the output pane shows: answers and measurements, kept in a file beside the session's runs.

Knows nothing of widgets.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from workbench.protocol import Token

KEPT = 50
TAIL = 4_000_000  # bytes at the end of the file that are read back

State = Literal["waiting", "running", "finished", "failed", "cancelled"]


class Part(msgspec.Struct):
    """An answer from one of the weights; of several samples one."""

    text: str = ""
    tokens: int = 0
    seconds_to_first: float = -1
    tokens_per_second: float = 0
    reason: str = ""  # empty while it comes
    step: int = -1
    prompt_tokens: int = 0
    weights: str = ""  # of cards kept by earlier versions empty: the part's name says it
    sample: int = 0
    seed: int = -1
    problem: str = ""  # why it broke off
    notes: list[str] = []  # what a server did not do as it was asked
    cached_tokens: int = 0  # of the prompt, that had been computed before
    pieces: list[Token] = []  # its tokens; read back from the file without their alternatives

    @property
    def whole(self) -> bool:
        """Whether `pieces` are all of the answer; the token that ended it may come on top."""
        told = "".join(one.text for one in self.pieces)
        return bool(told) and told.strip().startswith(self.text.strip())

    @property
    def seen(self) -> list[Token]:
        """The tokens that are seen in the text: without the one that ended it."""
        pieces, room = [], len(self.text)
        for one in self.pieces:
            if room <= 0:
                break
            pieces.append(one)
            room -= len(one.text)
        return pieces


class Score(msgspec.Struct):
    """A measurement of one of the weights, as protocol.Evaluated."""

    rows: int
    metric: str
    value: float
    low: float
    high: float
    seconds: float
    labels: list[str] = []
    confusion: list[list[int]] = []
    left_out: int = 0
    step: int = -1


class Card(msgspec.Struct):
    kind: Literal["answer", "measurement"] = "answer"
    time: float = 0
    prompt: str = ""  # the wording's name
    row: int = -1  # counted from 0; -1: none
    run: str = ""
    expected: str = ""
    model: str = ""
    settings: str = ""  # how the tokens are chosen, in words
    branch: str = ""  # of an answer that goes on from within another one: where, in words
    begun: list[Token] = []  # what it was begun with
    state: State = "waiting"
    message: str = ""
    parts: dict[str, Part] = {}
    scores: dict[str, Score] = {}
    # Only while it is under way:
    progress: str = ""
    share: float = -1

    @property
    def under_way(self) -> bool:
        return self.state in ("waiting", "running")

    def answer(self) -> str:
        """The text to copy: the first of the tuned answers where there are such."""
        part = self.parts.get("tuned") or self.parts.get("base")
        return part.text if part else ""


def part_name(weights: str, sample: int) -> str:
    """How a card calls an answer."""
    return weights if not sample else f"{weights} {sample + 1}"


def without_options(card: Card) -> Card:
    """The card as it is kept: alternatives would make the file fifty times as large."""
    parts = {
        name: msgspec.structs.replace(
            part, pieces=[Token(one.id, one.text, one.logprob) for one in part.pieces]
        )
        for name, part in card.parts.items()
    }
    return msgspec.structs.replace(card, parts=parts, begun=[])


def equal(answer: str, expected: str) -> bool:
    return answer.strip().casefold() == expected.strip().casefold()


class Cards:
    """The newest first; a finished card is appended to `path` at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cards: list[Card] = []

    def load(self) -> None:
        """Read the last cards back; lines that are no cards are passed over."""
        cards: list[Card] = []
        with suppress(OSError):
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - TAIL))
                lines = file.read().splitlines()[-KEPT:]
            for line in lines:
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    cards.append(msgspec.json.decode(line, type=Card))
        self.cards = [*self.cards, *reversed(cards)][:KEPT]

    def add(self, **values: Any) -> Card:
        card = Card(time=time.time(), **values)
        self.cards = [card, *self.cards][:KEPT]
        return card

    def keep(self, card: Card) -> str:
        """Append a finished card to the file. The text is a sentence where that failed."""
        card.progress, card.share = "", -1
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                if file.tell() and not self.ends_a_line():
                    file.write(b"\n")
                file.write(msgspec.json.encode(without_options(card)) + b"\n")
        except OSError as error:
            return f"{self.path} cannot be written: {error.strerror}. The answer stays on screen."
        return ""

    def ends_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) == b"\n"
