"""A JSON document that holds rows: an array of objects, or an object with one such array.

Reads it piece by piece, so that it may be larger than memory. Knows JSON; not where rows go.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from workbench.catalogue import SourceError
from workbench.data import parse
from workbench.data.lines import LONGEST
from workbench.data.streams import Stream
from workbench.data.table import Broken

BLANKS = re.compile(r"[ \t\n\r\x0b\x0c]*")
LIST = re.compile(r"\[[ \t\n\r]*([^ \t\n\r])")


class Ended(Exception):  # noqa: N818 - where the text ends, not an error yet
    """The document is over where more of it was expected."""


class Window:
    """The part of a document that is being looked at; `line` is that of its beginning."""

    def __init__(self, stream: Stream) -> None:
        self.pieces = stream.pieces()
        self.text, self.at, self.line = "", 0, 1
        self.rest = b""
        self.over = False
        self.damaged = False  # there were bytes that are no UTF-8

    def more(self) -> bool:
        """Look further; False at the end. What was passed is forgotten.

        Raises:
            SourceError: where one value does not end.
        """
        if self.over:
            return False
        self.line += self.text.count("\n", 0, self.at)
        parts = [self.text[self.at :]]
        wanted = max(1 << 20, len(parts[0]))  # twice as much each time: it may be one long value
        while wanted > 0:
            piece = next(self.pieces, None)
            if piece is None:
                self.over = True
                break
            data = self.rest + piece
            whole = complete_part(data)
            self.rest = data[whole:]
            parts.append(self.decoded(data[:whole]))
            wanted -= len(parts[-1])
        if self.over:
            parts.append(self.decoded(self.rest))
            self.rest = b""
        self.text, self.at = "".join(parts), 0
        return True

    def decoded(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            self.damaged = True
            return data.decode(errors="replace")

    def peek(self) -> str:
        """The next sign that is no blank.

        Raises:
            Ended: where there is none.
        """
        while True:
            found = BLANKS.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                raise Ended

    def skip(self, sign: str) -> None:
        """
        Raises:
            ValueError: where another sign is next.
        """
        if self.peek() != sign:
            raise json.JSONDecodeError(f"Expecting '{sign}'", self.text, self.at)
        self.at += 1

    def value(self) -> tuple[object, str]:
        """The next value, and its text.

        Raises:
            JSONDecodeError: where it is none.
            Ended: where the document ends within it.
        """
        self.peek()
        while True:
            try:
                found, end = self.raw()
                if end == len(self.text) and not self.over:  # a number may go on
                    self.more()
                    continue
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self.text) - 10 or "Unterminated" in error.msg
                if cut and len(self.text) - self.at < LONGEST and self.more():
                    continue
                if "Unterminated" in error.msg or error.pos >= len(self.text.rstrip()):
                    raise Ended from error
                raise
            except RecursionError as error:
                raise json.JSONDecodeError("Nested too deeply", self.text, self.at) from error
            text = self.text[self.at : end]
            self.at = end
            return found, text

    def raw(self) -> tuple[object, int]:
        try:
            return parse.decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError:
            raise
        except ValueError:  # Python reads no number of more than 4,300 digits
            return parse.patient.raw_decode(self.text, self.at)

    def line_at(self, place: int) -> int:
        return self.line + self.text.count("\n", 0, place)


def complete_part(data: bytes) -> int:
    """Bytes up to the last whole sign."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return len(data) - back + 1
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) if back >= length else len(data) - back
    return len(data)


def rows(stream: Stream, path: Path) -> Iterator[bytes | Broken]:
    """Each row as a line of JSON; what is none stands as broken.

    After what is no JSON nothing can be told any more, so it is the last.

    Raises:
        SourceError: where there are no rows, or it is not clear which are meant.
    """
    window = Window(stream)
    try:
        try:
            if window.peek() == "[":
                yield from elements(window, path)
            else:
                yield from members(window, path)
        except Ended:
            yield at(window, path, "the document is cut off here; rows before it are kept")
            return
        try:
            window.peek()
        except Ended:
            return
        yield at(window, path, "there is more after the end of the JSON; it is left out")
    except json.JSONDecodeError as error:
        column = error.pos - error.doc.rfind("\n", 0, error.pos)
        reason = f"this is not JSON ({error.msg}, at column {column}); what follows cannot be read"
        text = error.doc[error.pos : error.pos + parse.SHOWN]
        yield Broken(str(path), window.line_at(error.pos), reason, text)


def at(window: Window, path: Path, reason: str) -> Broken:
    text = window.text[window.at : window.at + parse.SHOWN]
    return Broken(str(path), window.line_at(window.at), reason, text)


def elements(window: Window, path: Path) -> Iterator[bytes | Broken]:
    """The objects of the list that begins here."""
    window.skip("[")
    if window.peek() == "]":
        window.skip("]")
        return
    while True:
        found, text = window.value()
        if isinstance(found, dict) and not isinstance(found, parse.Twice):
            yield one_line(text)
        else:
            twice = getattr(found, "key", "")
            reason = (
                f'the column "{twice}" is there twice; rename one'
                if twice
                else f"an object was expected, and this is {text[:40]}"
            )
            line = window.line_at(window.at - len(text))
            yield Broken(str(path), line, reason, text[: parse.SHOWN])
        if window.peek() == "]":
            window.skip("]")
            return
        window.skip(",")


def one_line(text: str) -> bytes:
    """A value's text on one line; in JSON a line break stands between values only."""
    if "\n" in text or "\r" in text:
        text = text.replace("\n", " ").replace("\r", " ")
    return text.encode("utf-8", "replace")


def members(window: Window, path: Path) -> Iterator[bytes | Broken]:
    """The rows of the one list of objects among an object's values, or the object as a row."""
    window.skip("{")
    named = ""
    small: dict[str, object] = {}
    while window.peek() != "}":
        key, _ = window.value()
        if not isinstance(key, str):
            raise json.JSONDecodeError("Expecting a name", window.text, window.at)
        window.skip(":")
        if holds_objects(window):
            if named:
                raise SourceError(
                    f'{path} holds several lists of rows ("{named}", "{key}"); save the one that '
                    "is meant as a file of its own."
                )
            named = key
            yield from elements(window, path)
        else:
            small[key] = window.value()[0]
        if window.peek() == ",":
            window.skip(",")
    window.skip("}")
    if not named:
        yield json.dumps(small, ensure_ascii=False).encode("utf-8", "replace")


def holds_objects(window: Window) -> bool:
    """Whether a list of objects is next."""
    if window.peek() != "[":
        return False
    while True:
        found = LIST.match(window.text, window.at)
        if found or not window.more():
            return bool(found and found[1] == "{")
