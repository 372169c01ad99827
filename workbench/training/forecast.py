"""How long a run will still take."""

from collections import defaultdict

from workbench.session import TrainingSettings


class Forecast:
    """By the seconds that steps, evaluations and checkpoints took in this process so far; those up
    to the first line of metrics are left out once there are others. A first step is slow: memory is
    taken, code is compiled, and rows grouped by length begin with the longest."""

    def __init__(self, settings: TrainingSettings, step: int, seconds: float) -> None:
        self.settings = settings
        self.step, self.seconds = step, seconds  # at the beginning
        self.warm = False  # step and seconds are those of the first line
        self.took: dict[str, list[float]] = defaultdict(list)

    def note(self, what: str, seconds: float) -> None:
        """Something besides training took so long."""
        self.took[what].append(seconds)

    def last(self, what: str) -> float:
        """Seconds that the last one took."""
        return self.took[what][-1]

    def left(self, step: int, total: int, seconds: float) -> float:
        """Seconds from this step to the last; -1 where it is not known yet. `seconds` are those
        trained so far."""
        if step <= self.step:
            return -1.0
        left = (total - step) * (seconds - self.seconds) / (step - self.step)
        if not self.warm:
            self.warm, self.step, self.seconds = True, step, seconds
        settings = self.settings
        for what, every in (("evaluating", settings.eval_steps), ("saving", settings.save_steps)):
            times = self.took.get(what)
            if times:
                left += sum(times) / len(times) * (coming(step, total, every))
        return left


def coming(step: int, total: int, every: int) -> int:
    """How often something is still to come that comes every so many steps and at the end."""
    regular = total // every - step // every if every else 0
    at_end = step < total and (not every or total % every != 0)
    return regular + at_end
