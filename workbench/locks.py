"""A lock file: held by the one process that owns what lies beside it, and gone when that ends."""

import fcntl
import os
import time
from pathlib import Path

LOOKS = 20  # tries, for a look by `is_held` takes the lock for a moment
PAUSE = 0.02  # seconds between two


def hold(path: Path, mode: int) -> int | None:
    """Take the lock; the descriptor that holds it until it is closed, None if another has it.

    Raises:
        OSError: when the file cannot be opened.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode)
    for _ in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            time.sleep(PAUSE)
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Whether a process holds the lock now. Two who look do not take each other for its holder."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
