"""Errors and correlations of numbers beside scikit-learn and SciPy, on the same answers."""

import numpy
import pytest
import scipy.stats
import sklearn.metrics

from tests.measuring.made import figures_of, measurement, replies_of
from workbench.measuring.comparison import compare
from workbench.measuring.metrics import choose_metrics, score
from workbench.measuring.metrics.numbers import MOST_RANKED, Pearson, Spearman, number_in
from workbench.measuring.replies import Reply
from workbench.measuring.statistics import resamples
from workbench.session import EvaluationSettings

NAMES = ["mae", "rmse", "pearson", "spearman"]


def told(count: int, off: float = 0.8, seed: int = 0, shift: float = 3.0) -> tuple[list, list]:
    """Right numbers, and others near them; with one decimal, so that some are equal."""
    draw = numpy.random.default_rng(seed)
    right = numpy.round(draw.normal(shift, 1, count), 1)
    return right.tolist(), numpy.round(right + draw.normal(0, off, count), 1).tolist()


def replies(right: list, answered: list) -> list[Reply]:
    return replies_of([str(one) for one in right], [str(one) for one in answered])


@pytest.mark.parametrize("count", [2, 3, 40, 300, MOST_RANKED + 50])
def test_figures_of_numbers_are_scikit_learns_and_scipys(count: int) -> None:
    right, answered = told(count, seed=count)
    found = figures_of(replies(right, answered), NAMES)
    expected = {
        "mae": sklearn.metrics.mean_absolute_error(right, answered),
        "rmse": sklearn.metrics.root_mean_squared_error(right, answered),
        "pearson": scipy.stats.pearsonr(right, answered).statistic,
        "spearman": scipy.stats.spearmanr(right, answered).statistic,
    }
    assert list(found) == NAMES
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name
        assert found[name].low <= found[name].value <= found[name].high
    assert [found[name].better for name in NAMES] == ["lower", "lower", "higher", "higher"]


def test_correlations_of_large_numbers_that_hardly_differ_lose_no_digit() -> None:
    right, answered = told(50, shift=0)
    far = [one + 1e7 for one in right], [one * 1e-4 + 1e7 for one in answered]
    found = figures_of(replies(*far), ["pearson", "spearman"])
    assert found["pearson"].value == pytest.approx(scipy.stats.pearsonr(*far).statistic, abs=1e-6)
    assert found["spearman"].value == pytest.approx(
        scipy.stats.spearmanr(*far).statistic, abs=1e-12
    )


def test_each_draw_of_rows_is_ranked_anew() -> None:
    right, answered = told(30)
    rows = [(reply, None) for reply in replies(right, answered)]
    [weights] = resamples(30, 40)
    for metric, reference in (
        (Spearman(), scipy.stats.spearmanr),
        (Pearson(), scipy.stats.pearsonr),
    ):
        drawn = metric.of(weights @ metric.statistics(rows))
        for value, counts in zip(drawn, weights.astype(int), strict=True):
            expected = reference(numpy.repeat(right, counts), numpy.repeat(answered, counts))
            assert value == pytest.approx(expected.statistic, abs=1e-9)


def test_the_interval_of_many_rows_is_about_that_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = replies(*told(400))
    drawn = figures_of(rows, ["spearman"])["spearman"]
    monkeypatch.setattr("workbench.measuring.metrics.numbers.MOST_RANKED", 100)
    formula = figures_of(rows, ["spearman"])["spearman"]
    assert formula.value == pytest.approx(drawn.value, abs=1e-12)
    assert formula.interval == "Bonett and Wright"
    assert formula.low == pytest.approx(drawn.low, abs=0.02)
    assert formula.high == pytest.approx(drawn.high, abs=0.02)


@pytest.mark.parametrize("most", [MOST_RANKED, 50])
@pytest.mark.parametrize("metric", ["rmse", "spearman", "pearson", "mae"])
def test_two_sets_of_numbers_are_compared_by_their_own_figures(
    metric: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.measuring.metrics.numbers.MOST_RANKED", most)
    right, far = told(60, off=2.0)
    _, near = told(60, off=0.3)
    a = measurement(replies(right, far), NAMES)
    b = measurement(replies(right, near), NAMES, name="second")
    made = compare(a, b, metric)
    for found, answered in ((made.value_a, far), (made.value_b, near)):
        own = figures_of(replies(right, answered), [metric])[metric].value
        assert found == pytest.approx(own, abs=1e-9)
    assert made.verdict.startswith("second is better")
    assert made.low <= made.difference <= made.high
    assert len(made.gained) > len(made.lost)


@pytest.mark.parametrize("side", ["answers", "right answers"])
def test_equal_numbers_have_no_correlation_and_that_is_said(side: str) -> None:
    one, other = ["1.5"] * 6, ["1", "2", "3", "4", "5", "6"]
    rows = replies_of(other, one) if side == "answers" else replies_of(one, other)
    found = figures_of(rows, ["pearson", "spearman"])
    assert [one.value for one in found.values()] == [0.0, 0.0]
    [metric] = choose_metrics(EvaluationSettings(metrics=["pearson"]), [], [])
    assert metric.notes(rows)[0].startswith(f"All {side} are the same number")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (" 4.5\n", 4.5),
        ("-2", -2.0),
        ("Rating: 4.5", 4.5),
        ("4 stars", 4.0),
        ("about 1,250,000 people", 1_250_000.0),
        ("4 of 5", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("four", None),
        ("", None),
    ],
)
def test_a_number_is_found_where_it_is_the_only_one(text: str, number: float | None) -> None:
    assert number_in(text) == number


def test_an_answer_that_is_no_number_is_named_and_left_out() -> None:
    rows = [*replies(*told(20)), Reply(number=20, expected="3.5", answer="rather good")]
    chosen = choose_metrics(EvaluationSettings(metrics=NAMES), [], [])  # type: ignore[arg-type]
    values, problem = score(chosen, rows[-1])
    assert values == {}
    assert problem == 'The answer "rather good" is no number.'  # once, not once a metric
    assert figures_of(rows, NAMES) == figures_of(rows[:-1], NAMES)
