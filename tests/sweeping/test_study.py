"""A sweep's memory, over kills and pruning; its runs are made up here."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from workbench.runs import RunError
from workbench.session import Session, SweepSettings
from workbench.sweeping.study import Sweep, best, drop_torn_line, evaluations, new_name

RANGES = {"training.learning_rate": "1e-4..1e-2 log", "training.lora_r": "4, 8, 16"}


def made(workspace: Path, name: str = "s", **settings: Any) -> Sweep:
    chosen = SweepSettings(**{"ranges": RANGES, "trials": 6, **settings})
    return Sweep.create(workspace, name, replace(Session(), sweep=chosen))


def loss(values: dict[str, Any]) -> float:
    return abs(values["training.learning_rate"] - 2e-3) * 100 + values["training.lora_r"] / 1000


def go_on(sweep: Sweep, trials: int) -> list[dict[str, Any]]:
    """So many trials, each with its values."""
    tried = []
    for _ in range(trials):
        trial = sweep.next()
        if trial is None:
            break
        trial.report(loss(trial.params), 1)
        sweep.tell(trial, loss(trial.params), "finished")
        tried.append(dict(trial.params))
    return tried


@pytest.mark.parametrize("method", ["tpe", "random"])
def test_a_sweep_cut_short_tries_what_it_would_have_tried(tmp_path: Path, method: str) -> None:
    whole = go_on(made(tmp_path / "a", method=method), 9)
    assert len(whole) == 6
    first = made(tmp_path / "b", method=method)
    tried = go_on(first, 3)
    cut = first.next()  # begun, and never told of
    assert cut is not None
    again = Sweep(tmp_path / "b" / "sweeps" / "s")
    again.hold()
    resumed = again.next()
    assert resumed is not None
    assert resumed.number == cut.number
    again.tell(resumed, loss(resumed.params), "finished")
    assert [*tried, dict(resumed.params), *go_on(again, 9)] == whole
    again.close()


def test_a_grid_tries_every_combination_once(tmp_path: Path) -> None:
    ranges = {"training.lora_r": "4, 8", "training.learning_rate": "1e-4, 1e-3"}
    sweep = made(tmp_path, method="grid", ranges=ranges, trials=1)
    tried = go_on(sweep, 9)
    assert len({json.dumps(one, sort_keys=True) for one in tried}) == len(tried) == 4


@pytest.mark.parametrize("where", ["enqueue", "pop", "first value"])
def test_a_grid_cut_short_between_two_words_to_its_memory_loses_no_combination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    import optuna

    ranges = {"training.lora_r": "4, 8", "training.learning_rate": "1e-4, 1e-3"}
    sweep = made(tmp_path, method="grid", ranges=ranges)
    tried = go_on(sweep, 3)

    def killed(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    suggested = optuna.Trial._suggest

    def once(self: Any, name: str, values: Any) -> Any:
        suggested(self, name, values)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where == "enqueue":
            patch.setattr(optuna.Study, "ask", killed)
        else:
            patch.setattr(optuna.Trial, "_suggest", killed if where == "pop" else once)
        with pytest.raises(KeyboardInterrupt):
            sweep.next()
    again = Sweep(sweep.folder)
    assert again.advanced().state == "stopped"
    tried += go_on(again, 9)
    assert len({json.dumps(one, sort_keys=True) for one in tried}) == len(tried) == 4
    assert again.advanced().state == "finished"


def test_what_a_sweep_tries_is_written_down_where_the_session_names_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = made(tmp_path, ranges={})
    monkeypatch.setattr("workbench.usual.ranges_around", lambda _: {})
    assert Sweep(sweep.folder).ranges == sweep.ranges
    assert {one.setting for one in sweep.ranges} == set(RANGES)


def test_a_sweep_can_be_made_longer(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=3)
    go_on(sweep, 9)
    sweep.make(5)
    again = Sweep(sweep.folder)
    assert again.advanced().state == "stopped"
    assert len(go_on(again, 9)) == 2
    assert again.advanced().state == "finished"


def test_a_trial_behind_the_others_is_to_be_pruned(tmp_path: Path) -> None:
    sweep = made(tmp_path, trials=5)
    for _ in range(4):
        trial = sweep.next()
        assert trial is not None
        for step in (1, 2):
            trial.report(1.0 / step, step)
        assert not trial.should_prune()
        sweep.tell(trial, 0.5, "finished")
    last = sweep.next()
    assert last is not None
    last.report(9.0, 1)
    assert last.should_prune()
    sweep.tell(last, 9.0, "pruned", "behind the others at step 1")
    told = sweep.advanced()
    assert [one.state for one in told.trials] == ["finished"] * 4 + ["pruned"]
    assert told.trials[-1].note == "behind the others at step 1"
    assert told.state == "finished"


def test_what_mattered_is_told_and_adds_up_to_all(tmp_path: Path) -> None:
    sweep = made(tmp_path, method="random", trials=12)
    go_on(sweep, 12)
    found = sweep.advanced().importance
    assert set(found) == set(RANGES)
    assert sum(found.values()) == pytest.approx(1)


def test_only_one_process_goes_on_with_a_sweep(tmp_path: Path) -> None:
    sweep = made(tmp_path)
    sweep.hold()
    other = Sweep(sweep.folder)
    with pytest.raises(RunError, match="under way in another process"):
        other.hold()
    sweep.close()
    other.hold()
    other.close()
    with pytest.raises(RunError, match="already a sweep s"):
        made(tmp_path)
    assert new_name(tmp_path, "s") == "s-sweep-1"


def test_a_torn_line_of_a_killed_writer_is_taken_away(tmp_path: Path) -> None:
    sweep = made(tmp_path)
    go_on(sweep, 2)
    journal = sweep.folder / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"wor')
    (sweep.folder / "journal.log.lock").symlink_to(journal)  # held when it was killed
    again = Sweep(sweep.folder)
    again.hold()
    assert journal.read_bytes() == whole
    assert len(go_on(again, 9)) == 4
    again.close()
    drop_torn_line(tmp_path / "none")


def test_the_best_evaluation_counts_and_the_one_before_the_first_step_does_not() -> None:
    lines = [
        {"step": 0, "eval_loss": 0.1},
        {"step": 5, "eval_loss": 0.7},
        {"step": 10, "loss": 0.2},
        {"step": 10, "eval_loss": 0.5},
        {"step": 15, "eval_loss": float("nan")},
    ]
    found = evaluations(lines, "eval_loss")
    assert best(found, greater=False) == (0.5, 10)
    assert best(found, greater=True) == (0.7, 5)
    assert best([], greater=True) == (None, -1)


def test_a_failed_trial_is_never_the_best(tmp_path: Path) -> None:
    sweep = made(tmp_path)
    for value, state in ((2.0, "finished"), (1.5, "failed")):
        trial = sweep.next()
        assert trial is not None
        folder = tmp_path / "runs" / trial.user_attrs["run"]
        folder.mkdir(parents=True)
        line = json.dumps({"step": 3, "eval_loss": value})
        (folder / "metrics.jsonl").write_text(line + "\n")
        sweep.tell(trial, value if state == "finished" else None, state)
    assert [one.metric for one in sweep.advanced().trials] == [2.0, None]


def test_a_trial_never_takes_a_run_that_is_there(tmp_path: Path) -> None:
    for name in ("s-1", "s-2", "s-2-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    sweep = made(tmp_path)
    names = []
    for _ in range(3):
        trial = sweep.next()
        assert trial is not None
        names.append(trial.user_attrs["run"])
        sweep.tell(trial, 1.0, "finished")
    assert names == ["s-1-2", "s-2-3", "s-3"]
