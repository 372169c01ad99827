"""Journals: growing files of JSON lines, written a whole line or nothing, read as they come."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

LAST = b"\n"  # is in no line: of a file only the last one is read


def write_whole(file: IO[bytes], line: bytes) -> None:
    """Write a line to an unbuffered file to its end, or nothing of it.

    Raises:
        OSError: when it does not fit: a full disk takes a part without a word.
    """
    begin = os.fstat(file.fileno()).st_size
    try:
        while line:
            if not (written := file.write(line)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            line = line[written:]
    except OSError:
        with suppress(OSError):
            file.truncate(begin)
        raise


def mend_torn_line(path: Path) -> None:
    """End a last line that a killed writer left open, so that the next starts on its own."""
    with suppress(FileNotFoundError), path.open("rb+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


class Tail:
    """Reads a growing file of JSON lines, each once; lines that are no JSON are passed over. One
    that was replaced is read from its beginning.

    Args:
        only: lines without these bytes are passed over unread, but for the last two: the figures
            of a step and of its evaluation.
    """

    def __init__(self, path: Path, only: bytes = b"") -> None:
        self.path, self.position, self.rest = path, 0, b""
        self.only = only
        self.file = 0  # which it is, whatever its name

    def read(self) -> list[dict[str, Any]]:
        """The lines that have come since the last call."""
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_size < self.position or about.st_ino != self.file:
                    self.position, self.rest, self.file = 0, b"", about.st_ino
                file.seek(self.position)
                new = file.read()
        except OSError:
            return []
        self.position += len(new)
        *lines, self.rest = (self.rest + new).split(b"\n")
        found = []
        if self.only:
            lines = [line for line in lines[:-2] if self.only in line] + lines[-2:]
        for line in lines:
            with suppress(ValueError):
                if isinstance(value := json.loads(line), dict):
                    found.append(value)
        return found


def read(path: Path, only: bytes = b"") -> list[dict[str, Any]]:
    """All lines of a file that there are now; none where there is no file."""
    return Tail(path, only).read()
