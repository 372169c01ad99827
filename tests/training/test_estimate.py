"""What a run will take, beside what it really takes on the tiny model."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from tests.tiny import make_tiny_model, reviews
from tests.work import PROMPT, dataset, load_tiny, nobody_listens, rows
from workbench.inference.heads import Head
from workbench.protocol import Plan
from workbench.session import ModelSettings, Session, TrainingSettings
from workbench.settings import VirtualTokenSettings
from workbench.training.activations import Batch, Living, count
from workbench.training.batches import one_after_another
from workbench.training.estimate import Estimate, estimate
from workbench.training.fast_lora import fast_lora
from workbench.training.flat import FlatCollator
from workbench.training.flat_attention import flat, flat_logits
from workbench.training.methods import lay
from workbench.training.outline import outline
from workbench.training.plan import Planner

BATCH = Batch(rows=4, length=48, kept=8)
MODEL = ModelSettings(name="tiny", dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("estimate")
    make_tiny_model(made / "tiny")
    return made


def session(**settings: object) -> Session:
    training = TrainingSettings(**{"pinned_count": 0, "lora_r": 4, **settings})  # type: ignore[arg-type]
    return Session(model=MODEL, prompts=[PROMPT], training=training)


def estimated(folder: Path, made: Session) -> Estimate:
    loaded = outline(MODEL, folder, nobody_listens, Head())
    lay(loaded, made.training, made)
    checkpointing = made.training.activation_checkpointing
    kept = count(loaded, "sft", BATCH, checkpointing)
    return estimate(loaded, made, BATCH, kept)


def sizes(found: Estimate) -> dict[str, int]:
    return {part.name: part.bytes for part in found.parts}


@pytest.mark.parametrize("method", ["lora", "full", "dora"])
def test_weights_gradients_and_optimiser_are_those_of_a_real_step(
    folder: Path, method: str
) -> None:
    made = session(method=method)
    loaded = load_tiny(folder)
    lay(loaded, made.training, made)
    model = loaded.model
    moving = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(moving, fused=True)
    ids = torch.arange(12).reshape(1, 12)
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()

    def size(tensors: list[torch.Tensor]) -> int:
        return sum(one.numel() * one.element_size() for one in tensors)

    states = [
        one for state in optimizer.state.values() for name, one in state.items() if name != "step"
    ]
    found = sizes(estimated(folder, made))
    every = {id(one): one for one in model.parameters()}
    assert found["weights"] + found.get("adapter", 0) == size(list(every.values()))
    assert found["gradients"] == size([one.grad for one in moving])
    assert found["optimiser"] == size(states)
    assert ("base copy" in found) == (method == "full")


def test_what_a_step_keeps_is_what_really_lives_at_the_end_of_the_way_forward(
    folder: Path,
) -> None:
    made = session()
    outlined = outline(MODEL, folder, nobody_listens, Head())
    lay(outlined, made.training, made)
    kept = count(outlined, "sft", BATCH, False)
    loaded = load_tiny(folder)
    lay(loaded, made.training, made)
    model = loaded.model.train()
    for taken in (4, 12):  # also of a batch that was not counted
        ids = torch.zeros(taken, BATCH.length, dtype=torch.long)
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        given["attention_mask"][0, 0] = 0  # as in a batch with padding
        given |= {"position_ids": torch.zeros_like(ids), "logits_to_keep": BATCH.kept + 1}
        given["use_cache"] = False
        with Living([*model.parameters(), *model.buffers()]) as living:
            logits = model(**given).logits
        really = living.now - logits.untyped_storage().nbytes()
        hidden, _ = kept.of(taken)
        assert hidden == pytest.approx(really, rel=0.05)


def test_a_flat_batch_keeps_what_it_really_keeps(folder: Path) -> None:
    made = session()
    outlined = outline(MODEL, folder, nobody_listens, Head())
    lay(outlined, made.training, made)
    begun, rest = list(range(5, 25)), [[one] * 20 for one in (30, 31, 32)]
    rows = [{"input_ids": [*begun, *one], "trained": [34, 40]} for one in rest]
    batch = one_after_another(rows, made.training)
    assert batch == Batch(rows=3, length=20, kept=6, shared=20, flat=True)
    kept = count(outlined, "sft", batch, False)
    loaded = load_tiny(folder)
    lay(loaded, made.training, made)
    model = loaded.model.train()
    given = FlatCollator()(rows)
    with (
        fast_lora(model),
        flat(loaded.base),
        Living([*model.parameters(), *model.buffers()]) as living,
    ):
        logits = flat_logits(model, given, loaded.accepts, loaded.device)
    hidden, _ = kept.of(3)
    assert hidden == pytest.approx(living.now - logits.untyped_storage().nbytes(), rel=0.05)


def test_layers_that_were_not_counted_are_told_by_those_that_were(folder: Path) -> None:
    made = session()
    outlined = outline(MODEL, folder, nobody_listens, Head())
    lay(outlined, made.training, made)
    kept = count(outlined, "sft", BATCH, False)
    assert kept.layers == 2
    assert kept.hidden.of(4, 6) - kept.hidden.of(4, 4) == pytest.approx(
        kept.hidden.of(4, 4) - kept.hidden.of(4, 2), abs=2
    )


def test_checkpointing_accumulation_and_sgd_take_less_or_more(folder: Path) -> None:
    plain = sizes(estimated(folder, session()))
    less = sizes(estimated(folder, session(activation_checkpointing=True)))
    assert less["activations"] < plain["activations"] / 2
    assert "optimiser" not in sizes(estimated(folder, session(optim="sgd")))
    full = sizes(estimated(folder, session(method="full")))
    more = sizes(estimated(folder, session(method="full", gradient_accumulation_steps=2)))
    assert more.get("activations", 0) > full.get("activations", 0)


# --- the plan --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planner() -> Planner:
    return Planner()


def planned(planner: Planner, folder: Path, made: Session) -> tuple[Plan, Session]:
    return planner.plan(made, rows(), folder, nobody_listens, threading.Event())


def test_a_plan_says_what_the_run_will_be(planner: Planner, folder: Path) -> None:
    made = session(per_device_train_batch_size=4, evaluation_rows=8, num_train_epochs=2.0)
    plan, resolved = planned(planner, folder, made)
    assert plan.problem == ""
    assert (plan.task, plan.method, plan.rows, plan.steps) == ("sft", "lora", 48, 24)
    assert plan.evaluation_rows == 8
    assert plan.tokens > 48 * 8
    assert plan.fits
    assert plan.memory_total == sum(part.bytes for part in plan.memory)
    assert all(part.formula for part in plan.memory)
    assert plan.seconds > 0
    assert plan.seconds_from
    assert resolved.training.task == "sft"
    assert resolved.training.threads


def test_what_does_not_fit_is_said_with_what_to_change(
    planner: Planner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.batches.free", lambda _device, _held=0: 1_000_000)
    made = session(per_device_train_batch_size=16, method="full", pinned_count=0)
    plan, _ = planned(planner, folder, made)
    assert not plan.fits
    words = "\n".join(plan.advice)
    assert "does not fit" in words
    assert "gradient_accumulation_steps 4" in words
    assert "training.activation_checkpointing" in words


def test_rows_that_are_left_out_are_told_with_the_reason(planner: Planner, folder: Path) -> None:
    long = [{**one, "text": "word " * 400} for one in reviews(12)]
    made = session(max_length=128)
    data = dataset([*reviews(24), *long], reviews(4))
    plan, _ = planner.plan(made, data, folder, nobody_listens, threading.Event())
    assert (plan.rows, plan.rows_left_out) == (24, 12)
    said = [one for one in plan.advice if one.startswith("12 rows are left out: ")]
    assert len(said) == 1
    assert "max_length" in said[0]


def test_a_plan_of_a_run_that_cannot_begin_says_why(planner: Planner, folder: Path) -> None:
    plan, _ = planned(planner, folder, session(method="qlora"))
    assert "training.method lora" in plan.problem
    plan, _ = planned(planner, folder, session(max_length=8))
    assert "max_length" in plan.problem
    many = VirtualTokenSettings(num_virtual_tokens=1000)
    plan, _ = planned(planner, folder, session(method="prompt_tuning", virtual_tokens=many))
    assert "1000 virtual tokens are more than half of the 512" in plan.problem


def test_time_is_taken_from_an_earlier_run(planner: Planner, folder: Path, tmp_path: Path) -> None:
    import platform

    from workbench import session as sessions
    from workbench.processor import cores

    run = tmp_path / "runs" / "before"
    run.mkdir(parents=True)
    made = session(task="sft", per_device_train_batch_size=4, threads=1)
    (tmp_path / "tiny").symlink_to(folder / "tiny")
    sessions.save(made, run / "session.toml")
    about = {
        "processor": platform.processor() or platform.machine(),
        "cpu_usable": cores(),
        "device": "cpu",
        "model": "tiny",
    }
    (run / "environment.json").write_text(json.dumps(about))
    lines = [
        {"step": n, "time": float(n), "seconds": float(n), "tokens_per_second": 500.0}
        for n in range(1, 9)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    plan, _ = planned(planner, tmp_path, made)
    assert "500 tokens/s" in plan.seconds_from
    assert plan.seconds == pytest.approx(plan.tokens / 500, rel=0.05)
    other = replace(made, training=replace(made.training, threads=2))
    assert "500 tokens/s" not in planned(planner, tmp_path, other)[0].seconds_from
