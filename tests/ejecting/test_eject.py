"""A run as one script: it makes the run again, without workbench, number for number."""

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.ejecting.cases import CHATS, SESSIONS, workspace_of_all
from tests.exporting.made import made, metrics, trained, write_rows
from tests.tiny import reviews
from tests.training.by_trl import preferences
from tests.work import nobody_listens
from workbench import runs
from workbench.ejecting.eject import Ejected, eject
from workbench.ejecting.made import Made
from workbench.ejecting.parts import preference
from workbench.ejecting.parts.training import Schedule
from workbench.exporting.errors import ExportError
from workbench.protocol import EjectRun

NEAR = 2e-5  # float32, over the steps of a run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace_of_all(tmp_path_factory.mktemp("ejects"))


@pytest.fixture(scope="module")
def scripts(folder: Path) -> dict[str, Ejected]:
    """The script of each run."""
    found = {}
    for name, settings in SESSIONS.items():
        trained(folder, name, made(**settings))
        asked = EjectRun(folder=str(folder), run=name, to=f"{name}.py")
        found[name] = eject(asked, nobody_listens)
    return found


def run_all(paths: Mapping[str, Path]) -> None:
    """Run scripts one after another in one process: most of a script's time is its imports."""
    code = (
        "import gc, runpy, sys\n"
        f"for path in {[str(path) for path in paths.values()]!r}:\n"
        "    print(path, file=sys.stderr, flush=True)\n"
        "    runpy.run_path(path, run_name='__main__')\n"
        "    gc.freeze()\n"
        "assert not any(name.startswith('workbench') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_scripts_make_their_runs_again(folder: Path, scripts: dict[str, Ejected]) -> None:
    for name, told in scripts.items():
        assert told.path == folder / f"{name}.py"
        assert "workbench" not in told.text.split('"""', 2)[2]
    run_all({name: told.path for name, told in scripts.items() if told.path})
    for name in SESSIONS:
        again = metrics(folder / f"{name}.out" / "metrics.jsonl")
        before = metrics(folder / "runs" / name / "metrics.jsonl")
        assert [one["step"] for one in again] == [one["step"] for one in before], name
        for one, other in zip(again, before, strict=True):
            for key in ("loss", "eval_loss", "learning_rate"):
                if key in one:
                    assert one[key] == pytest.approx(other[key], abs=NEAR), (name, one["step"])
        losses = [one["loss"] for one in before if "loss" in one]
        assert len(set(losses)) > 1, name
        if name != "grpo":  # whose losses are no measure of what is learnt
            assert losses[-1] < losses[0], name


def test_rows_can_be_read_and_changed(scripts: dict[str, Ejected]) -> None:
    rows = {
        name: [json.loads(line) for line in told.rows.splitlines()]
        for name, told in scripts.items()
    }
    assert {row["side"] for row in rows["chats"]} == {"train", "evaluation"}
    assert all(row["messages"] in CHATS for row in rows["chats"])
    asked = [row["prompt"] for row in preferences(24)]
    for name in ("dpo", "orpo", "reward"):
        assert all(row["prompt"] in asked for row in rows[name])
        assert all(row["chosen"] != row["rejected"] for row in rows[name])
    assert {row["label"] for row in rows["kto"]} == {True, False}
    assert rows["pairs"][0]["source"].startswith("translate English to French: ")
    assert rows["grpo"][0]["prompt"][-1]["content"].startswith(rows["grpo"][0]["row"]["text"])
    for told in scripts.values():
        assert "_ids" not in told.rows


def test_what_a_script_reads_stands_beside_it(folder: Path, scripts: dict[str, Ejected]) -> None:
    assert scripts["grpo"].beside == (folder / "grpo.rows.jsonl", folder / "grpo.reward.py")
    assert (folder / "grpo.reward.py").read_text() == (folder / "score.py").read_text()
    (folder / "other.reward.py").write_text("mine = 1\n")
    with pytest.raises(ExportError, match=r"other\.reward\.py is there already"):
        eject(EjectRun(folder=str(folder), run="grpo", to="other.py"), nobody_listens)
    assert not (folder / "other.py").exists()
    (folder / "score.py").rename(folder / "score.txt")
    with pytest.raises(ExportError, match=r"reward of the run, score\.py:score, cannot be read"):
        eject(EjectRun(folder=str(folder), run="grpo"), nobody_listens)
    (folder / "score.txt").rename(folder / "score.py")


def test_tokens_that_no_rule_makes_stand_beside_the_text() -> None:
    row = {"chosen": "A B", "chosen_ids": [5, 6, 7, 8], "chosen_learnt": [1, 3]}
    assert preference.encode_reply(None, row, "chosen", [], 9) == ([5, 6, 7], [-100, 6, 7])


def test_virtual_tokens_are_named_by_what_they_begin_from(scripts: dict[str, Ejected]) -> None:
    for name in ("words", "prefix"):
        assert "# The virtual tokens begin from the prompt's words \"You label" in (
            scripts[name].text
        )
    assert "Prompted" in scripts["words"].text
    assert "virtual tokens" not in scripts["answers"].text


def test_a_learning_rate_that_was_changed_is_changed_again(
    folder: Path, scripts: dict[str, Ejected]
) -> None:
    again = copied(folder, "answers", "steered")
    again.event("learning_rate", step=2, value=1e-3)
    again.close()
    told = eject(EjectRun(folder=str(folder), run="steered"), nobody_listens)
    assert told.path is None
    assert "RATES = [[2, 0.001]]" in told.text


def test_the_rate_of_the_step_in_which_it_changes_is_logged(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 10)
    named = {"eval_steps": 0, "save_steps": 0, "last_step": 9}
    schedule = Schedule(tmp_path / "m.jsonl", None, rates=[[0, 0.2]], rate=0.1, **named)
    state = SimpleNamespace(global_step=0)
    schedule.on_pre_optimizer_step(None, state, None, lr_scheduler=scheduler)
    assert scheduler.get_last_lr() == [0.2]
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.18])


