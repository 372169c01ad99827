"""Whether a run gets the processors that it computes with, and whether one has become free again.

Threads wait for each other at the end of every product, spinning: where another program takes the
processor of one of them, the others burn theirs. On two processors two threads are a third faster
than one as long as nothing else runs, and less than half as fast beside one busy program.
"""

import os

import psutil

SECONDS = 10.0  # of training that are looked at
STEPS = 3
ENOUGH = 0.9  # of the processors' time; less of it says that others compute, too
FREE = 0.9  # of a processor's time without work, before it is computed with again
WAIT, LONGEST_WAIT = 30.0, 600.0  # seconds that it has to be free for


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


class Vacancy:
    """Looks at the processors that were left to others, one stretch after the other.

    Each time that they were found free the next stretch is twice as long: beside a program that
    comes and goes a run does not go back and forth with it.
    """

    def __init__(self) -> None:
        self.wait = WAIT
        self.begun: tuple[float, float] | None = None

    def vacant(self, processors: int, seconds: float, idle: float) -> bool:
        """After a step: whether that many processors had nothing to do lately.

        Args:
            seconds: by the clock, from any moment on.
            idle: what `idle_seconds` gives.
        """
        if self.begun is None:
            self.begun = seconds, idle
            return False
        passed = seconds - self.begun[0]
        if passed < self.wait:
            return False
        share = (idle - self.begun[1]) / (passed * processors)
        self.begun = seconds, idle
        if share < FREE:
            return False
        self.wait, self.begun = min(2 * self.wait, LONGEST_WAIT), None
        return True


def idle_seconds() -> float:
    """Seconds, summed, that the processors that we may use had nothing to do since the machine
    began; 0 where the system does not say."""
    each = psutil.cpu_times(percpu=True)
    ours = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
    # In some containers they are numbered anew: those there are ours then.
    known = bool(ours) and max(ours) < len(each)
    return float(sum(times.idle for one, times in enumerate(each) if not known or one in ours))
