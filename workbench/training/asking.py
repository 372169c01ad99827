"""What a row of the dataset asks of the model that is trained, as `workbench eval` would ask it.

Knows rows, wordings and who answers; knows nothing of steps or metrics.
"""

import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from workbench.data.examples import expected_answer, prompt_turns
from workbench.data.formats import recognise_table
from workbench.data.prompting import PromptError
from workbench.inference.answering import Answerer, Question
from workbench.measuring.questions import question_of
from workbench.protocol import FormatFound, Values

if TYPE_CHECKING:
    from workbench.prompting.shots import Shots
    from workbench.training.recipe import Work


class Stop(threading.Event):
    """Set once the person has asked to stop: answers look at it between two tokens."""

    def __init__(self, requested: Callable[[], bool]) -> None:
        super().__init__()
        self.requested = requested

    @override
    def is_set(self) -> bool:
        return super().is_set() or self.requested()


class Asking:
    """Rows made questions by the session's prompt, its examples drawn from the rows trained on."""

    def __init__(self, work: "Work") -> None:
        self.work, self.prompt = work, work.session.prompt()

    @cached_property
    def found(self) -> FormatFound:
        """What the rows are."""
        table = self.work.data.train.table
        return recognise_table(table, self.work.session.dataset, self.prompt)

    @cached_property
    def shots(self) -> "Shots | None":
        """What draws the prompt's examples; None where it has none."""
        if not self.prompt.examples.wanted:
            return None
        from workbench.prompting.shots import Shots

        work = self.work

        def report(what: str, done: float, total: float, _unit: str) -> None:
            work.pause(what, int(done), int(total))

        pool = work.data.train
        return Shots(self.prompt, self.found, pool, work.folder, report, threading.Event())

    def question(self, answerer: Answerer, values: Values, number: int = -1) -> Question:
        """What a row asks; `number` is its own where it stands among the rows trained on.

        Raises:
            PromptError: where it cannot be filled.
        """
        before: list[Values] = []
        if self.shots is not None:
            before = [row for _, row in self.shots.for_row(values, number)]
        return question_of(answerer, self.prompt, self.found, values, before)

    def expected(self, values: Values) -> str:
        """The right answer; empty where the row says none."""
        try:
            return expected_answer(self.prompt, self.found, values)
        except PromptError:
            return ""

    def words(self, values: Values) -> str:
        """What is asked last, as a person reads it."""
        try:
            turns: list[dict[str, Any]] = list(prompt_turns(self.prompt, self.found, values))
        except PromptError:
            return ""
        return str(turns[-1].get("content") or "") if turns else ""
