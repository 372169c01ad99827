"""Preferences, learnt within a run as TRL alone learns them."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model_state_dict
from trl.import_utils import suppress_experimental_warning
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from tests.training.by_trl import ENDS_WITH_THE_ANSWER, arguments, logged, preferences, turn
from tests.work import Listener, dataset, fine_tune, lines, load_tiny, nobody_listens, session
from workbench import journal, runs
from workbench.data.prompting import encode_turns
from workbench.inference.generation import generate
from workbench.inference.model import LoadedModel
from workbench.session import GenerationSettings, Prompt, Session
from workbench.settings import PreferenceSettings
from workbench.training.errors import TrainingError
from workbench.training.loop import train

with suppress_experimental_warning():
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

ROWS = preferences(16)
HELD_OUT = preferences(8, 16)
EMPTY = Prompt()
TASKS = ("dpo", "kto", "orpo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def tiny(folder: Path) -> LoadedModel:
    loaded = load_tiny(folder)
    loaded.tokenizer.chat_template = ENDS_WITH_THE_ANSWER
    return loaded


def preferring(task: str, prompt: Prompt = EMPTY, **training: Any) -> Session:
    return session(prompt, task=task, **training)


def tuned(
    folder: Path, workspace: Path, name: str, hooks: Any = None, **named: Any
) -> tuple[runs.Run, LoadedModel]:
    loaded = tiny(folder)
    data = named.pop("data", None) or dataset(ROWS, HELD_OUT)
    made = named.pop("made", None) or preferring(**named)
    return fine_tune(loaded, workspace, name, hooks, data=data, made=made), loaded


def longer(row: dict[str, Any]) -> int:
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))


# --- as TRL alone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss_type", "smoothing", "accumulation"),
    [("sigmoid", 0.0, 1), ("sigmoid", 0.2, 2), ("ipo", 0.0, 1)],
)
def test_losses_of_dpo_are_those_of_trl(
    folder: Path, tmp_path: Path, loss_type: Any, smoothing: float, accumulation: int
) -> None:
    made = preferring(
        "dpo",
        num_train_epochs=2.0,
        gradient_accumulation_steps=accumulation,
        preference=PreferenceSettings(loss_type=loss_type, label_smoothing=smoothing, beta=0.3),
    )
    run, _ = tuned(folder, tmp_path, "ours", made=made)
    args = arguments(
        DPOConfig, made, tmp_path, beta=0.3, loss_type=[loss_type], label_smoothing=smoothing
    )
    expected = logged(DPOTrainer, args, tiny(folder), made, ROWS, longer)
    assert lines(run, "metrics", "loss") == pytest.approx([one["loss"] for one in expected], 1e-4)
    assert len(expected) == 8 // accumulation
    for ours, theirs in (("reward_margin", "rewards/margins"), ("reward_chosen", "rewards/chosen")):
        assert lines(run, "metrics", ours) == pytest.approx(
            [one[theirs] for one in expected], rel=1e-3, abs=1e-5
        )


def test_losses_of_kto_are_those_of_trl(folder: Path, tmp_path: Path) -> None:
    made = preferring("kto", num_train_epochs=2.0)
    run, _ = tuned(folder, tmp_path, "ours", made=made)
    answers = [
        {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
        for row in ROWS
        for name in ("chosen", "rejected")
    ]
    order = torch.randperm(len(answers), generator=torch.Generator().manual_seed(0)).tolist()
    args = arguments(KTOConfig, made, tmp_path)
    expected = logged(KTOTrainer, args, tiny(folder), made, [answers[n] for n in order])
    assert lines(run, "metrics", "loss") == pytest.approx([one["loss"] for one in expected], 1e-4)
    assert len(expected) == 16


def test_losses_of_orpo_are_those_of_trl(folder: Path, tmp_path: Path) -> None:
    made = preferring("orpo", num_train_epochs=2.0, preference=PreferenceSettings(beta=0.5))
    run, _ = tuned(folder, tmp_path, "ours", made=made)
    args = arguments(ORPOConfig, made, tmp_path, beta=0.5, max_length=512)
    expected = logged(
        ORPOTrainer,
        args,
        tiny(folder),
        made,
        ROWS,
        lambda row: max(len(row["chosen_input_ids"]), len(row["rejected_input_ids"])),
    )
    assert lines(run, "metrics", "loss") == pytest.approx([one["loss"] for one in expected], 1e-4)
    assert lines(run, "metrics", "reward_accuracy") == pytest.approx(
        [one["rewards/accuracies"] for one in expected]
    )


@pytest.mark.parametrize("task", ["dpo", "kto"])
def test_with_all_weights_moving_the_model_is_held_to_what_it_was(
    folder: Path, tmp_path: Path, task: str
) -> None:
    made = preferring(task, method="full", learning_rate=1e-3)
    run, _ = tuned(folder, tmp_path, "ours", made=made)
    loaded = tiny(folder)
    if task == "dpo":
        args = arguments(DPOConfig, made, tmp_path)
        expected = logged(
            DPOTrainer, args, loaded, made, ROWS, longer, ref_model=tiny(folder).model
        )
    else:
        answers = [
            {"prompt": row["prompt"], "completion": row[name], "label": name == "chosen"}
            for row in ROWS
            for name in ("chosen", "rejected")
        ]
        order = torch.randperm(len(answers), generator=torch.Generator().manual_seed(0)).tolist()
        rows = [answers[n] for n in order]
        args = arguments(KTOConfig, made, tmp_path)
        expected = logged(KTOTrainer, args, loaded, made, rows, ref_model=tiny(folder).model)
    assert lines(run, "metrics", "loss") == pytest.approx([one["loss"] for one in expected], 1e-4)


# --- within a run -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_better_answers_win_more_comparisons_after_a_run(
    folder: Path, tmp_path: Path, task: str
) -> None:
    run, loaded = tuned(
        folder,
        tmp_path,
        "a",
        task=task,
        num_train_epochs=6.0,
        evaluation_rows=8,
        learning_rate=1e-2,
        preference=PreferenceSettings(beta=0.5),
    )
    accuracy = lines(run, "metrics", "eval_reward_accuracy")
    losses = lines(run, "metrics", "eval_loss")
    margins = lines(run, "metrics", "eval_reward_margin")
    assert len(accuracy) == 2
    assert accuracy[0] <= 0.6
    assert accuracy[-1] >= 0.8
    assert losses[-1] < losses[0]
    assert margins[-1] > margins[0]
    assert margins[-1] == pytest.approx(
        lines(run, "metrics", "eval_reward_chosen")[-1]
        - lines(run, "metrics", "eval_reward_rejected")[-1],
        abs=1e-5,
    )
    base = loaded.model.get_base_model()
    assert "forward" not in vars(base)
    assert list(loaded.model.peft_config) == ["default"]


@pytest.mark.parametrize(("task", "method"), [("dpo", "lora"), ("kto", "lora"), ("dpo", "full")])
def test_a_resumed_run_goes_on_to_the_last_bit(
    folder: Path, tmp_path: Path, task: str, method: Any
) -> None:
    made = preferring(task, method=method, num_train_epochs=2.0, evaluation_rows=4, eval_steps=4)
    whole, _ = tuned(folder, tmp_path, "whole", made=made)
    part, _ = tuned(folder, tmp_path, "part", Listener(stop=lambda step: step >= 5), made=made)
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    assert last[0] == 5
    again = runs.Run(part.folder)
    data = dataset(ROWS, HELD_OUT)
    assert train(made, tiny(folder), data, again, Listener(), last[1]) == "finished"
    again.close()
    for figure in ("loss", "eval_loss", "eval_reward_margin", "reward_margin", "tokens"):
        assert lines(again, "metrics", figure) == lines(whole, "metrics", figure), figure


def test_prompts_answered_in_between_change_nothing_of_the_training(
    folder: Path, tmp_path: Path
) -> None:
    quiet, _ = tuned(folder, tmp_path, "quiet", task="dpo", lora_dropout=0.2)
    loaded = tiny(folder)
    ids = encode_turns(loaded.tokenizer, ROWS[0]["prompt"])
    settings = GenerationSettings(max_new_tokens=5, do_sample=True, temperature=2.0)
    answers: dict[str, list[str]] = {"base": [], "tuned": []}

    def serve(step: int) -> None:
        if step:
            for which, found in answers.items():
                made = generate(loaded, ids, settings, which, threading.Event(), nobody_listens)
                found.append(made.text)

    made = preferring("dpo", lora_dropout=0.2)
    data = dataset(ROWS, HELD_OUT)
    busy = fine_tune(loaded, tmp_path, "busy", Listener(serve), data=data, made=made)
    assert lines(busy, "metrics", "loss") == lines(quiet, "metrics", "loss")
    assert len(set(answers["base"])) == 1
    assert len(set(answers["tuned"])) > 1


def test_a_stop_in_an_evaluation_leaves_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    served: list[int] = []
    hooks = Listener(served.append, stop=lambda step: step == 2 and served.count(2) > 2)
    run, _ = tuned(
        folder,
        tmp_path,
        "a",
        hooks,
        task="dpo",
        evaluation_rows=8,
        eval_steps=2,
        per_device_train_batch_size=2,
    )
    assert runs.status(run.folder).state == "stopped"
    last = runs.last_checkpoint(run.folder)
    assert last is not None
    assert last[0] in (2, 3)


# --- rows -------------------------------------------------------------------------------------


def test_thumbs_up_and_down_are_learnt(folder: Path, tmp_path: Path) -> None:
    def thumbs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "prompt": row["prompt"][0]["content"],
                "completion": row[name][0]["content"],
                "label": name == "chosen",
            }
            for number, row in enumerate(rows)
            for name in (("chosen", "rejected") if number % 3 else ("chosen",))
        ]

    run, _ = tuned(
        folder,
        tmp_path,
        "a",
        data=dataset(thumbs(ROWS), thumbs(HELD_OUT)),
        made=preferring(
            "kto",
            num_train_epochs=6.0,
            evaluation_rows=16,
            learning_rate=1e-2,
            preference=PreferenceSettings(beta=0.5),
        ),
    )
    begun = journal.read(run.folder / "events.jsonl")[0]
    assert (begun["rows_good"], begun["rows_bad"]) == (16, 10)
    accuracy = lines(run, "metrics", "eval_reward_accuracy")
    assert accuracy[0] == 0.5
    assert accuracy[-1] >= 0.8


def test_rows_of_which_nothing_can_be_learnt_are_left_out_and_counted(
    folder: Path, tmp_path: Path
) -> None:
    odd = [
        {**ROWS[0], "rejected": ROWS[0]["chosen"]},
        {**ROWS[1], "rejected": turn("assistant", "  ")},
        {**ROWS[2], "prompt": turn("user", "word " * 400)},
    ]
    run, _ = tuned(
        folder,
        tmp_path,
        "a",
        data=dataset([*ROWS[:8], *odd], HELD_OUT),
        made=preferring("dpo", max_length=128),
    )
    begun = journal.read(run.folder / "events.jsonl")[0]
    assert (begun["rows"], begun["rows_left_out"]) == (8, 3)
    assert begun["why_left_out"] == {
        "both answers are equal": 1,
        "an answer is empty": 1,
        "no answer is left within max_length": 1,
    }


def test_texts_and_turns_are_the_same_rows(folder: Path, tmp_path: Path) -> None:
    texts = [{name: said[0]["content"] for name, said in row.items()} for row in ROWS]
    implicit = [
        {name: [*row["prompt"], *row[name]] for name in ("chosen", "rejected")} for row in ROWS
    ]
    losses = [
        lines(
            tuned(folder, tmp_path, name, data=dataset(rows, rows), task="dpo")[0],
            "metrics",
            "loss",
        )
        for name, rows in (("turns", ROWS), ("texts", texts), ("implicit", implicit))
    ]
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize(
    ("task", "rows", "settings", "words"),
    [
        ("dpo", [{"text": "One."}, {"text": "Two."}], {}, "chosen and a rejected answer"),
        ("kto", [{"prompt": "A", "completion": "b"}], {}, "dataset.mapping.label"),
        (
            "kto",
            [{"prompt": "A", "completion": "b", "label": True}] * 3,
            {},
            "3 answers were found good",
        ),
        ("orpo", [{**ROWS[0], "rejected": ROWS[0]["chosen"]}], {}, "both answers are equal"),
        ("dpo", ROWS[:2], {"max_length": 8}, "training.max_length"),
        ("kto", ROWS[:2], {"per_device_train_batch_size": 1}, "2 or more"),
        ("dpo", ROWS[:2], {"target_modules": ["q_proj", "lm_head"]}, "target_modules"),
    ],
)
def test_what_cannot_be_learnt_is_said_in_a_sentence(  # noqa: PLR0917
    folder: Path, tmp_path: Path, task: str, rows: Any, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(TrainingError) as refused:
        tuned(folder, tmp_path, "a", data=dataset(rows, rows), made=preferring(task, **settings))
    assert words in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_no_evaluation_rows_are_needed(folder: Path, tmp_path: Path) -> None:
    run, loaded = tuned(folder, tmp_path, "a", task="dpo", evaluation_rows=0, max_steps=2)
    assert runs.status(run.folder).state == "finished"
    assert not lines(run, "metrics", "eval_loss")
    assert get_peft_model_state_dict(loaded.model)
