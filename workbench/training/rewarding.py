"""What an answer is worth: by a Python function of the person's own, of (answer, row), by a reward
model, or by both together.

The function runs as a metric of the person's own does, in a process of its own with a time limit a
call. A metric's row that fails is left out; an answer without a reward would teach the wrong thing,
so that here a failure ends the run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.data.examples import prompt_turns
from workbench.data.prompting import PromptError
from workbench.inference.answering import Turn
from workbench.inference.errors import ModelError
from workbench.inference.scorer import Scorer
from workbench.measuring.evaluation import scorer_for
from workbench.measuring.metrics.function import SECONDS, Own
from workbench.measuring.metrics.metric import RowError
from workbench.measuring.replies import Reply
from workbench.protocol import Values
from workbench.relevance import ANSWERED
from workbench.session import Session
from workbench.training.asking import Asking
from workbench.training.errors import TrainingError

SETTING = "training.reinforcement.reward"
MODEL = "training.reinforcement.reward_model"


@dataclass(frozen=True)
class Given:
    """An answer to be scored, and the row that it answers; `number` is the row's, from 0."""

    answer: str
    number: int
    values: Values


class Rewards:
    """The sum of what the session's function and its reward model give.

    Raises:
        TrainingError: where there is neither, or one of them cannot be had.
    """

    def __init__(self, session: Session, asking: Asking, folder: Path) -> None:
        given = session.training.reinforcement
        self.asking = asking
        self.function: RewardFunction | None = None
        self.model = reward_model(session, folder)
        if self.model is None or given.reward.strip():
            self.function = RewardFunction(given.reward, folder)

    def of(
        self, answers: Sequence[Given], between: Callable[[], None] = lambda: None
    ) -> list[float]:
        """The rewards; `between` is called between two calls of the function and between batches of
        the model.

        Raises:
            TrainingError: where there is none, naming the row and what to do.
        """
        found = [0.0] * len(answers)
        if self.function is not None:
            for place, one in enumerate(answers):
                between()
                found[place] = self.function(one.answer, one.number, one.values)
        if self.model is not None:
            given = self.by_model(answers, between)
            found = [one + other for one, other in zip(found, given, strict=True)]
        return found

    def by_model(self, answers: Sequence[Given], between: Callable[[], None]) -> list[float]:
        assert self.model is not None
        start = self.asking.prompt.answer_start
        asked = [(self.turns(one), start + one.answer) for one in answers]
        try:
            return self.model.scores(asked, between)
        except (PromptError, ModelError) as error:
            rows = ", ".join(sorted({f"{one.number + 1:,}" for one in answers})[:3])
            raise TrainingError(
                f"{MODEL}: an answer to one of the rows {rows} cannot be scored: {error}"
            ) from error

    def turns(self, one: Given) -> list[Turn]:
        """What the row asks, with the prompt's examples."""
        before: list[Values] = []
        if self.asking.shots is not None:
            before = [row for _, row in self.asking.shots.for_row(one.values, one.number)]
        return prompt_turns(self.asking.prompt, self.asking.found, one.values, before)

    def close(self) -> None:
        """End the function's process; it starts again where it is needed again."""
        if self.function is not None:
            self.function.close()


def reward_model(session: Session, folder: Path) -> Scorer | None:
    """The reward model that a session names, its weights not read yet; None where it names none.

    Raises:
        TrainingError: where there is no such model.
    """
    name = session.training.reinforcement.reward_model.strip()
    if not name:
        return None
    try:
        return Scorer(name, folder, session.model.device, MODEL)
    except ModelError as error:
        raise TrainingError(str(error)) from error


def scorer_beside(session: Session, folder: Path) -> Scorer | None:
    """The reward model that lies in memory beside the model that is trained: it gives the rewards
    of grpo, or the metric reward at evaluations. None where neither is asked for.

    Raises:
        TrainingError: where there is no such model.
    """
    settings = session.training
    if settings.task == "grpo":
        return reward_model(session, folder)
    if settings.task not in ANSWERED or not settings.metric_rows:
        return None
    try:
        return scorer_for(session.evaluation, folder, session.model.device)
    except (PromptError, ModelError) as error:
        raise TrainingError(str(error)) from error


class RewardFunction:
    """`function` is file.py:name, the file as seen from `folder`.

    Raises:
        TrainingError: where there is no such file or function.
    """

    def __init__(self, function: str, folder: Path) -> None:
        if not function.strip():
            raise TrainingError(
                f"grpo learns from a reward; set {SETTING} to file.py:name, a function of (answer, "
                f"row) that returns a number, or {MODEL} to a run of the task reward."
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
                f"{self.own.path.name}, then resume the run, or start it again if it has no "
                "checkpoint yet."
            ) from None
        assert found is not None  # a reply without a problem has a score
        return found

    def close(self) -> None:
        self.own.close()
