"""Time spent on one thing, by the clock and by the processor, with what interrupts it left out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds that it ran; begins at `seconds`, stopped. `computed` are those of all processors
    that this process had meanwhile."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.before = seconds
        self.since: float | None = None
        self.computed_before = self.computed_since = 0.0

    @property
    def seconds(self) -> float:
        running = 0.0 if self.since is None else time.perf_counter() - self.since
        return self.before + running

    @property
    def computed(self) -> float:
        running = 0.0 if self.since is None else time.process_time() - self.computed_since
        return self.computed_before + running

    def start(self) -> None:
        if self.since is None:
            self.since = time.perf_counter()
            self.computed_since = time.process_time()

    def stop(self) -> None:
        self.computed_before = self.computed
        self.before, self.since = self.seconds, None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Does not count what happens inside; goes on afterwards if it ran before."""
        ran = self.since is not None
        self.stop()
        try:
            yield
        finally:
            if ran:
                self.start()
