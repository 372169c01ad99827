"""The host process: it outlives who started it, and its end costs nothing that was on disk."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.worker.conftest import Line
from workbench import journal, runs
from workbench.protocol import (
    Done,
    Hello,
    HostLost,
    LoadModel,
    ModelLoaded,
    Row,
    Shutdown,
    StartSweep,
    StopTraining,
    SweepAdvanced,
    TrainingAdvanced,
    TrainingEnded,
    Welcome,
    decode_event,
)
from workbench.session import Session
from workbench.worker.host import line_of
from workbench.worker.place import Place, living

Open = Callable[..., Line]


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether the process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_several_terminals_share_one_host(open_line: Open) -> None:
    first = open_line().ask(Hello(), last=Welcome)[-1]
    second = open_line().ask(Hello(), last=Welcome)[-1]
    assert first.pid == second.pid != os.getpid()


def test_only_its_owner_can_reach_the_socket(open_line: Open) -> None:
    line = open_line()
    line.ask(Hello(), last=Welcome)
    socket = Place.of(line.path).socket
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_a_run_goes_on_when_everyone_has_left_and_sigterm_stops_it_with_a_checkpoint(
    open_line: Open, session: Session
) -> None:
    first = open_line()
    first.start_training(session, num_train_epochs=200, eval_steps=0, save_steps=0)
    seen = first.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 2)
    first.link.close()
    second = open_line()
    welcome = second.ask(Hello(), last=Welcome)[-1]
    assert welcome.run is not None
    assert welcome.run.step >= seen.run.step
    later = second.until(
        lambda event: isinstance(event, TrainingAdvanced) and event.run.step > welcome.run.step
    )
    folder = Path(later.run.folder)
    steps = [one["step"] for one in journal.read(folder / "metrics.jsonl") if "loss" in one]
    assert steps == list(range(1, len(steps) + 1))
    os.kill(welcome.pid, signal.SIGTERM)
    assert second.wait_for(TrainingEnded).run.state == "stopped"
    assert gone(welcome.pid)
    status = runs.status(folder)
    assert status.state == "stopped"
    assert (runs.last_checkpoint(folder) or (0,))[0] == status.step


def test_a_host_that_dies_again_and_again_is_given_up(open_line: Open) -> None:
    line = open_line()
    for _ in range(4):
        pid = line.ask(Hello(), last=Welcome)[-1].pid
        os.kill(pid, signal.SIGKILL)
        lost = line.wait_for(HostLost)
        if not lost.restarted:
            break
    assert not lost.restarted
    assert "log" in lost.message


def test_a_signal_to_the_terminal_does_not_reach_it(open_line: Open) -> None:
    pid = open_line().ask(Hello(), last=Welcome)[-1].pid
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGHUP)
    os.kill(pid, signal.SIGINT)
    assert not gone(pid, seconds=0.5)


def test_shutdown_ends_it(open_line: Open) -> None:
    line = open_line()
    pid = line.ask(Hello(), last=Welcome)[-1].pid
    line.send(Shutdown())
    assert gone(pid)


def test_an_idle_host_that_nobody_uses_ends(open_line: Open, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("WORKBENCH_LINGER", "0.2")
    line = open_line()
    pid = line.ask(Hello(), last=Welcome)[-1].pid
    assert [about["pid"] for _, about in living()] == [pid]
    line.link.close()
    assert gone(pid)
    assert living() == []


@pytest.mark.own_host
def test_a_folder_named_like_a_library_is_not_taken_for_it_and_its_words_are_in_the_log(
    open_line: Open, session: Session, tmp_path: Path
) -> None:
    for name in ("torch", "datasets", "transformers"):
        (tmp_path / "sessions" / name).mkdir()
        (tmp_path / "sessions" / name / "__init__.py").write_text("raise SystemExit(3)")
    line = open_line()
    loaded = line.ask(LoadModel(model=session.model, folder=str(line.folder)), last=ModelLoaded)
    assert isinstance(loaded[-1], ModelLoaded)
    assert line.link.log_path is not None
    assert "host" in line.link.log_path.read_text()


def test_the_app_side_imports_nothing_heavy() -> None:
    code = (
        "import sys, workbench.worker.link, workbench.cli, workbench.commands.screen;"
        "print([m for m in ('torch','transformers','datasets','numpy','pyarrow','textual',"
        "'rich','jinja2') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_an_event_that_cannot_be_sent_is_a_failure_and_not_the_end() -> None:
    line = line_of(Row(request=7, index=0, values={"text": "\ud800"}))
    failed = decode_event(line)
    assert failed.request == 7
    assert "cannot be sent" in failed.message  # type: ignore[union-attr]


def test_a_sweep_is_ended_by_whoever_looks_at_it(open_line: Open, session: Session) -> None:
    first = open_line()
    training = replace(session.training, num_train_epochs=200.0, eval_steps=0, save_steps=0)
    first.send(
        StartSweep(
            session=replace(session, training=training),
            session_path=str(first.path),
            folder=str(first.folder),
        )
    )
    first.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 1)
    second = open_line()
    second.ask(StopTraining(sweep=True))
    over = second.until(lambda event: isinstance(event, SweepAdvanced) and event.state != "running")
    assert over.state == "stopped"
    assert first.until(lambda event: isinstance(event, Done)).cancelled
    assert len(list((first.folder / "runs").iterdir())) == 1  # no other run followed
