"""Whether a run gets the processors that it computes with.

Threads wait for each other at the end of every product, spinning: where another program takes the
processor of one of them, the others burn theirs. On two processors two threads are a third faster
than one as long as nothing else runs, and less than half as fast beside one busy program.
"""

SECONDS = 10.0  # of training that are looked at
STEPS = 3
ENOUGH = 0.9  # of the processors' time; less of it says that others compute, too


class Crowding:
    """Looks at stretches of steps, one after the other."""

    def __init__(self) -> None:
        self.steps = 0
        self.begun = (0.0, 0.0)

    def crowded(self, threads: int, seconds: float, computed: float) -> bool:
        """After a step: whether the process got too little of its processors lately.

        Args:
            seconds: trained so far, by the clock.
            computed: the same, by processor time of all threads.
        """
        if not self.steps:  # the step that ends now began before
            self.steps, self.begun = 1, (seconds, computed)
            return False
        self.steps += 1
        passed = seconds - self.begun[0]
        if passed < SECONDS or self.steps <= STEPS:
            return False
        share = (computed - self.begun[1]) / (passed * threads)
        self.steps, self.begun = 1, (seconds, computed)
        return share < ENOUGH