def copied(folder: Path, name: str, to: str) -> runs.Run:
    """A run once more, under another name."""
    shutil.copytree(folder / "runs" / name, folder / "runs" / to)
    return runs.Run(folder / "runs" / to)


def test_a_script_may_have_any_name(folder: Path, scripts: dict[str, Ejected]) -> None:
    for name in ('it\'s "mine" {x} \\n.py', "a.b c.py", "zwölf.py"):
        told = eject(EjectRun(folder=str(folder), run="odd", to=name), nobody_listens)
        assert told.path == folder / name
        again = runpy.run_path(str(folder / name))
        assert again["ROWS"] == told.beside[0]
        assert len(again["read_rows"](again["ROWS"], "train")) == 20


def test_rows_or_a_model_that_changed_are_said(folder: Path, scripts: dict[str, Ejected]) -> None:
    write_rows(folder, reviews(41))
    with pytest.raises(ExportError, match=r"rows\.jsonl is not what it was when odd"):
        eject(EjectRun(folder=str(folder), run="odd"), nobody_listens)
    write_rows(folder, reviews(40))


def test_what_is_there_stays(folder: Path, scripts: dict[str, Ejected]) -> None:
    (folder / "mine.py").write_text("x = 1\n")
    with pytest.raises(ExportError, match="is there already; choose another name, or overwrite"):
        eject(EjectRun(folder=str(folder), run="odd", to="mine.py"), nobody_listens)
    assert runpy.run_path(str(folder / "mine.py"))["x"] == 1
    told = eject(
        EjectRun(folder=str(folder), run="odd", to="mine.py", overwrite=True), nobody_listens
    )
    assert (folder / "mine.py").read_text() == told.text
    with pytest.raises(ExportError, match="There is no run"):
        eject(EjectRun(folder=str(folder), run="../odd", to="x.py"), nobody_listens)


def test_a_script_has_no_rate_that_was_taken_back() -> None:
    asked = [(10, 2e-4), (30, 1e-3), (25, 5e-4), (40, 1e-4)]
    told = [{"event": "learning_rate", "step": step, "value": rate} for step, rate in asked]
    run = SimpleNamespace(trained=SimpleNamespace(events=told))
    assert Made.rates.fget(run) == [(10, 2e-4), (25, 5e-4), (40, 1e-4)]
