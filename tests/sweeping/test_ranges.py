"""What a sweep tries, as a person writes it."""

import pytest
from msgspec.structs import replace

from workbench.session import Session, SessionError, SweepSettings
from workbench.sweeping.ranges import apply, combinations, parse, ranges_of, trial_session, wanted


def swept(**settings: object) -> Session:
    return replace(Session(), sweep=SweepSettings(**settings))  # type: ignore[arg-type]


def test_values_and_ranges_are_read_in_the_setting_s_own_kind() -> None:
    values = parse(Session(), "training.lora_r", "8, 16, 32")
    assert values.values == (8, 16, 32)
    rate = parse(Session(), "training.learning_rate", "1e-5..1e-3 log")
    assert (rate.low, rate.high, rate.log, rate.whole) == (1e-5, 1e-3, True, False)
    whole = parse(Session(), "training.lora_r", "4 .. 64")
    assert (whole.low, whole.high, whole.whole, whole.log) == (4, 64, True, False)
    assert parse(Session(), "training.method", "lora, full").values == ("lora", "full")
    assert parse(Session(), "training.masking.whole_words", "true, false").values == (True, False)


@pytest.mark.parametrize(
    ("setting", "text", "words"),
    [
        ("training.lora_r", "", "nothing to try"),
        ("training.lora_r", "8, eight", "expected int"),
        ("training.lora_r", "8, 8", "twice"),
        ("training.lora_r", "0, 8", "int >= 1"),
        ("training.lora_rank", "8, 16", 'did you mean "lora_r"'),
        ("training.learning_rate", "1e-3..1e-5", "smaller to a larger"),
        ("training.learning_rate", "0..1e-3 log", "above 0"),
        ("training.learning_rate", "low..high", "no range of numbers"),
        ("training.learning_rate", "1e-5..100", "float <= 10"),
        ("layout.theme", "a, b", "only settings of a run"),
    ],
)
def test_what_cannot_be_tried_is_one_sentence(setting: str, text: str, words: str) -> None:
    with pytest.raises(SessionError) as failed:
        parse(Session(), setting, text)
    assert words in str(failed.value)
    assert setting in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_grid_is_every_combination_of_single_values() -> None:
    ranges = {"training.lora_r": "4, 8", "training.learning_rate": "1e-4, 1e-3, 1e-2"}
    session = swept(method="grid", ranges=ranges, trials=1)
    found = combinations(ranges_of(session))
    assert len(found) == wanted(session.sweep, ranges_of(session)) == 6
    assert found[0] == {"training.lora_r": 4, "training.learning_rate": 1e-4}
    with pytest.raises(SessionError, match=r"1e-05, 0\.0001, 0\.001"):
        ranges_of(swept(method="grid", ranges={"training.learning_rate": "1e-5..1e-3 log"}))


def test_without_ranges_rate_and_rank_are_tried_around_the_session_s() -> None:
    rate, rank = ranges_of(swept())
    assert rate.low < Session().training.learning_rate < rate.high
    assert rank.values == (8, 16, 32)


def test_a_trial_s_session_has_its_values_and_goes_by_the_sweep_s_metric() -> None:
    session = swept(metric="eval_accuracy")
    made = trial_session(session, {"training.lora_r": 8, "training.learning_rate": 1e-3})
    assert (made.training.lora_r, made.training.learning_rate) == (8, 1e-3)
    assert made.training.metric_for_best_model == "eval_accuracy"
    assert apply(session, {"training.seed": 3}).training.seed == 3
