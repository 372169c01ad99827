"""Is one measurement better than the other, on the same rows?"""

import random

import msgspec
import numpy
import pytest
import sacrebleu
from sacrebleu.significance import PairedTest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from tests.measuring.made import chosen_labels, measurement, replies_of, sentences
from workbench.measuring.comparison import compare
from workbench.measuring.database import ResultsError
from workbench.measuring.store import Measurement
from workbench.measuring.verdict import p_value
from workbench.protocol import decode_event, encode

LABELS = ["good", "bad", "mixed"]


def two(
    rows: int = 300, first: float = 0.5, second: float = 0.8
) -> tuple[Measurement, Measurement]:
    """Two measurements of the same rows."""
    draw = random.Random(4)
    expected, ours = chosen_labels(rows, LABELS, first)
    theirs = [
        mine if draw.random() < 0.5 else one if draw.random() < second else "bad"
        for one, mine in zip(expected, ours, strict=True)
    ]
    names = ["accuracy", "macro_f1", "matthews"]
    return (
        measurement(replies_of(expected, ours), names, LABELS, "first"),
        measurement(replies_of(expected, theirs), names, LABELS, "second"),
    )


def right(one: Measurement) -> list[bool]:
    return [row.reply.answer == row.reply.expected for row in one.rows]


def test_right_and_wrong_are_compared_with_mcnemars_test() -> None:
    a, b = two()
    found = compare(a, b)
    before, after = numpy.array(right(a)), numpy.array(right(b))
    table = [
        [(before & after).sum(), (before & ~after).sum()],
        [(~before & after).sum(), (~before & ~after).sum()],
    ]
    assert found.p_value == pytest.approx(reference_mcnemar(table, exact=True).pvalue)
    assert found.difference == pytest.approx(after.mean() - before.mean())
    assert (found.value_a, found.value_b) == (before.mean(), after.mean())
    assert found.low < found.difference < found.high
    assert len(found.gained) == table[1][0]
    assert len(found.lost) == table[0][1]
    assert [one.number for one in found.lost] == [
        number for number in range(300) if before[number] and not after[number]
    ]
    assert (found.gained[0].value_a, found.gained[0].value_b) == (0, 1)
    assert found.test.startswith("McNemar's exact test")
    assert decode_event(encode(found)) == found
    assert found.verdict.startswith("second is better: +")
    assert found.verdict.endswith(f"on {found.rows} rows.")


def test_the_other_way_round_it_is_worse() -> None:
    a, b = two()
    found, back = compare(a, b), compare(b, a)
    assert back.difference == -found.difference
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert back.p_value == found.p_value
    assert back.verdict.startswith("first is worse: -")
    assert [one.number for one in back.lost] == [one.number for one in found.gained]


@pytest.mark.parametrize("metric", ["macro_f1", "macro F1", "matthews"])
def test_figures_of_all_rows_are_made_anew_in_every_draw(metric: str) -> None:
    a, b = two()
    found = compare(a, b, metric)
    assert b.evaluated
    told = {one.name: one.value for one in b.evaluated.metrics}
    assert found.value_b == pytest.approx(told["matthews" if metric == "matthews" else "macro_f1"])
    assert found.p_value < 0.01
    assert found.low <= found.difference <= found.high
    assert {one.value_b for one in found.gained} == {1.0}  # those whose answer became right
    assert "paired permutation" in found.test


@pytest.mark.parametrize(("metric", "changed"), [("bleu", 0.3), ("chrf", 0.3), ("bleu", 0.5)])
def test_translations_are_compared_as_sacrebleu_does(metric: str, changed: float) -> None:
    expected, ours = sentences(80, 1, 0.4)
    _, theirs = sentences(80, 1, changed)
    names = [metric]
    a = measurement(replies_of(expected, ours), names)
    b = measurement(replies_of(expected, theirs), names, name="second")
    found = compare(a, b)
    scorer = sacrebleu.metrics.BLEU() if metric == "bleu" else sacrebleu.metrics.CHRF()
    _, results = PairedTest(
        [("a", ours), ("b", theirs)], {metric: scorer}, [expected], test_type="ar", n_samples=3_000
    )()
    name = next(key for key in results if key != "System")
    assert found.value_b == pytest.approx(results[name][1].score, abs=1e-9)
    assert found.p_value == pytest.approx(results[name][1].p_value, abs=0.04)


def test_answers_that_differ_by_chance_only_decide_nothing() -> None:
    a, _ = two(300)
    expected = [row.reply.expected for row in a.rows]
    draw = random.Random(7)
    answers = [one if draw.random() < 0.5 else draw.choice(LABELS) for one in expected]
    b = measurement(replies_of(expected, answers), ["accuracy", "macro_f1"], LABELS, "second")
    for metric in ("accuracy", "macro_f1"):
        found = compare(a, b, metric)
        assert found.p_value > 0.05
        assert found.low < 0 < found.high
        assert found.verdict.startswith("No difference can be told on 300 rows: ")
        assert "rows would be needed to see" in found.verdict


