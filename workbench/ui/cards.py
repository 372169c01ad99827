"""What the output pane shows: answers and measurements, kept in a file beside the session's runs.

Knows nothing of widgets.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

KEPT = 50

State = Literal["waiting", "running", "finished", "failed", "cancelled"]


class Part(msgspec.Struct):
    """An answer from one of the weights."""

    text: str = ""
    tokens: int = 0
    seconds_to_first: float = -1
    tokens_per_second: float = 0
    reason: str = ""  # empty while it comes
    step: int = -1
    prompt_tokens: int = 0


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
        """The text to copy: the tuned answer where there is one."""
        part = self.parts.get("tuned") or self.parts.get("base")
        return part.text if part else ""


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
            lines = self.path.read_bytes().splitlines()[-KEPT:]
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
                file.write(msgspec.json.encode(card) + b"\n")
        except OSError as error:
            return f"{self.path} cannot be written: {error.strerror}. The answer stays on screen."
        return ""

    def ends_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read(1) == b"\n"
