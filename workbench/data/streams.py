"""The text of a file, whatever packs it: gzip, zstd, UTF-16. Read once, from front to back.

Knows bytes; not what a line means.
"""

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from workbench.catalogue import SourceError
from workbench.data.lines import BOM, LONGEST

PIECE = 256 << 10  # bytes read of a file at a time
ZSTD_PIECE = 4 << 10  # less: so few bytes may become a hundred megabytes
BINARY = 8000  # bytes in which a NUL tells that a file is no text
UNPACKED = 1 << 20  # bytes unpacked at a time
# The longer marks first: that of UTF-32 begins like that of UTF-16.
ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)


def packing(path: Path) -> str:
    """What packs a file, by its first bytes: gzip, zstd, or nothing."""
    with path.open("rb") as file:
        first = file.read(4)
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if first == b"\x28\xb5\x2f\xfd" else ""


def encoding(beginning: bytes) -> tuple[bytes, str, str] | None:
    """The mark of UTF-16 or UTF-32 that a text begins with: mark, codec, name."""
    return next((one for one in ENCODINGS if beginning.startswith(one[0])), None)


class TextLine(NamedTuple):
    number: int  # from 1
    text: bytes  # without its end; of one that is too long only the beginning
    whole: bool = True


class Stream:
    """The text of a file in UTF-8, without a byte order mark.

    `position` counts bytes of the file itself; `damage` says, once all that can be read was, what
    is wrong with the rest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.damage = ""
        self.notes: list[str] = []
        self.packing = packing(path)

    def pieces(self) -> Iterator[bytes]:
        """The text, some at a time.

        Raises:
            SourceError: where the file can no longer be read.
        """
        unpacked = self.unpacked()
        beginning = b""
        for piece in unpacked:
            beginning += piece
            if len(beginning) >= 4:
                break
        if found := encoding(beginning):
            mark, codec, name = found
            self.notes = [f"{self.path.name} is {name}; it was converted to UTF-8."]
            decoder = codecs.getincrementaldecoder(codec)("replace")
            yield decoder.decode(beginning[len(mark) :]).encode("utf-8", "replace")
            for piece in unpacked:
                yield decoder.decode(piece).encode("utf-8", "replace")
            return
        yield beginning.removeprefix(BOM)
        yield from unpacked

    def binary(self) -> bool:
        """Whether it begins as no text does: with a byte of zero in its first line, or with one
        among bytes that are no UTF-8.

        Raises:
            SourceError: as `pieces`.
        """
        again = Stream(self.path)
        beginning = b""
        for piece in again.pieces():
            beginning += piece[:BINARY]
            if len(beginning) >= BINARY:
                break
        beginning = beginning[:BINARY]
        if b"\0" in beginning.partition(b"\n")[0]:
            return True
        try:
            codecs.getincrementaldecoder("utf-8")().decode(beginning)
        except UnicodeDecodeError:
            return b"\0" in beginning
        return False

    def unpacked(self) -> Iterator[bytes]:
        pieces = self.raw(ZSTD_PIECE if self.packing == "zstd" else PIECE)
        if not self.packing:
            yield from pieces
            return
        machine = self.machine()
        fresh = True  # nothing of a packed member was read yet
        first = True
        try:
            for piece in pieces:
                data = piece
                while data:
                    if machine.eof:
                        if not data.strip(b"\0"):  # padding
                            break
                        machine, fresh, first = self.machine(), True, False
                    text, data = self.step(machine, data)
                    fresh = False
                    if text:
                        yield text
        except Exception as error:
            if isinstance(error, SourceError):
                raise
            if fresh and not first:
                return  # what follows a whole member is none: gzip itself ignores it, too
            reason = " ".join(str(error).split())
            self.damage = f"the {self.packing} file is damaged here ({reason})"
            return
        if not machine.eof:
            self.damage = f"the {self.packing} file is cut off here"

    def machine(self) -> Any:
        if self.packing == "gzip":
            return zlib.decompressobj(wbits=31)
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj()

    def step(self, machine: Any, data: bytes) -> tuple[bytes, bytes]:
        """Some text unpacked, and what of the packed data is left to do."""
        if self.packing == "zstd":
            text = machine.decompress(data)
            return text, machine.unused_data if machine.eof else b""
        text = machine.decompress(data, UNPACKED)
        return text, machine.unused_data if machine.eof else machine.unconsumed_tail

    def raw(self, size: int) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while piece := file.read(size):
                    self.position += len(piece)
                    yield piece
        except OSError as error:
            raise SourceError(
                f"{self.path} can no longer be read ({error.strerror or error}); open it again."
            ) from error

    def lines(self) -> Iterator[TextLine]:
        """Lines, ended by a line feed alone. One that is too long is cut, and never held whole."""
        number, parts, length = 1, list[bytes](), 0
        for piece in self.pieces():
            begin = 0
            while (end := piece.find(b"\n", begin)) >= 0:
                if length <= LONGEST:
                    parts.append(piece[begin:end])
                length += end - begin
                yield TextLine(number, b"".join(parts), length <= LONGEST)
                number, parts, length, begin = number + 1, [], 0, end + 1
            if length <= LONGEST and begin < len(piece):
                parts.append(piece[begin:])
            length += len(piece) - begin
            if length > LONGEST and len(parts) > 1:
                parts = [b"".join(parts)[:1000]]
        if length:
            yield TextLine(number, b"".join(parts), length <= LONGEST)
