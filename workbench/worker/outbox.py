"""Events on their way to one receiver: in order, news of the same thing merged, 20 times a second.

What a key waits for goes at once; what streams (tokens, steps, progress) waits for its turn and
is merged with its neighbour meanwhile, so that a slow line or a slow screen gets less, not late.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from workbench.protocol import (
    AnyEvent,
    DatasetIndexed,
    Progress,
    RowsFound,
    Tokens,
    TrainingAdvanced,
)

INTERVAL = 0.05  # seconds
STREAMED = (Tokens, TrainingAdvanced, Progress, DatasetIndexed, RowsFound)


class Outbox:
    """A queue of events and the thread that delivers them."""

    def __init__(self, deliver: Callable[[list[AnyEvent]], None]) -> None:
        self.deliver = deliver
        self.waiting: deque[AnyEvent] = deque()
        self.urgent = False
        self.closed = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.run, name="outbox", daemon=True)
        self.thread.start()

    def put(self, event: AnyEvent) -> None:
        with self.changed:
            if self.closed:
                return
            if isinstance(event, STREAMED) and self.waiting:
                last = self.waiting[-1]
                if type(last) is type(event) and (merged := last.merge(event)):  # type: ignore[arg-type]
                    self.waiting[-1] = merged
                    return
            self.waiting.append(event)
            self.urgent = self.urgent or not isinstance(event, STREAMED)
            self.changed.notify()

    def run(self) -> None:
        last = 0.0
        while True:
            with self.changed:
                while not self.waiting and not self.closed:
                    self.changed.wait()
                while not self.urgent and not self.closed:
                    pause = last + INTERVAL - time.monotonic()
                    if pause <= 0:
                        break
                    self.changed.wait(pause)
                events, self.urgent = list(self.waiting), False
                self.waiting.clear()
                if not events and self.closed:
                    return
            last = time.monotonic()
            self.deliver(events)

    def close(self) -> None:
        """Deliver what is waiting, then end. Safe to call from the delivering thread."""
        with self.changed:
            self.closed = True
            self.changed.notify()
        if threading.current_thread() is not self.thread:
            self.thread.join(timeout=2)
