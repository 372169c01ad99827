"""Measured answers, judged by a model: graded one by one, or the better of two.

Knows measured rows, judges and the store; how a judge reads and replies is `judge`'s.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from workbench.data.examples import prompt_turns
from workbench.data.prompting import PromptError
from workbench.inference.answering import Answerer, Question, Turn
from workbench.measuring.answers import Known, Memory, key_of
from workbench.measuring.comparison import LISTED, cut, few, matched
from workbench.measuring.comparison import Pair as RowPair
from workbench.measuring.database import ResultsError
from workbench.measuring.judge import Grade, Preference, grade, prefer
from workbench.measuring.questions import Report
from workbench.measuring.rubric import Item, Pair
from workbench.measuring.statistics import mcnemar, paired
from workbench.measuring.store import Measurement
from workbench.measuring.verdict import names, p_value
from workbench.protocol import Changed, Compared, FormatFound, Values
from workbench.session import JudgeSettings, Prompt

CHUNK = 32  # answers that are judged between two looks at what else is asked
DRAWS = 10_000


def task_of(prompt: Prompt, found: FormatFound, values: Values) -> list[Turn]:
    """The turns that an answer is judged by: the prompt's without its examples."""
    try:
        return prompt_turns(prompt, found, values)
    except PromptError:
        return [{"role": "user", "content": str(values)}]


def grade_items(
    judge: Answerer,
    items: Sequence[Item],
    settings: JudgeSettings,
    memory: Memory,
    *,
    fresh: bool,
    report: Report,
    stopped: threading.Event,
    between: Callable[[], None],
    tell: Callable[[int, Grade], None],
) -> None:
    """Grade answers; a grade that was given before is not asked for again.

    Raises:
        ModelError: when nothing can be judged.
    """
    keys = grade_keys(judge, items, settings)
    known = {} if fresh else memory.answers(keys, Known)
    done = 0

    def told(position: int, given: Grade) -> None:
        nonlocal done
        done += 1
        tell(position, given)
        report("judging", done, len(items), "answers")

    for position, key in enumerate(keys):
        if key in known:
            told(position, Grade(value=int(known[key].text), reply=known[key].text))
    left = [position for position, key in enumerate(keys) if key not in known]
    came: dict[str, Known] = {}
    for start in range(0, len(left), CHUNK):
        if stopped.is_set():
            return
        between()
        chunk = left[start : start + CHUNK]

        def on(place: int, given: Grade, chunk: Sequence[int] = chunk) -> None:
            if given.value is not None:
                came[keys[chunk[place]]] = Known(text=str(given.value))
            told(chunk[place], given)

        try:
            grade(judge, [items[position] for position in chunk], settings, stopped, on)
        finally:
            if came:
                memory.keep(came.items())
            came.clear()


def grade_keys(judge: Answerer, items: Sequence[Item], settings: JudgeSettings) -> list[str]:
    """What the grades are kept by: the judge's weights, what it reads, and the scale."""
    how = ["grade", settings.rubric, settings.lowest, settings.highest]
    return [
        key_of(
            judge.fingerprint, Question(turns=list(item.turns)), [*how, item.answer, item.expected]
        )
        for item in items
    ]


def judge_pairs(
    judge: Answerer,
    a: Measurement,
    b: Measurement,
    tasks: Callable[[int, str], list[Turn]],
    settings: JudgeSettings,
    *,
    report: Report,
    stopped: threading.Event,
) -> Compared:
    """Which of two measurements has the better answers, each pair read in both orders.

    `tasks` tells the turns of a row by its number and key. Orders that disagree count as equal.
    The p-value is that of the sign test over the rows that are not equal, the interval of the
    difference in share is the paired bootstrap's.

    Raises:
        ResultsError: when they have no answers in common.
        ModelError: when nothing can be judged.
    """
    rows, notes = matched(a, b)
    rows = [row for row in rows if not (row.a.reply.problem or row.b.reply.problem)]
    if not rows:
        raise ResultsError("The two measurements have no answers in common; measure both again.")
    pairs = [
        Pair(
            tasks(row.a.reply.number, row.a.reply.key),
            row.a.reply.answer,
            row.b.reply.answer,
            row.a.reply.expected,
        )
        for row in rows
    ]
    given: dict[int, Preference] = {}

    def tell(position: int, preference: Preference) -> None:
        given[position] = preference
        report("judging pairs", len(given), len(pairs), "pairs")

    bias = prefer(judge, pairs, settings, stopped, tell)
    values = {
        position: one.value for position, one in sorted(given.items()) if one.value is not None
    }
    failed = [one for one in given.values() if one.problem]
    if not values:
        why = failed[0].problem if failed else "it was stopped before its first pair."
        raise ResultsError(f"The judge said nothing that counts: {why}")
    if failed:
        notes.append(f"{len(failed):,} pairs could not be judged, the first: {failed[0].problem}")
    if len(given) < len(pairs):
        notes.append(f"Stopped: {len(given):,} of {len(pairs):,} pairs were judged.")
    return preferred(a, b, rows, values, [bias.words, *notes])


def preferred(
    a: Measurement,
    b: Measurement,
    rows: Sequence[RowPair],
    values: dict[int, float],
    notes: list[str],
) -> Compared:
    """The comparison of preferences: of each row 1 where b is better, 0 where a is."""
    name_a, name_b = names(a, b)
    share = numpy.array(list(values.values()), float)
    ones = numpy.ones(len(share))
    theirs, ours = numpy.stack([share, ones], 1), numpy.stack([1 - share, ones], 1)
    difference = paired(ours, theirs, lambda sums: sums[..., 0] / sums[..., 1], DRAWS)
    chance = mcnemar(int((share == 1).sum()), int((share == 0).sum()))
    return Compared(
        a=a.id,
        b=b.id,
        name_a=name_a,
        name_b=name_b,
        metric="preferred",
        rows=len(share),
        value_a=float(1 - share.mean()),
        value_b=float(share.mean()),
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        p_value=chance,
        test="sign test, paired bootstrap (BCa)",
        verdict=verdict(name_a, name_b, share, chance),
        gained=changed(rows, values, 1.0),
        lost=changed(rows, values, 0.0),
        notes=[*few(len(share)), *notes],
    )


def verdict(name_a: str, name_b: str, share: "numpy.ndarray[Any, Any]", chance: float) -> str:
    """What the preferences say; `share` is of each row 1 where b is better, 0 where a is."""
    gained, lost = int((share == 1).sum()), int((share == 0).sum())
    winner = name_b if gained > lost else name_a
    return (
        f"The judge prefers {winner if chance < 0.05 else 'neither'}: "
        f"{100 * float(share.mean()):.1f} % for {name_b} on {len(share):,} pairs "
        f"({gained:,} better, {lost:,} worse, {len(share) - gained - lost:,} equal), "
        f"{p_value(chance)}."
    )


def changed(rows: Sequence[RowPair], values: dict[int, float], wanted: float) -> list[Changed]:
    """The first rows with that preference."""
    return [
        Changed(
            number=rows[position].a.reply.number,
            expected=cut(rows[position].a.reply.expected),
            a=cut(rows[position].a.reply.answer),
            b=cut(rows[position].b.reply.answer),
            value_a=1 - value,
            value_b=value,
        )
        for position, value in values.items()
        if value == wanted
    ][:LISTED]
