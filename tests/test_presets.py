"""Presets, what matters for what, and what is said to be unwise: pure, and at once."""

import subprocess
import sys
from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace

from workbench import advice, presets, relevance, usual
from workbench import session as sessions
from workbench.session import Session, SessionError, TrainingSettings
from workbench.settings import Method, Task


def training(**settings: object) -> Session:
    document = {"training": settings}
    return msgspec.convert(document, Session)


def about(session: Session, setting: str, task: str = "auto", rows: int = 0) -> str:
    found = dict(advice.advice_on(session, task, rows))
    return found.get(f"training.{setting}", "")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, workbench.presets, workbench.advice\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'transformers', 'numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("task", get_args(Task))
def test_each_preset_fits_each_task_and_method_and_is_not_unwise(task: str, method: str) -> None:
    start = training(task=task, method=method)
    for preset in presets.PRESETS:
        for parameters in (0, 1.3e8, 8e9):
            made = presets.apply(start, preset.name, task, parameters, rows=1000)
            assert sessions.loads(sessions.dumps(made)) == made  # its values are allowed
            assert made.training.task == task
            assert made.training.method == method
            said = advice.advice_on(made, task, rows=1000)
            assert [one for one in said if one[0] != "training.method"] == []


@pytest.mark.parametrize("name", ["quick", "balanced", "best"])
@pytest.mark.parametrize(
    ("task", "metric", "rows"),
    [("seq2seq", "eval_chrf", 4), ("auto", "chrf", 4), ("sft", "eval_loss", 0)],
)
def test_a_preset_keeps_the_answers_that_the_best_checkpoint_is_chosen_by(
    name: str, task: Task, metric: str, rows: int
) -> None:
    settings = TrainingSettings(task=task, metric_for_best_model=metric, metric_rows=4)
    made = presets.apply(Session(training=settings), name, task).training
    assert made.metric_rows == rows


def test_a_quick_look_is_short_and_the_best_is_the_longest() -> None:
    quick, balanced, best = (
        presets.apply(training(), one.name, "sft").training for one in presets.PRESETS
    )
    assert 0 < quick.max_steps <= 50
    assert quick.rows <= 500
    assert balanced.rows == best.rows == 0
    assert best.num_train_epochs > balanced.num_train_epochs
    assert best.early_stopping_patience > 0
    assert best.lora_r > balanced.lora_r


def test_a_preset_that_is_not_there_is_named() -> None:
    with pytest.raises(SessionError, match="quick, balanced, best"):
        presets.changes(training(), "fast")


def test_settings_that_matter() -> None:
    every = {f"training.{one}" for one in relevance.leaves(TrainingSettings)}
    assert "training.masking.mlm_probability" in every
    sft = relevance.relevant(training(), "sft")
    assert "training.lora_r" in sft
    assert not {one for one in sft if "masking" in one or "reinforcement" in one}
    assert "training.virtual_tokens.init" not in sft
    assert "training.keep_base" not in sft
    full = relevance.relevant(training(method="full"), "masked_lm")
    assert {"training.keep_base", "training.masking.whole_words"} <= full
    assert "training.lora_r" not in full
    assert relevance.relevant(training(), "auto") >= sft
    assert {"training.preference.beta", "training.preference.loss_type"} <= relevance.relevant(
        training(), "dpo"
    )
    assert "training.preference.loss_type" not in relevance.relevant(training(), "kto")


@pytest.mark.parametrize(
    ("settings", "setting", "words"),
    [
        ({"learning_rate": 0.5}, "learning_rate", "far above"),
        ({"learning_rate": 2e-4, "method": "full", "task": "dpo"}, "learning_rate", "far above"),
        ({"learning_rate": 1e-9}, "learning_rate", "far below"),
        ({"lora_r": 4, "lora_alpha": 128}, "lora_alpha", "strong"),
        ({"lora_r": 64, "lora_alpha": 4}, "lora_alpha", "weak"),
        ({"method": "rslora", "lora_r": 256, "lora_alpha": 256}, "lora_alpha", "strong"),
        ({"num_train_epochs": 30}, "num_train_epochs", "by heart"),
        ({"warmup_steps": 10, "max_steps": 10}, "warmup_steps", "never reached"),
        ({"max_steps": 1}, "warmup_steps", "nothing is learnt"),
        ({"rows": 8, "per_device_train_batch_size": 16}, "per_device_train_batch_size", "one step"),
        ({"early_stopping_patience": 2, "eval_steps": 0}, "early_stopping_patience", "eval_steps"),
        (
            {"task": "sft", "metric_for_best_model": "eval_accuracy"},
            "metric_for_best_model",
            "metric_rows",
        ),
    ],
)
def test_what_is_unwise_is_said_of_the_setting(
    settings: dict[str, object], setting: str, words: str
) -> None:
    assert words in about(training(**settings), setting)


@pytest.mark.parametrize(
    "task", ["dpo", "kto", "orpo", "grpo", "reward", "classification", "pretraining"]
)
def test_metrics_that_come_with_the_loss_need_no_rows_of_their_own(task: str) -> None:
    given = training(task=task, metric_rows=40)
    assert "training.metric_rows" not in relevance.relevant(given, task)
    assert task in about(given, "metric_rows")
    for preset in presets.PRESETS:
        assert presets.changes(given, preset.name, task)["training.metric_rows"] == 0
    answered = training(task="sft", metric_rows=40)
    assert "training.metric_rows" in relevance.relevant(answered, "sft")
    assert about(answered, "metric_rows") == ""


def test_what_is_usual_is_not_warned_of() -> None:
    assert advice.advice_on(Session(), "sft", rows=1000) == []
    assert about(training(learning_rate=0.3, method="prompt_tuning"), "learning_rate") == ""
    given = training(task="dpo", metric_for_best_model="eval_reward_accuracy")
    assert about(given, "metric_for_best_model") == ""  # it comes with the loss
    assert about(training(rows=8), "per_device_train_batch_size", rows=1000) != ""
    assert about(training(), "per_device_train_batch_size", rows=1000) == ""


def test_usual_rates_lie_in_their_ranges() -> None:
    for task in get_args(Task):
        for method in get_args(Method):
            for parameters in (0, 3e7, 3e8, 8e9):
                rate, why = usual.learning_rate(task, method, parameters)
                assert rate.low <= rate.usual <= rate.high
                assert why
    encoder, _ = usual.learning_rate("classification", "full", 2e7)
    large, _ = usual.learning_rate("classification", "full", 3.4e8)
    assert (encoder.usual, large.usual) == (5e-5, 3e-5)


def test_advice_counts_the_steps_as_the_run_does() -> None:
    settings = replace(
        TrainingSettings(), per_device_train_batch_size=4, gradient_accumulation_steps=2
    )
    assert advice.steps(settings, 100) == 13
    assert advice.steps(replace(settings, num_train_epochs=2.0), 100) == 26
    assert advice.steps(replace(settings, max_steps=5), 100) == 5
    assert advice.steps(settings, 0) == 0
