"""A model as a judge: it grades an answer by a rubric, or says which of two is better.

Knows how a model is asked, and asked again; knows nothing of rows or of which model it is. What it
reads, and how its replies are read, is in `rubric`.

After Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena" (2023): a grade for a
single answer, and pairs in both orders, where a judge that changes its mind calls them equal.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workbench.data.prompting import PromptError
from workbench.inference.answering import Answer, Answerer, Question, Turn
from workbench.inference.errors import ModelError
from workbench.measuring.rubric import (
    EQUAL,
    MOST_GRADES,
    Item,
    Pair,
    comparing,
    grading,
    read_choice,
    read_grade,
    scale,
)
from workbench.session import GenerationSettings, JudgeSettings
from workbench.text import one_line

__all__ = ["Grade", "Item", "Pair", "PositionBias", "Preference", "grade", "prefer"]

REPLY = 512  # tokens of a reply: some models think first


@dataclass(frozen=True)
class Grade:
    """`value` is on the scale, or None, and then `problem` says why."""

    value: int | None = None
    problem: str = ""
    reply: str = ""


@dataclass(frozen=True)
class Preference:
    """1: b is better; 0: a is; 0.5: equal, or each in one order. None: the judge did not say, and
    `problem` says why."""

    value: float | None = None
    agreed: bool = True  # the same in both orders
    problem: str = ""


@dataclass
class PositionBias:
    """How a judge's choice hangs on which answer it reads first."""

    pairs: int = 0  # judged in both orders
    disagreed: int = 0  # of them, otherwise in the other order
    decisions: int = 0  # readings in which one was better
    first: int = 0  # of them, those for the answer shown first

    @property
    def first_share(self) -> float:
        """Share of the decisions for the answer shown first: 0.5 is no bias."""
        return self.first / self.decisions if self.decisions else 0.5

    @property
    def words(self) -> str:
        return (
            f"The judge chose the answer shown first in {self.first_share:.0%} of its decisions, "
            f"and judged {self.disagreed:,} of {self.pairs:,} pairs otherwise in the other order; "
            "those count as equal."
        )


def grade(
    answerer: Answerer,
    items: Sequence[Item],
    settings: JudgeSettings,
    stopped: threading.Event,
    on_grade: Callable[[int, Grade], None],
) -> None:
    """Grade each answer on the scale; told by position, as they come.

    A reply that is no grade on the scale is asked for once more; what is none then is a problem of
    the row, and no grade.

    Raises:
        ModelError: where the scale is none, or the judge answers nothing at all.
    """
    labels = scale(settings)
    among = f"a whole number from {settings.lowest} to {settings.highest}"
    readings = [Reading(n, grading(item, settings, among)) for n, item in enumerate(items)]

    def told(reading: Reading) -> None:
        value = None if reading.problem else read_grade(reading.reply, settings)
        on_grade(
            reading.position,
            Grade(value, reading.problem or no_reply(value, reading.reply, among), reading.reply),
        )

    read_all(
        answerer,
        readings,
        labels if len(labels) <= MOST_GRADES else [],
        lambda text: read_grade(text, settings) is not None,
        f"That is not {among}. Reply with {among} and with nothing else.",
        told,
        stopped,
    )


def prefer(
    answerer: Answerer,
    pairs: Sequence[Pair],
    settings: JudgeSettings,
    stopped: threading.Event,
    on_preference: Callable[[int, Preference], None],
) -> PositionBias:
    """Say which answer of each pair is better, each read in both orders; told by position.

    Raises:
        ModelError: as `grade`.
    """
    bias = PositionBias()
    halves: dict[int, dict[bool, Reading]] = {}
    readings = [
        Reading(n, comparing(pair, settings, swapped), swapped)
        for n, pair in enumerate(pairs)
        for swapped in (False, True)
    ]

    def told(reading: Reading) -> None:
        both = halves.setdefault(reading.position, {})
        both[reading.swapped] = reading
        if len(both) == 2:
            on_preference(reading.position, judged(both[False], both[True], bias))

    read_all(
        answerer,
        readings,
        ["1", "2", EQUAL],
        lambda text: read_choice(text) is not None,
        f"That is none of 1, 2 and {EQUAL}. Reply with one of these and with nothing else.",
        told,
        stopped,
    )
    return bias


