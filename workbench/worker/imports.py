"""Modules that import torch and transformers, imported by one thread at a time, and what they leave
in memory.

The modules of those libraries import each other, and parts of them only when they are asked for: of
two threads that begin at once, one finds half a module. Lanes begin at once when the app opens.

They make half a million objects that stay to the end. All objects are looked through for garbage
three times a run, which takes 0.3 s of a processor each time; so these are looked through once and
then no more.
"""

import gc
import sys
import threading
from importlib import import_module

LOCK = threading.RLock()


def imported(*names: str) -> None:
    """Import these modules, and see to it that no other thread is half-way through them."""
    with LOCK:
        new = any(name not in sys.modules for name in names)
        for name in names:
            import_module(name)
        if new:
            keep()


def keep() -> None:
    """Look no more for garbage in what is there now, until `let_go`."""
    gc.collect()
    gc.freeze()


def let_go() -> None:
    """Free what nothing needs any more, of what was kept, too: a model refers to itself, and its
    memory is needed for the next one."""
    gc.unfreeze()
    keep()