def test_a_measurement_is_no_better_than_itself() -> None:
    a, _ = two()
    for metric in ("accuracy", "macro_f1", "matthews"):
        found = compare(a, a, metric)
        assert (found.difference, found.p_value) == (0, 1)
        assert not found.gained
        assert not found.lost
        assert found.verdict.startswith("No difference on 300 rows")


def test_rows_are_matched_by_number_and_content() -> None:
    a, b = two(100)
    moved = [
        msgspec.structs.replace(row, reply=msgspec.structs.replace(row.reply, key="other"))
        if row.reply.number < 10
        else row
        for row in b.rows[:90]
    ]
    found = compare(a, msgspec.structs.replace(b, rows=moved))
    assert found.rows == 80
    assert found.notes == [
        "10 rows have changed between the two and are left out.",
        "10 rows that only one of them has are left out.",
    ]


def test_rows_that_failed_in_either_are_left_out() -> None:
    a, b = two(100)
    failed = [
        msgspec.structs.replace(
            row, scores={}, reply=msgspec.structs.replace(row.reply, problem="Refused.")
        )
        if row.reply.number % 10 == 0
        else row
        for row in b.rows
    ]
    for metric in ("accuracy", "macro_f1"):
        found = compare(a, msgspec.structs.replace(b, rows=failed), metric)
        assert found.rows == 90
        assert "10 rows that failed in either are left out." in found.notes


def test_few_rows_and_few_changes_are_told() -> None:
    a, _ = two(20)
    expected = [row.reply.expected for row in a.rows]
    answers = [row.reply.answer for row in a.rows]
    number = right(a).index(True)
    flipped = [*answers[:number], "wrong", *answers[number + 1 :]]
    b = measurement(replies_of(expected, flipped), ["accuracy"], LABELS, "second")
    found = compare(a, b)
    assert found.notes[0].startswith("There are only 20 rows")
    assert found.notes[1].startswith("Only 1 rows changed")


def test_a_lower_perplexity_is_better() -> None:
    draw = random.Random(0)
    tokens = [draw.randint(3, 9) for _ in range(60)]
    first = [-2.0 * count - draw.random() for count in tokens]
    second = [one + 0.3 * count for one, count in zip(first, tokens, strict=True)]
    a, b = (
        measurement(
            replies_of(["x"] * 60, ["x"] * 60, logprob=logprobs, tokens=tokens),
            ["perplexity"],
            name=name,
        )
        for name, logprobs in (("first", first), ("second", second))
    )
    found = compare(a, b)
    assert found.difference < 0
    assert found.verdict.startswith("second is better: -")
    assert not found.lost


def test_rows_that_are_clearly_better_come_first() -> None:
    grades = [3.0, 3.0, 3.0, 3.0] * 10
    after = [5.0, 4.0, 3.0, 1.0] * 10
    a, b = (
        measurement(replies_of(["x"] * 40, ["y"] * 40, grade=values), ["judge"], name=name)
        for name, values in (("first", grades), ("second", after))
    )
    found = compare(a, b)
    assert [one.value_b for one in found.gained] == [5.0] * 10 + [4.0] * 10
    assert len(found.lost) == 10
    assert found.verdict.startswith("No difference can be told on 40 rows: +0.25")


def test_names_tell_weights_apart() -> None:
    a, b = two()
    tuned = msgspec.structs.replace(
        b, about=msgspec.structs.replace(a.about, weights="tuned", step=40)
    )
    found = compare(a, tuned)
    assert (found.name_a, found.name_b) == ("first (base)", "first (tuned)")


def test_text_from_outside_stays_text() -> None:
    a, b = two()
    prompt = msgspec.structs.replace(b.about.prompt, name="[red]\x1b[31mx\nsecond")
    found = compare(
        a, msgspec.structs.replace(b, about=msgspec.structs.replace(b.about, prompt=prompt))
    )
    assert "\x1b" not in found.verdict
    assert "\n" not in found.verdict


def test_a_metric_that_only_one_has_is_refused() -> None:
    a, b = two()
    with pytest.raises(ResultsError, match=r"chrf was not measured of both; both have accuracy"):
        compare(a, b, "chrf")


def test_measurements_without_a_row_in_common_are_refused() -> None:
    a, b = two()
    with pytest.raises(ResultsError, match="no rows in common"):
        compare(a, msgspec.structs.replace(b, rows=[]))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0002, "p < 0.001"), (0.0123, "p = 0.012"), (0.0496, "p = 0.0496"), (0.62, "p = 0.620")],
)
def test_a_p_value_is_never_rounded_over_the_level(value: float, words: str) -> None:
    assert p_value(value) == words


def test_answers_that_were_not_scored_alike_are_told() -> None:
    a, b = two(100)
    evaluation = msgspec.structs.replace(b.about.evaluation, ignore_case=True)
    other = msgspec.structs.replace(b.about, evaluation=evaluation)
    found = compare(a, msgspec.structs.replace(b, about=other))
    assert "The two were scored with different settings: ignore_case." in found.notes
