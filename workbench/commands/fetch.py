"""`workbench fetch`: the starters, once."""

import sys
from typing import Any

from workbench.catalogue import STARTERS
from workbench.catalogue import fetch as fetch_starter
from workbench.commands.client import progress
from workbench.protocol import Progress
from workbench.text import one_line
from workbench.worker.environment import prepare_environment
from workbench.worker.lane import RefusedError


def fetch(names: list[str]) -> int:
    """Bring the starters named, or all, into the cache."""
    prepare_environment()
    for name in names:
        if name not in STARTERS:
            raise RefusedError(f"There is no starter {name}; there is {', '.join(STARTERS)}.")
    for name in names or list(STARTERS):
        with progress() as show:

            def report(what: str, done: float, total: float, unit: str, show: Any = show) -> None:
                show(Progress(what=what, done=done, total=total, unit=unit))

            folder = fetch_starter(name, report)
        print(one_line(f"{name}: {folder}"), file=sys.stderr)
    return 0
