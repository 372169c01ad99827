"""How long a run will still take: by steps as they are once it is warm."""

import pytest

from workbench.session import TrainingSettings
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
