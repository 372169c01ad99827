"""Intervals and tests beside scipy's and statsmodels', and how often they hold."""

import math
import random

import numpy
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint

from tests.measuring.made import chosen_labels, figures_of, replies_of, sentences
from workbench.measuring.metrics.calibration import Calibration
from workbench.measuring.metrics.classes import MacroF1, Matthews
from workbench.measuring.metrics.translation import Bleu, Chrf
from workbench.measuring.statistics import (
    Array,
    accelerated,
    bootstrap,
    mcnemar,
    paired,
    paired_shares,
    resamples,
    rows_needed,
    wilson,
    without_each,
)

LABELS = ["good", "bad", "mixed"]


def mean(sums: Array) -> Array:
    return sums[..., 0] / sums[..., 1]


def with_ones(values: Array) -> Array:
    return numpy.stack([values, numpy.ones(len(values))], axis=1)


@pytest.mark.parametrize(("right", "rows"), [(0, 1), (0, 30), (30, 30), (7, 12), (237, 300)])
def test_the_interval_of_a_share_is_wilsons(right: int, rows: int) -> None:
    assert wilson(right, rows) == pytest.approx(
        proportion_confint(right, rows, method="wilson"), abs=1e-12
    )
    exact = scipy.stats.binomtest(right, rows).proportion_ci(0.95, "wilson")
    assert wilson(right, rows) == pytest.approx((exact.low, exact.high), abs=1e-12)


