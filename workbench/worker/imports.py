"""Modules that import torch and transformers, imported by one thread at a time.

The modules of those libraries import each other, and parts of them only when they are asked for: of
two threads that begin at once, one finds half a module. Lanes begin at once when the app opens.
"""

import threading
from importlib import import_module

LOCK = threading.RLock()


def imported(*names: str) -> None:
    """Import these modules, and see to it that no other thread is half-way through them."""
    with LOCK:
        for name in names:
            import_module(name)
