"""How long a run will still take: by steps as they are once it is warm."""

import json
from pathlib import Path

import pytest

from workbench.session import TrainingSettings
from workbench.training import pace
from workbench.training.forecast import Forecast


def test_a_slow_first_step_is_left_out_once_there_are_others() -> None:
    forecast = Forecast(TrainingSettings(eval_steps=0, save_steps=0), 0, 0.0)
    assert forecast.left(0, 100, 0.0) == -1
    assert forecast.left(1, 100, 30.0) == pytest.approx(99 * 30)
    assert forecast.left(2, 100, 32.0) == pytest.approx(98 * 2)
    assert forecast.left(10, 100, 48.0) == pytest.approx(90 * 2)


def test_a_run_that_goes_on_counts_its_own_steps_only() -> None:
    forecast = Forecast(TrainingSettings(eval_steps=0, save_steps=0), 50, 500.0)
    assert forecast.left(51, 100, 501.0) == pytest.approx(49)
    assert forecast.left(53, 100, 505.0) == pytest.approx(47 * 2)


@pytest.mark.parametrize(("events", "longer"), [([], 2.0), (["paused"], 1.0), (["resumed"], 1.0)])
def test_how_long_a_run_took_leaves_out_when_nobody_trained(
    tmp_path: Path, events: list[str], longer: float
) -> None:
    steps = [
        {"time": 10.0 * n, "step": n, "seconds": 5.0 * n, "tokens_per_second": 50.0}
        for n in range(21)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in steps))
    told = [json.dumps({"event": one}) + "\n" for one in events]
    (tmp_path / "events.jsonl").write_text("".join(told))
    assert pace.speed(tmp_path) == (50.0, longer)