@pytest.mark.parametrize(
    ("gained", "lost"), [(0, 0), (1, 0), (0, 6), (5, 12), (12, 5), (40, 40), (700, 612), (9000, 1)]
)
def test_mcnemars_test_is_exact(gained: int, lost: int) -> None:
    table = [[17, lost], [gained, 4]]
    expected = 1.0 if gained + lost == 0 else reference_mcnemar(table, exact=True).pvalue
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    if gained + lost:
        binomial = scipy.stats.binomtest(gained, gained + lost).pvalue
        assert mcnemar(gained, lost) == pytest.approx(binomial, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("lost", range(0, 25, 3))
@pytest.mark.parametrize("gained", range(0, 25, 4))
def test_the_interval_of_a_difference_leaves_zero_out_where_the_score_test_rejects(
    gained: int, lost: int
) -> None:
    low, high = paired_shares(gained, lost, 80)
    assert low <= (gained - lost) / 80 <= high
    assert paired_shares(lost, gained, 80) == pytest.approx((-high, -low), abs=1e-9)
    if gained + lost:
        test = reference_mcnemar([[9, lost], [gained, 9]], exact=False, correction=False)
        assert (not low <= 0 <= high) == (test.pvalue < 0.05)


@pytest.mark.parametrize("share", [(0.1, 0.1), (0.2, 0.05), (0.02, 0.0)])
def test_the_interval_of_a_difference_holds(share: tuple[float, float]) -> None:
    draws = numpy.random.default_rng(0).multinomial(60, [*share, 1 - sum(share)], 1_000)
    difference = share[0] - share[1]
    held = [
        low <= difference <= high
        for low, high in (paired_shares(int(one[0]), int(one[1]), 60) for one in draws)
    ]
    assert numpy.mean(held) > 0.93


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_bootstrap_intervals_are_scipys(method: str) -> None:
    values = numpy.random.default_rng(3).gamma(1, 1, 60)
    drawn = bootstrap(with_ones(values), mean, 20_000)
    if method == "percentile":
        found = numpy.quantile(drawn, (0.025, 0.975))
    else:
        jackknife = without_each(with_ones(values), mean)
        found = numpy.array(accelerated(values.mean(), drawn, jackknife))
    reference = scipy.stats.bootstrap(
        (values,), numpy.mean, n_resamples=20_000, method=method, rng=1
    ).confidence_interval
    assert found == pytest.approx([reference.low, reference.high], abs=0.015)


def test_the_paired_difference_has_scipys_interval_and_p_value() -> None:
    draw = numpy.random.default_rng(5)
    a = draw.gamma(2, 1, 40)
    b = a + draw.normal(0.25, 0.7, 40)
    found = paired(with_ones(a), with_ones(b), mean, 20_000)
    interval = scipy.stats.bootstrap(
        (b - a,), numpy.mean, n_resamples=20_000, method="BCa", rng=1
    ).confidence_interval
    test = scipy.stats.permutation_test(
        (a, b),
        lambda x, y, axis: numpy.mean(y - x, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=1,
    )
    assert found.value == pytest.approx((b - a).mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.015)
    assert found.p_value == pytest.approx(test.pvalue, abs=0.01)
    assert found.deviation == pytest.approx((b - a).std() / math.sqrt(40), rel=0.05)


@pytest.mark.parametrize("metric", [MacroF1(LABELS), Matthews(LABELS), Bleu(), Chrf()])
def test_a_draw_of_a_corpus_is_the_figure_of_the_rows_drawn(
    metric: MacroF1 | Matthews | Bleu | Chrf,
) -> None:
    if isinstance(metric, MacroF1 | Matthews):
        replies = replies_of(*chosen_labels(30, LABELS, 0.6))
    else:
        replies = replies_of(*sentences(30))
    statistics = metric.statistics([(reply, None) for reply in replies])
    (weights,) = resamples(30, 20)
    assert (weights.sum(1) == 30).all()
    for one, value in zip(weights, metric.of(weights @ statistics), strict=True):
        rows = [(replies[row], None) for row in numpy.repeat(numpy.arange(30), one.astype(int))]
        again = metric.of(metric.statistics(rows).sum(0))
        assert float(value) == pytest.approx(float(again), abs=1e-9)
    left_out = without_each(statistics, metric.of)
    rest = metric.statistics([(reply, None) for reply in replies[1:]])
    assert float(left_out[0]) == pytest.approx(float(metric.of(rest.sum(0))), abs=1e-9)


def test_draws_in_parts_are_the_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = numpy.concatenate(list(resamples(50, 40)))
    monkeypatch.setattr("workbench.measuring.statistics.AT_ONCE", 600)
    parts = list(resamples(50, 40))
    assert len(parts) > 1
    assert (numpy.concatenate(parts) == whole).all()


def test_the_same_rows_give_the_same_interval() -> None:
    replies = replies_of(*sentences(50))
    assert figures_of(replies, ["bleu", "chrf"]) == figures_of(replies, ["bleu", "chrf"])


def test_intervals_of_macro_f1_hold_on_few_rows() -> None:
    metric = MacroF1(LABELS)

    def figures(rows: int, seed: int) -> Array:
        replies = replies_of(*chosen_labels(rows, LABELS, 0.6, seed))
        return metric.statistics([(reply, None) for reply in replies])

    truth = float(metric.of(figures(100_000, 0).sum(0)))
    held = 0
    for seed in range(1, 151):
        statistics = figures(60, seed)
        value = float(metric.of(statistics.sum(0)))
        low, high, _ = metric.interval(statistics, value, bootstrap(statistics, metric.of, 400))
        held += low <= truth <= high
    assert held / 150 > 0.88


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_intervals_of_the_calibration_error_hold(shift: float) -> None:
    metric = Calibration(lambda reply: reply.answer == reply.expected)

    def figures(rows: int, seed: int) -> Array:
        draw = random.Random(seed)
        confidence = [draw.betavariate(3, 1.2) for _ in range(rows)]
        right = ["a" if draw.random() < one * (1 - shift) else "b" for one in confidence]
        replies = replies_of(["a"] * rows, right, confidence=confidence)
        return metric.statistics([(reply, None) for reply in replies])

    truth = float(metric.of(figures(50_000, 0).sum(0))) if shift else 0.0
    held = 0
    for seed in range(1, 101):
        statistics = figures(200, seed)
        value = float(metric.of(statistics.sum(0)))
        low, high, _ = metric.interval(statistics, value, bootstrap(statistics, metric.of, 400))
        held += low <= truth <= high
    assert held / 100 > 0.87


def test_a_test_of_equal_models_rejects_one_in_twenty() -> None:
    rejected = 0
    for seed in range(150):
        draw = numpy.random.default_rng(seed)
        a = draw.gamma(1, 1, 25)
        b = a + draw.standard_t(4, 25) * 0.5
        rejected += paired(with_ones(a), with_ones(b), mean, 400).p_value < 0.05
    assert rejected / 150 < 0.11


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_rows_that_are_all_right_leave_an_interval(rows: int) -> None:
    found = figures_of(replies_of(["good", "bad"] * rows, ["good", "bad"] * rows), labels=LABELS)
    for name in ("accuracy", "macro_f1", "matthews"):
        assert found[name].value == found[name].high == 1
        assert found[name].low < 1
    assert found["macro_f1"].low == pytest.approx(wilson(2 * rows, 2 * rows)[0])


def test_a_single_row_says_nothing() -> None:
    found = figures_of(replies_of(["the cat sat down"], ["the cat ran down"]), ["chrf"])["chrf"]
    assert (found.low, found.high, found.interval) == (0, 100, "none: a single row")
    grade = figures_of(replies_of(["x"], ["y"], grade=[2.0]), ["judge"])["judge"]
    assert (grade.low, grade.high) == (1, 5)


def test_a_figure_that_no_row_changes_says_that_it_has_no_interval() -> None:
    found = figures_of(replies_of(["x"] * 9, ["y"] * 9, grade=[3.0] * 9), ["judge"])["judge"]
    assert (found.low, found.value, found.high) == (3, 3, 3)
    assert found.interval.startswith("none")


def test_rows_needed_give_the_power_that_they_promise() -> None:
    draw = numpy.random.default_rng(1)
    difference, spread = 0.2, 1.0
    needed = rows_needed(difference, spread / math.sqrt(50), 50)
    tests = scipy.stats.ttest_1samp(draw.normal(difference, spread, (2_000, needed)), 0, axis=1)
    assert 0.77 < numpy.mean(tests.pvalue < 0.05) < 0.83
    assert rows_needed(0.0, 1.0, 50) == 0
