"""Reinforcement by a person's own reward, within a run as TRL alone does it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from tests.training.by_trl import arguments, logged, preferences
from tests.work import Listener, dataset, fine_tune, lines, load_tiny, nobody_listens, session
from workbench import journal, runs
from workbench.data.prompting import encode_turns
from workbench.inference.generation import generate
from workbench.session import GenerationSettings, Prompt, Session
from workbench.settings import ReinforcementSettings
from workbench.training.errors import TrainingError
from workbench.training.loop import train
from workbench.training.steps import prompts_a_step, steps_of

ROWS, HELD_OUT = preferences(12), preferences(4, 12)
EMPTY = Prompt()
LETTERS = """
def score(answer, row):
    "The share of letters."
    return sum(one.isascii() and one.isalpha() for one in answer) / max(1, len(answer))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "reward.py").write_text(LETTERS)
    return tmp_path


def letters(answer: str) -> float:
    made: dict[str, Callable[[str, Any], float]] = {}
    exec(LETTERS, made)
    return made["score"](answer, {})


def reinforcing(reward: str = "reward.py:score", beta: float = 0.0, **training: Any) -> Session:
    settings = ReinforcementSettings(
        reward=reward, num_generations=4, max_completion_length=6, beta=beta
    )
    rest = {"per_device_train_batch_size": 8, "max_steps": 4, **training}
    return session(EMPTY, task="grpo", reinforcement=settings, **rest)


def reinforced(
    folder: Path, workspace: Path, name: str, hooks: Any = None, **named: Any
) -> runs.Run:
    made = named.pop("made", None) or reinforcing(**named)
    data = dataset(ROWS, HELD_OUT)
    return fine_tune(load_tiny(folder), workspace, name, hooks, data=data, made=made)


@pytest.mark.parametrize(
    ("beta", "training"),
    [
        (0.0, {"max_steps": -1, "num_train_epochs": 1.0}),
        (0.1, {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}),
    ],
)
def test_rewards_and_losses_are_those_of_trl(
    folder: Path, workspace: Path, beta: float, training: dict[str, Any]
) -> None:
    made = reinforcing(beta=beta, learning_rate=1e-2, **training)
    run = reinforced(folder, workspace, "ours", made=made)
    loaded = load_tiny(folder)
    texts = [
        {
            "prompt": loaded.tokenizer.apply_chat_template(
                row["prompt"], tokenize=False, add_generation_prompt=True
            )
        }
        for row in ROWS
    ]
    args = arguments(
        GRPOConfig,
        made,
        workspace,
        num_generations=4,
        max_completion_length=6,
        beta=beta,
        max_steps=made.training.max_steps,
    )

    def reward(completions: list[str], **_: Any) -> list[float]:
        return [letters(one) for one in completions]

    expected = logged(GRPOTrainer, args, loaded, made, texts, reward_funcs=[reward])
    for ours in ("reward", "reward_std", *(["kl"] if beta else [])):
        theirs = [one[ours] for one in expected]
        assert lines(run, "metrics", ours) == pytest.approx(theirs, rel=1e-3, abs=1e-6), ours
    losses = [one["loss"] for one in expected]
    assert lines(run, "metrics", "loss") == pytest.approx(losses, rel=1e-3, abs=1e-5)
    assert len({round(one["reward"], 6) for one in expected}) > 1


def test_answers_get_a_higher_reward_after_a_run(folder: Path, workspace: Path) -> None:
    made = reinforcing(
        method="full",
        max_steps=20,
        learning_rate=2e-2,
        evaluation_rows=4,
        per_device_train_batch_size=16,
    )
    run = reinforced(folder, workspace, "a", made=made)
    rewards = lines(run, "metrics", "eval_reward")
    assert rewards[-1] > rewards[0] + 0.3
    assert lines(run, "metrics", "eval_loss")[-1] == -rewards[-1]
    drawn = lines(run, "metrics", "reward")
    assert sum(drawn[-5:]) > sum(drawn[:5]) + 0.3
    samples = [one for one in journal.read(run.folder / "samples.jsonl") if one.get("drawn")]
    assert len(samples) == 20 * 4
    assert all(one["reward"] == pytest.approx(letters(one["text"])) for one in samples)
    assert "What is it?" in samples[0]["asked"]


def test_all_answers_to_a_prompt_are_in_one_step_whatever_the_batch(
    folder: Path, workspace: Path
) -> None:
    run = reinforced(folder, workspace, "a", per_device_train_batch_size=3, max_steps=1)
    begun = journal.read(run.folder / "events.jsonl")[0]
    assert (begun["prompts_a_step"], begun["answers_a_prompt"]) == (1, 4)


def test_a_resumed_run_goes_on_to_the_last_bit(folder: Path, workspace: Path) -> None:
    # 12 prompts, 2 a step: the second epoch begins after step 6
    made = reinforcing(max_steps=9, lora_dropout=0.1, beta=0.05)
    whole = reinforced(folder, workspace, "whole", made=made)
    stop = Listener(stop=lambda step: step >= 7)
    part = reinforced(folder, workspace, "part", stop, made=made)
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    assert last[0] == 7
    again = runs.Run(part.folder)
    data = dataset(ROWS, HELD_OUT)
    assert train(made, load_tiny(folder), data, again, Listener(), last[1]) == "finished"
    again.close()
    for figure in ("loss", "reward", "reward_std", "kl", "tokens"):
        assert lines(again, "metrics", figure) == lines(whole, "metrics", figure), figure
    assert lines(again, "samples", "text") == lines(whole, "samples", "text")