def no_reply(value: object, reply: str, among: str) -> str:
    """Why a reply counts for nothing; empty where it counts."""
    if value is not None:
        return ""
    return f'The judge did not answer with {among}, but with "{one_line(reply, 60)}".'


def judged(plain: "Reading", swapped: "Reading", bias: PositionBias) -> Preference:
    """What two readings of a pair say together; counted in `bias`."""
    for reading in (plain, swapped):
        problem = reading.problem or no_reply(
            read_choice(reading.reply), reading.reply, f"1, 2 or {EQUAL}"
        )
        if problem:
            return Preference(problem=problem)
    first, second = read_choice(plain.reply), read_choice(swapped.reply)
    assert first is not None
    assert second is not None
    bias.pairs += 1
    for choice in (first, second):
        bias.decisions += choice != 0.5
        bias.first += choice == 0
    agreed = first == 1 - second
    bias.disagreed += not agreed
    return Preference(first if agreed else 0.5, agreed)


# --- asking ---------------------------------------------------------------------------------------


@dataclass
class Reading:
    """One question to the judge, and what it said."""

    position: int
    text: str
    swapped: bool = False
    reply: str = ""
    problem: str = ""
    again: list[Turn] = field(default_factory=list)  # what was said before, where it is asked again


def read_all(  # noqa: PLR0917  # what it reads, how, and whom it tells
    answerer: Answerer,
    readings: Sequence[Reading],
    labels: Sequence[str],
    fits: Callable[[str], bool],
    objection: str,
    on_read: Callable[[Reading], None],
    stopped: threading.Event,
) -> None:
    """Ask all; those whose reply does not fit once more, with an objection."""
    unfit: list[Reading] = []

    def first(reading: Reading) -> None:
        if not reading.problem and not fits(reading.reply):
            unfit.append(reading)
        else:
            on_read(reading)

    ask(answerer, readings, labels, first, stopped)
    for reading in unfit:
        reading.again = [
            {"role": "assistant", "content": reading.reply or "…"},
            {"role": "user", "content": objection},
        ]
    if not unfit or stopped.is_set():
        return
    told: set[int] = set()

    def second(reading: Reading) -> None:
        told.add(id(reading))
        on_read(reading)

    try:
        ask(answerer, unfit, labels, second, stopped)
    except ModelError as error:  # what was graded before is there all the same
        for reading in unfit:
            if id(reading) not in told:
                reading.problem = str(error)
                on_read(reading)


def ask(
    answerer: Answerer,
    readings: Sequence[Reading],
    labels: Sequence[str],
    on_read: Callable[[Reading], None],
    stopped: threading.Event,
) -> None:
    """Put the readings to the judge; each is told when its reply is there."""
    asked: list[Reading] = []
    questions: list[Question] = []
    for reading in readings:
        turns = [{"role": "user", "content": reading.text}, *reading.again]
        try:
            questions.append(answerer.question(turns))
            asked.append(reading)
        except PromptError as error:
            reading.problem = str(error)
            on_read(reading)

    def answered(position: int, answer: Answer) -> None:
        reading = asked[position]
        reading.reply, reading.problem = answer.text, answer.problem
        if answer.reason != "stopped":
            on_read(reading)

    room = min(REPLY, answerer.context_length // 4) if answerer.context_length else REPLY
    settings = GenerationSettings(
        max_new_tokens=room, do_sample=False, constraint="labels" if labels else "none"
    )
    answerer.write(questions, settings, answered, stopped, labels=labels)
