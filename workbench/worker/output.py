"""Where descriptors 1 and 2 lead: to a log in any process that imports torch, never to a screen.

Libraries and native code write there whatever they please, so the descriptors themselves are
changed, not only Python's `sys.stdout`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


def redirect(log: Path) -> None:
    """Send all that this process prints to the log, from now on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


@contextmanager
def redirected(log: Path) -> Iterator[None]:
    """Send it to this log for a while (a run's own), where it can be written."""
    flush()
    kept = os.dup(1), os.dup(2)
    with suppress(OSError):
        redirect(log)
    try:
        yield
    finally:
        flush()
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


def keep_screen() -> TextIO:
    """The terminal on descriptors of its own, for the app to draw on while 1 and 2 go to a log.

    Textual draws on `sys.__stderr__`; that is set to the kept terminal.
    """
    flush()
    screen = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    sys.__stderr__ = screen  # type: ignore[misc]
    if os.isatty(1):
        sys.__stdout__ = os.fdopen(os.dup(1), "w", encoding="utf-8")  # type: ignore[misc]
    return screen


def note(text: str) -> None:
    """Write to where descriptor 1 leads, the log: a command keeps `sys.stdout` for its own words.

    Raises:
        OSError: where there is no space left.
    """
    flush()
    data = (text + "\n").encode("utf-8", "replace")
    while data:
        data = data[os.write(1, data) :]


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.flush()
