"""Questions to a server that are asked some at once, until all are or the server fails.

Knows positions and faults; knows nothing of what is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from workbench.inference.connection import Connection, FaultError
from workbench.inference.faults import Fault

HOPELESS = 8  # questions in a row that the server fails, after which the others are not asked
One = Callable[[Connection, int], Awaitable[None]]  # asks the question at a position


class Several:
    """So many questions, by their positions.

    `left` is told of each that failed; of none where the server answered nothing at all.
    """

    def __init__(self, count: int, left: Callable[[int, Fault], None]) -> None:
        self.total = count
        self.positions: Iterator[int] = iter(range(count))
        self.left = left
        self.answered = False  # the server did, to some
        self.in_a_row = 0  # failures of the server
        self.gone: Fault | None = None
        self.untold: list[tuple[int, Fault]] = []

    async def ask(self, at_once: int, one: One, connection: Connection) -> None:
        """Ask all of them with `one`, so many at once.

        Raises:
            FaultError: where there was no answer at all, because of the server.
        """
        workers = [
            asyncio.ensure_future(self.work(connection, one))
            for _ in range(min(self.total, at_once))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        self.end()

    async def work(self, connection: Connection, one: One) -> None:
        for position in self.positions:
            if self.gone:
                self.fail(position, self.gone)
                continue
            try:
                await one(connection, position)
            except FaultError as error:
                self.count(error.fault)
                self.fail(position, error.fault)
            else:
                self.count(None)

    def count(self, fault: Fault | None) -> None:
        if fault is None or fault.scope == "row":
            self.answered, self.in_a_row = True, 0
            return
        self.in_a_row += 1
        if self.in_a_row >= HOPELESS or fault.scope == "all":
            self.gone = self.gone or fault

    def fail(self, position: int, fault: Fault) -> None:
        self.untold.append((position, fault))
        if self.answered:
            self.tell()

    def tell(self) -> None:
        for position, fault in self.untold:
            self.left(position, fault)
        self.untold = []

    def end(self) -> None:
        """Raise FaultError where there was no answer at all, because of the server."""
        if self.answered:
            self.tell()
        elif self.untold:
            raise FaultError(self.gone or self.untold[-1][1])
