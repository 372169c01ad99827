"""When the terminal or the worker goes, nothing that was typed or trained is lost."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.terminal.conftest import Open
from tests.terminal.terminal import Terminal
from workbench import runs
from workbench import session as sessions
from workbench.session import Session
from workbench.worker.place import living


def train(screen: Terminal, folder: Path, step: int = 3) -> None:
    """Start a run from the keyboard, and wait until it has done some steps."""
    screen.until(r"\d+ tokens of \d", 120)
    screen.press("f7")
    screen.still()
    screen.press("enter")
    wait(lambda: runs.status(folder / "runs" / "tiny-1").step >= step)
    screen.until("● running")


def wait(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def long_run(tmp_path: Path) -> Path:
    path = tmp_path / "sessions" / "tiny.toml"
    path.write_text(path.read_text().replace("num_train_epochs = 1.0", "num_train_epochs = 500.0"))
    return path


def test_a_lost_terminal_leaves_the_run_alive_and_what_was_typed(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = long_run(tmp_path)
    screen = terminal(str(path))
    train(screen, tmp_path)
    screen.press("f3", "ctrl+end")
    os.write(screen.fd, b" typed last")
    screen.until("typed last")
    screen.hang_up()
    screen.ended()
    prompt = sessions.load(path).prompt()
    assert "typed last" in prompt.template + prompt.completion + prompt.system
    folder = tmp_path / "runs" / "tiny-1"
    step = runs.status(folder).step
    wait(lambda: runs.status(folder).step > step + 5)
    again = terminal("attach")
    again.until("● running")
    again.until("typed last")
    again.until("step [1-9]")
    losses = [line["step"] for line in runs.Tail(folder / "metrics.jsonl").read() if "loss" in line]
    assert losses == list(range(1, len(losses) + 1))


def test_a_killed_worker_is_started_anew_and_the_run_resumes(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = long_run(tmp_path)
    screen = terminal(str(path))
    train(screen, tmp_path, step=12)
    ((_, about),) = living()
    os.kill(about["pid"], signal.SIGKILL)
    screen.until("(?i)worker was killed")
    screen.until("⚡ interrupted")
    screen.until(r"\d+ tokens of \d")  # the new one has the prompt again
    folder = tmp_path / "runs" / "tiny-1"
    reached = runs.status(folder).step
    screen.press("ctrl+r")
    screen.until("● running", 90)
    wait(lambda: runs.status(folder).step > reached + 3)
    steps = [line["step"] for line in runs.Tail(folder / "metrics.jsonl").read() if "loss" in line]
    assert steps[-1] > reached
    assert "Traceback" not in screen.output


def test_quitting_during_a_run_asks_and_stays_keeps_or_stops(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = long_run(tmp_path)
    screen = terminal(str(path))
    train(screen, tmp_path)
    folder = tmp_path / "runs" / "tiny-1"
    screen.press("f10")
    screen.until("(?i)keep it running")
    screen.press("escape")
    screen.gone("(?i)keep it running")
    screen.press("f10")
    screen.until("(?i)keep it running")
    screen.press("enter")
    assert screen.ended() == 0
    assert runs.is_locked(folder)
    again = terminal(str(path))
    again.until("● running")
    again.press("f10")
    again.until("(?i)stop it with a checkpoint")
    again.press("down", "enter")
    assert again.ended(60) == 0
    status = runs.status(folder)
    assert status.state == "stopped"
    assert (runs.last_checkpoint(folder) or (0,))[0] == status.step


def test_in_process_the_run_stops_with_a_checkpoint_when_the_terminal_goes(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = long_run(tmp_path)
    screen = terminal("--in-process", str(path))
    train(screen, tmp_path)
    screen.hang_up()
    screen.ended(60)
    folder = tmp_path / "runs" / "tiny-1"
    status = runs.status(folder)
    assert status.state == "stopped"
    assert (runs.last_checkpoint(folder) or (0,))[0] == status.step


def test_hostile_text_is_shown_literally(terminal: Open, session: Session, tmp_path: Path) -> None:
    hostile = "[/i][@click=app.quit]\x1b[31mred\x1b]52;c;aGFja2Vk\x07\x9b2J\u202e end"
    rows = [{"text": f"{hostile} {n}", "label": "[bold]positive"} for n in range(40)]
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    screen = terminal("sessions/tiny.toml")
    screen.until(r"\d+ tokens of \d", 120)
    screen.press("f5")
    screen.until("tokens/s", 60)
    screen.press("f9")
    screen.still(1)
    assert "[/i][@click=app.quit]" in screen.text()
    assert "\x1b]52" not in screen.output
    assert "\u202e" not in screen.output
    assert "\x9b" not in screen.output
    assert screen.child.poll() is None


def test_a_broken_session_is_one_sentence_and_no_screen(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "tiny.toml"
    text = path.read_text().replace("lora_r = 4", "lora_r = 'four'")
    path.write_text(text)
    screen = terminal(str(path))
    assert screen.ended() == 1
    assert "training.lora_r: expected int, got str" in screen.text().replace("\n", "")
    assert path.read_text() == text
