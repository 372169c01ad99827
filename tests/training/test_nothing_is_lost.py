"""What ends other runs: memory that runs out, numbers that break, a full disk, a kill."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from peft import get_peft_model_state_dict

from tests.training.runs_again import Killed, killed_at, resume
from tests.work import Listener, fine_tune, lines, load_tiny, session
from workbench import journal, runs
from workbench import session as sessions
from workbench.inference.model import LoadedModel
from workbench.session import GenerationSettings, TrainingSettings
from workbench.training import out_of_memory
from workbench.training.completion import CompletionTrainer
from workbench.training.errors import TrainingError
from workbench.training.kto import ThumbsUpAndDown

SIZES = {"per_device_train_batch_size": 8, "max_steps": 6, "save_steps": 4}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


def events(folder: Path, kind: str) -> list[dict]:
    return [one for one in journal.read(folder / "events.jsonl") if one["event"] == kind]


def weights(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: one.clone() for name, one in get_peft_model_state_dict(loaded.model).items()}


def short_of_memory(
    monkeypatch: pytest.MonkeyPatch, fits: Callable[[int, int], bool], error: Exception
) -> list[tuple[int, int]]:
    """Let a batch raise where (step, rows of a batch) do not fit; those that were tried."""
    tried: list[tuple[int, int]] = []
    compute = CompletionTrainer.compute_loss

    def limited(self: CompletionTrainer, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        tried.append((self.state.global_step, self.args.per_device_train_batch_size))
        if not fits(*tried[-1]):
            raise error
        return compute(self, model, inputs, *rest, **named)

    monkeypatch.setattr(CompletionTrainer, "compute_loss", limited)
    return tried


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "mps", "python"])
def test_an_error_of_memory_is_known_on_each_device(error: Exception) -> None:
    assert out_of_memory.is_out_of_memory(error)
    assert not out_of_memory.is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.parametrize(
    ("size", "made"),
    [(16, (8, 2)), (8, (4, 2)), (6, (3, 2)), (9, (3, 3)), (5, (1, 5)), (15, (5, 3)), (2, (1, 2))],
)
def test_rows_of_a_step_stay_the_same(size: int, made: tuple[int, int]) -> None:
    found = out_of_memory.smaller(TrainingSettings(per_device_train_batch_size=size))
    assert found is not None
    assert (found.per_device_train_batch_size, found.gradient_accumulation_steps) == made
    assert out_of_memory.smaller(TrainingSettings(per_device_train_batch_size=1)) is None


def test_kto_keeps_two_rows_in_a_batch_where_memory_is_short() -> None:
    least = TrainingSettings(task="kto", per_device_train_batch_size=2)
    assert out_of_memory.smaller(least, ThumbsUpAndDown.fewest_rows) is None
    found = out_of_memory.smaller(replace(least, per_device_train_batch_size=4), 2)
    assert found is not None
    assert found.per_device_train_batch_size == 2


@pytest.mark.parametrize("first", [0, 3, 4])
def test_out_of_memory_goes_on_in_smaller_batches(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """At the first step, between checkpoints, and right after one."""
    small = {**SIZES, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    expected = fine_tune(tiny, tmp_path, "small", **small)
    wanted, moved = lines(expected, "metrics", "loss"), weights(tiny)
    tried = short_of_memory(monkeypatch, lambda step, size: step < first or size <= 2, ERRORS[0])
    run = fine_tune(tiny, tmp_path, "short", **SIZES)
    assert lines(run, "metrics", "loss") == pytest.approx(wanted, abs=1e-5)
    assert lines(run, "metrics", "step") == [1, 2, 3, 4, 5, 6]
    assert lines(run, "metrics", "tokens") == lines(expected, "metrics", "tokens")
    for name, one in weights(tiny).items():
        assert torch.allclose(one, moved[name], atol=1e-4), name
    said = events(run.folder, "out_of_memory")
    assert [one["per_device_train_batch_size"] for one in said] == [4, 2]
    assert [one["gradient_accumulation_steps"] for one in said] == [2, 4]
    assert [one["step"] for one in said] == [first, first]
    assert "batches of 8 rows" in said[0]["message"]
    assert (first, 8) in tried
    frozen = sessions.load(run.folder / "session.toml").training
    assert (frozen.per_device_train_batch_size, frozen.gradient_accumulation_steps) == (2, 4)
    assert runs.status(run.folder).state == "finished"


def test_what_was_counted_is_kept_where_memory_runs_out_between_two_lines(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SIZES, "logging_steps": 3}
    expected = fine_tune(tiny, tmp_path, "large", **settings)
    short_of_memory(monkeypatch, lambda step, size: step < 5 or size <= 4, ERRORS[0])
    run = fine_tune(tiny, tmp_path, "short", **settings)
    assert lines(run, "metrics", "step") == lines(expected, "metrics", "step")
    assert lines(run, "metrics", "tokens") == lines(expected, "metrics", "tokens")
    seconds = lines(run, "metrics", "seconds")
    assert seconds == sorted(seconds)


def test_a_run_that_ran_out_of_memory_resumes_as_it_went_on(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, lambda step, size: step < 2 or size <= 4, ERRORS[1])
    made = session(**SIZES, lora_dropout=0.2)
    whole = fine_tune(tiny, tmp_path, "whole", made=made)
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "part", killed_at(5), made=made)
    folder = tmp_path / "runs" / "part"
    again = resume(tiny, folder, sessions.load(folder / "session.toml"))
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")


def test_memory_that_runs_out_as_weights_move_goes_back_to_the_last_checkpoint(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the optimiser's step nobody knows which weights have moved."""
    small = {**SIZES, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    for at in (0, 5):
        wanted = fine_tune(tiny, tmp_path, f"small-{at}", **small)
        broken: list[int] = []
        step = torch.optim.AdamW.step

        def fails(
            self: torch.optim.AdamW,
            *given: Any,
            at: int = at,
            broken: list[int] = broken,
            step: Any = step,
            **named: Any,
        ) -> Any:
            broken.append(1)
            if len(broken) == at + 1:
                with torch.no_grad():
                    self.param_groups[0]["params"][0].fill_(7.0)
                raise ERRORS[0]
            return step(self, *given, **named)

        monkeypatch.setattr(torch.optim.AdamW, "step", fails)
        run = fine_tune(tiny, tmp_path, f"moved-{at}", **SIZES)
        monkeypatch.setattr(torch.optim.AdamW, "step", step)
        assert len(broken) > at + 1
        found = lines(run, "metrics", "loss")
        assert found == pytest.approx(lines(wanted, "metrics", "loss"), abs=1e-5)
        assert lines(run, "metrics", "step") == [1, 2, 3, 4, 5, 6]


def test_one_row_that_does_not_fit_ends_the_run_with_a_sentence(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, lambda _step, _size: False, ERRORS[0])
    with pytest.raises(TrainingError, match=r"batches of 1 row; lower training.max_length"):
        fine_tune(tiny, tmp_path, "a", **SIZES)
    sizes = [
        one["per_device_train_batch_size"] for one in events(tmp_path / "runs/a", "out_of_memory")
    ]
    assert sizes == [4, 2, 1]


def test_an_evaluation_that_does_not_fit_is_made_in_smaller_batches(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SIZES, "evaluation_rows": 16, "eval_steps": 3}
    expected = fine_tune(tiny, tmp_path, "whole", **settings)
    loss, interrupted = CompletionTrainer.evaluation_loss, CompletionTrainer.interrupted
    batches: list[int] = []

    def limited(self: CompletionTrainer) -> dict[str, float]:
        if self.args.per_device_eval_batch_size > 4:
            raise ERRORS[0]
        return loss(self)

    def counted(self: CompletionTrainer) -> bool:
        batches.append(self.state.global_step)
        return interrupted(self)

    monkeypatch.setattr(CompletionTrainer, "evaluation_loss", limited)
    monkeypatch.setattr(CompletionTrainer, "interrupted", counted)
    run = fine_tune(tiny, tmp_path, "short", **settings)
    assert [batches.count(step) for step in (3, 6)] == [4, 4]
    found = lines(run, "metrics", "eval_loss")
    assert found == pytest.approx(lines(expected, "metrics", "eval_loss"), abs=1e-5)
    assert lines(run, "metrics", "loss") == lines(expected, "metrics", "loss")
    assert [one["per_device_eval_batch_size"] for one in events(run.folder, "out_of_memory")] == [4]


# --- broken numbers -------------------------------------------------------------------------------


def test_a_broken_gradient_ends_the_run_before_it_reaches_the_weights(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = CompletionTrainer._clip_grad_norm

    def broken(self: CompletionTrainer, model: Any) -> Any:
        norm = clip(self, model)
        return norm * float("inf") if self.state.global_step == 5 else norm

    monkeypatch.setattr(CompletionTrainer, "_clip_grad_norm", broken)
    with pytest.raises(TrainingError, match=r"gradient is no number any more after step 5"):
        fine_tune(tiny, tmp_path, "a", **SIZES)
    folder = tmp_path / "runs" / "a"
    assert [step for step, _ in runs.finished_checkpoints(folder)] == [4]
    assert [one["step"] for one in events(folder, "broken_numbers")] == [5]
    assert [one["step"] for one in events(folder, "restored")] == [4]
    assert all(torch.isfinite(one).all() for one in weights(tiny).values())


def test_a_run_that_broke_goes_on_with_half_the_learning_rate(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = session(**SIZES, warmup_steps=0.0, lr_scheduler_type="constant")
    compute = CompletionTrainer.compute_loss

    def broken(self: CompletionTrainer, *given: Any, **named: Any) -> Any:
        loss = compute(self, *given, **named)
        rate = self._get_learning_rate()
        return loss * float("nan") if self.state.global_step == 5 and rate > 3e-3 else loss

    monkeypatch.setattr(CompletionTrainer, "compute_loss", broken)
    with pytest.raises(TrainingError, match="half the learning rate"):
        fine_tune(tiny, tmp_path, "a", made=made)
    run = resume(tiny, tmp_path / "runs" / "a", made)
    assert runs.status(run.folder).state == "finished"
    assert lines(run, "metrics", "learning_rate") == pytest.approx([5e-3] * 4 + [2.5e-3] * 2)
    (said,) = events(run.folder, "learning_rate")
    assert (said["step"], said["value"]) == (4, 2.5e-3)


def test_a_run_that_breaks_again_goes_back_further(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of its last checkpoint may be finite and still beyond help."""
    made = session(**SIZES | {"save_steps": 2}, warmup_steps=0.0, lr_scheduler_type="constant")
    compute = CompletionTrainer.compute_loss

    def broken(self: CompletionTrainer, *given: Any, **named: Any) -> Any:
        loss = compute(self, *given, **named)
        rate = self._get_learning_rate()
        return loss * float("nan") if self.state.global_step == 5 and rate > 2e-3 else loss

    monkeypatch.setattr(CompletionTrainer, "compute_loss", broken)
    folder = tmp_path / "runs" / "a"
    with pytest.raises(TrainingError, match="half the learning rate"):
        fine_tune(tiny, tmp_path, "a", made=made)
    with pytest.raises(TrainingError, match="half the learning rate"):
        resume(tiny, folder, made)
    assert (runs.checkpoint_to_resume(folder) or (0,))[0] == 2
    run = resume(tiny, folder, made)
    assert runs.status(folder).state == "finished"
    assert [one["step"] for one in events(folder, "resumed")] == [4, 2]
    assert lines(run, "metrics", "step") == [1, 2, 3, 4, 5, 6]
    assert lines(run, "metrics", "learning_rate") == pytest.approx([5e-3] * 2 + [1.25e-3] * 4)


def test_a_checkpoint_whose_evaluation_gave_no_number_is_not_gone_on_from(tmp_path: Path) -> None:
    run = runs.Run.create(tmp_path, "a", session(), {})
    run.event("started", step=0)
    for step, loss in ((2, 1.5), (4, float("inf"))):
        folder = run.checkpoints / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}")
        run.metrics(step=step, eval_loss=loss)
        run.event("checkpoint", step=step)
    run.metrics(step=5, loss=2.0)
    assert (runs.checkpoint_to_resume(run.folder) or (0,))[0] == 4  # a person may have stopped it
    run.event("broken_numbers", step=5)
    run.close()
    assert (runs.checkpoint_to_resume(run.folder) or (0,))[0] == 2


def test_what_a_run_went_back_beyond_does_not_count(tmp_path: Path) -> None:
    run = runs.Run.create(tmp_path, "a", session(), {})
    for step in (2, 4):
        folder = run.checkpoints / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}")
        run.event("checkpoint", step=step)
        run.event("best", step=step)
    run.event("resumed", step=2)  # checkpoint-4 is begun anew, and a kill cuts it short
    run.close()
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [2]
    assert (runs.best_checkpoint(run.folder) or (0,))[0] == 2


def test_broken_weights_are_in_no_checkpoint(tiny: LoadedModel, tmp_path: Path) -> None:
    def break_weights(step: int) -> None:
        if step == 6:  # the last: no further loss would tell
            with torch.no_grad():
                next(p for p in tiny.model.parameters() if p.requires_grad)[0, 0] = float("inf")

    with pytest.raises(TrainingError, match=r"weights are no number any more after step 6"):
        fine_tune(tiny, tmp_path, "a", Listener(break_weights), **SIZES)
    folder = tmp_path / "runs" / "a"
    assert [step for step, _ in runs.finished_checkpoints(folder)] == [4]
    assert not (folder / "checkpoints" / "checkpoint-6").exists()


def test_without_a_checkpoint_broken_numbers_leave_the_base_model(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    def break_weights(step: int) -> None:
        if step == 2:
            with torch.no_grad():
                next(p for p in tiny.model.parameters() if p.requires_grad).fill_(float("nan"))

    with pytest.raises(TrainingError, match="no number"):
        fine_tune(tiny, tmp_path, "a", Listener(break_weights), **SIZES)
    assert not tiny.has_tuned


# --- kills ----------------------------------------------------------------------------------------


EVERYTHING = replace(
    session(
        max_steps=11,
        lora_dropout=0.2,
        save_steps=3,
        eval_steps=2,
        evaluation_rows=8,
        metric_rows=2,
        pinned_count=1,
        early_stopping_patience=9,
        gradient_accumulation_steps=2,
    ),
    generation=GenerationSettings(max_new_tokens=3),
)


@pytest.fixture(scope="module")
def whole(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return fine_tune(tiny, tmp_path_factory.mktemp("whole"), "whole", made=EVERYTHING)


@pytest.mark.parametrize("killed", [0, 2, 5, 8, 11])
def test_a_killed_run_goes_on_to_the_last_bit_with_all_that_it_does(
    tiny: LoadedModel, tmp_path: Path, whole: runs.Run, killed: int
) -> None:
    """With dropout, evaluations, metrics, pinned answers, the best and early stopping."""
    made = EVERYTHING
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "part", killed_at(killed), made=made)
    folder = tmp_path / "runs" / "part"
    (folder / "checkpoints" / "checkpoint-99").mkdir()  # a kill in the middle of one
    if runs.last_checkpoint(folder) is None:
        again = fine_tune(tiny, tmp_path, "anew", made=made)
    else:
        again = resume(tiny, folder, made)
        assert not (folder / "checkpoints" / "checkpoint-99").exists()
    for key in ("step", "loss", "eval_loss", "eval_accuracy", "tokens", "grad_norm"):
        assert lines(again, "metrics", key) == lines(whole, "metrics", key), key
    for key in ("step", "number", "text"):
        assert lines(again, "samples", key) == lines(whole, "samples", key), key
    best = [runs.best_checkpoint(one.folder) for one in (again, whole)]
    assert best[0][0] == best[1][0]
    kept = [[step for step, _ in runs.finished_checkpoints(one.folder)] for one in (again, whole)]
    assert kept[0] == kept[1]


def test_a_kill_between_a_checkpoint_and_its_being_called_the_best_loses_nothing(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    made = session(max_steps=6, eval_steps=3, evaluation_rows=8)
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "a", killed_at(4), made=made)
    folder = tmp_path / "runs" / "a"
    path = folder / "events.jsonl"
    kept = [one for one in path.read_text().splitlines() if json.loads(one)["event"] != "best"]
    path.write_text("\n".join(kept) + "\n")
    run = resume(tiny, folder, made)
    assert events(run.folder, "best")[0]["step"] == 3


@pytest.mark.parametrize("early", [False, True])
def test_a_kill_after_the_last_step_brings_no_step_more(
    tiny: LoadedModel, tmp_path: Path, early: bool
) -> None:
    settings = {"max_steps": 4, "save_steps": 2, "eval_steps": 1, "evaluation_rows": 4}
    if early:  # at step 2: nothing is that much better
        settings |= {"early_stopping_patience": 1, "early_stopping_threshold": 99.0}
    run = fine_tune(tiny, tmp_path, "a", **settings)
    (finished,) = events(run.folder, "finished")
    assert finished["step"] == (2 if early else 4)
    steps = lines(run, "metrics", "step")
    written = (run.folder / "events.jsonl").read_text().splitlines(keepends=True)
    kept = [one for one in written if json.loads(one)["event"] != "finished"]
    (run.folder / "events.jsonl").write_text("".join(kept))
    again = resume(tiny, run.folder, sessions.load(run.folder / "session.toml"))
    assert lines(again, "metrics", "step") == steps
    (said,) = events(run.folder, "finished")
    assert (said["step"], said.get("message")) == (finished["step"], finished.get("message"))


def test_lines_of_lost_steps_are_taken_back_and_the_persons_own_answers_stay(
    tmp_path: Path,
) -> None:
    run = runs.Run.create(tmp_path, "a", session(), {})
    tail = journal.Tail(run.folder / "metrics.jsonl")
    for step in range(1, 6):
        run.metrics(step=step, loss=1.0)
        run.sample(step=step, text="pinned", pinned=True)
        run.sample(step=step, text="asked")
    assert len(tail.read()) == 5
    run.rewind(3)
    run.metrics(step=4, loss=2.0)
    assert [one["step"] for one in tail.read()] == [1, 2, 3, 4]  # read anew
    assert lines(run, "samples", "text").count("pinned") == 3
    assert lines(run, "samples", "text").count("asked") == 5
    run.close()


# --- accumulation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 2, 1])
def test_accumulated_batches_make_the_same_step_as_the_large_one(
    tiny: LoadedModel, tmp_path: Path, size: int
) -> None:
    large = fine_tune(tiny, tmp_path, "large", **SIZES)
    expected = weights(tiny)
    small = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size}
    run = fine_tune(tiny, tmp_path, "small", **{**SIZES, **small})
    for key in ("loss", "grad_norm"):
        found = lines(run, "metrics", key)
        assert found == pytest.approx(lines(large, "metrics", key), rel=1e-4), key
    for name, one in weights(tiny).items():
        assert torch.allclose(one, expected[name], atol=1e-4), name
