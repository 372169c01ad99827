"""Pasted text is text: an escape character in it is no key.

Textual's parser takes an escape character inside a bracketed paste for the beginning of a key, and
what follows it for keys: 100 kB of coloured output then keep the app busy for minutes, and may
press anything. So such characters are made visible before the parser sees them.
"""

from collections.abc import Iterable
from typing import Any

from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser

ESCAPE, VISIBLE = "\x1b", "␛"


class PasteGuard:
    """Follows what a terminal sends, in pieces of any size."""

    def __init__(self) -> None:
        self.inside = False
        self.held = ""  # perhaps the beginning of the end of a paste

    def clean(self, data: str) -> str:
        """The same, with no escape character inside a paste."""
        data, self.held = self.held + data, ""
        parts = []
        while data:
            if not self.inside:
                before, mark, data = data.partition(BRACKETED_PASTE_START)
                parts.append(before + mark)
                self.inside = bool(mark)
                continue
            body, mark, data = data.partition(BRACKETED_PASTE_END)
            if not mark:
                sizes = range(len(BRACKETED_PASTE_END) - 1, 0, -1)
                kept = next((n for n in sizes if body.endswith(BRACKETED_PASTE_END[:n])), 0)
                body, self.held = body[: len(body) - kept], body[len(body) - kept :]
            parts.append(body.replace(ESCAPE, VISIBLE) + mark)
            self.inside = not mark
        return "".join(parts)


class GuardedParser(XTermParser):
    """Textual's parser of what the terminal sends, behind a guard."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self.guard = PasteGuard()

    def feed(self, data: str) -> Iterable[Any]:
        if not data:  # the end of the input
            return super().feed(data)
        data = self.guard.clean(data)
        return super().feed(data) if data else ()


def guard_pastes() -> None:
    """Have the drivers parse with the guard."""
    from textual.drivers import linux_driver

    linux_driver.XTermParser = GuardedParser  # type: ignore[attr-defined]