def test_prompts_answered_between_steps_and_tokens_change_nothing(
    folder: Path, workspace: Path
) -> None:
    quiet = reinforced(folder, workspace, "quiet", lora_dropout=0.1)
    loaded = load_tiny(folder)
    ids = encode_turns(loaded.tokenizer, ROWS[0]["prompt"])
    settings = GenerationSettings(max_new_tokens=3, do_sample=True, temperature=2.0)
    answered: list[str] = []

    def serve(step: int) -> None:
        if step and len(answered) < 40:
            for which in ("base", "tuned"):
                made = generate(loaded, ids, settings, which, threading.Event(), nobody_listens)
                answered.append(made.text)

    made, data = reinforcing(lora_dropout=0.1), dataset(ROWS, HELD_OUT)
    busy = fine_tune(loaded, workspace, "busy", Listener(serve), data=data, made=made)
    assert len(answered) == 40  # far more than there are steps
    for figure in ("loss", "reward"):
        assert lines(busy, "metrics", figure) == lines(quiet, "metrics", figure)


def test_a_reward_that_tells_no_answers_apart_is_said(folder: Path, workspace: Path) -> None:
    (workspace / "same.py").write_text("def score(answer, row):\n    return 1\n")
    run = reinforced(folder, workspace, "a", reward="same.py:score")
    said = [
        one
        for one in journal.read(run.folder / "events.jsonl")
        if one["event"] == "nothing_to_learn"
    ]
    assert len(said) == 1
    assert "nothing to learn" in said[0]["message"]
    assert runs.status(run.folder).state == "finished"


@pytest.mark.parametrize(
    ("code", "reward", "words"),
    [
        ("", "", "set training.reinforcement.reward"),
        ("", "nowhere.py:score", "There is no file"),
        ("def other(answer, row): return 1", "bad.py:score", "has no function score"),
        ("import nothing_of_that_name", "bad.py:score", "ModuleNotFoundError"),
        ("def score(answer, row): return 1 / 0", "bad.py:score", "row 1; correct it in bad.py"),
        ("def score(answer, row): return None", "bad.py:score", "returned NoneType"),
        ("def score(answer, row): return 'good'", "bad.py:score", "returned str"),
        ("def score(answer, row): return float('nan')", "bad.py:score", "returned nan"),
        ("def score(answer): return 1", "bad.py:score", "TypeError"),
    ],
)
def test_a_reward_that_gives_none_is_said_before_the_first_step(
    folder: Path, workspace: Path, code: str, reward: str, words: str
) -> None:
    (workspace / "bad.py").write_text(code)
    with pytest.raises(TrainingError) as refused:
        reinforced(folder, workspace, "a", reward=reward)
    assert words in str(refused.value)
    assert not lines(runs.Run(workspace / "runs" / "a"), "metrics", "loss")


def test_a_reward_that_never_ends_is_given_up(
    folder: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.rewarding.SECONDS", 0.5)
    (workspace / "slow.py").write_text("def score(answer, row):\n    while True: pass\n")
    with pytest.raises(TrainingError, match=r"did not answer within 0\.5 seconds"):
        reinforced(folder, workspace, "a", reward="slow.py:score")


def test_a_reward_that_fails_later_names_the_row_and_leaves_the_checkpoints(
    folder: Path, workspace: Path
) -> None:
    (workspace / "late.py").write_text(
        "calls = 0\n"
        "def score(answer, row):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    return len(answer) if calls < 20 else row['no such column']\n"
    )
    with pytest.raises(TrainingError, match=r"KeyError.*for an answer to row \d+"):
        reinforced(folder, workspace, "a", reward="late.py:score", save_steps=1)
    last = runs.last_checkpoint(workspace / "runs" / "a")
    assert last is not None
    assert last[0] == 2


def test_too_few_or_too_long_prompts_are_refused(folder: Path, workspace: Path) -> None:
    made = reinforcing(per_device_train_batch_size=64)
    with pytest.raises(TrainingError, match="A step takes 16 prompts and there are 12"):
        reinforced(folder, workspace, "a", made=made)
    with pytest.raises(TrainingError, match=r"raise training\.max_length"):
        reinforced(folder, workspace, "b", made=reinforcing(max_length=8))


@pytest.mark.parametrize(
    ("answer", "length", "said"),
    [
        (512, 64, "max_completion_length is 512, and .* has 512 tokens for prompt and answer"),
        (508, 64, r"longer than 4 tokens; lower training\.reinforcement\.max_completion_length\.$"),
        (6, 8, r"longer than 8 tokens; raise training\.max_length\.$"),
    ],
)
def test_prompts_that_are_all_too_long_say_which_setting_is_to_be_changed(
    folder: Path, workspace: Path, answer: int, length: int, said: str
) -> None:
    made = reinforcing(max_length=length)
    settings = replace(made.training.reinforcement, max_completion_length=answer)
    made = replace(made, training=replace(made.training, reinforcement=settings))
    with pytest.raises(TrainingError, match=said):
        reinforced(folder, workspace, "a", made=made)


@pytest.mark.parametrize(
    ("rows", "batches", "epochs"),
    [(12, (8, 1), 1.0), (11, (3, 1), 2.0), (12, (20, 1), 1.5), (10, (6, 2), 3.0)],
)
def test_a_plan_has_the_steps_of_the_run(
    folder: Path, workspace: Path, rows: int, batches: tuple[int, int], epochs: float
) -> None:
    made = reinforcing(
        max_steps=-1,
        rows=rows,
        num_train_epochs=epochs,
        per_device_train_batch_size=batches[0],
        gradient_accumulation_steps=batches[1],
    )
    run = reinforced(folder, workspace, "a", made=made)
    begun = journal.read(run.folder / "events.jsonl")[0]
    assert begun["total_steps"] == steps_of(made.training, rows)
    assert begun["prompts_a_step"] == prompts_a_step(made.training)
