"""The person's own reward: a Python function of (answer, row) that returns a number.

It runs as a metric of the person's own does, in a process of its own with a time limit a call. A
metric's row that fails is left out; an answer without a reward would teach the wrong thing, so that
here a failure ends the run.
"""

from pathlib import Path

from workbench.data.prompting import PromptError
from workbench.measuring.metrics.function import SECONDS, Own
from workbench.measuring.metrics.metric import RowError
from workbench.measuring.replies import Reply
from workbench.protocol import Values
from workbench.training.errors import TrainingError

SETTING = "training.reinforcement.reward"


class RewardFunction:
    """`function` is file.py:name, the file as seen from `folder`.

    Raises:
        TrainingError: where there is no such file or function.
    """

    def __init__(self, function: str, folder: Path) -> None:
        if not function.strip():
            raise TrainingError(
                f"grpo learns from your own reward; set {SETTING} to file.py:name, a function of "
                "(answer, row) that returns a number."
            )
        try:
            self.own = Own(function, folder, SECONDS, takes=("answer", "row"), setting=SETTING)
            self.own.start()
        except PromptError as error:
            raise TrainingError(str(error)) from None

    def __call__(self, answer: str, number: int, values: Values) -> float:
        """The reward of an answer to a row; `number` is the row's, from 0.

        Raises:
            TrainingError: where there is none, naming the row and what to do.
        """
        try:
            found = self.own.score(Reply(number=number, expected="", answer=answer, values=values))
        except RowError as error:
            raise TrainingError(
                f"{str(error).rstrip('.')}, for an answer to row {number + 1:,}; correct it in "
                f"{self.own.path.name}, then resume the run or start anew."
            ) from None
        assert found is not None  # a reply without a problem has a score
        return found

    def close(self) -> None:
        self.own.close()
