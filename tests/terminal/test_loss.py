"""When the terminal or the worker goes, nothing that was typed or trained is lost."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.terminal.conftest import Open
from tests.terminal.terminal import Terminal
from workbench import journal, runs
from workbench import session as sessions
from workbench.session import Session
from workbench.worker.place import living


def train(screen: Terminal, folder: Path, step: int = 3) -> None:
    """Start a run from the keyboard, and wait until it has done some steps."""
    screen.until(r"\d+ tokens · \S+ % of \d", 120)
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
    losses = [line["step"] for line in journal.read(folder / "metrics.jsonl") if "loss" in line]
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
    screen.until(r"\d+ tokens · \S+ % of \d")  # the new one has the prompt again
    folder = tmp_path / "runs" / "tiny-1"
    reached = runs.status(folder).step
    screen.press("ctrl+r")
    screen.until("● running", 90)
    wait(lambda: runs.status(folder).step > reached + 3)
    steps = [line["step"] for line in journal.read(folder / "metrics.jsonl") if "loss" in line]
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
    """In a row, in a file's name, in a column's name and in what the model answers."""
    hostile = "[/i][@click=app.quit]\x1b[31mred\x1b]52;c;aGFja2Vk\x07\x9b2J\u202e end"
    rows = [
        {"text": f"{hostile} {n}", "label": "[bold]positive", "[/b]\x1b[5m": n} for n in range(40)
    ]
    name = "[bold]\x1b[31m[i].jsonl"
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    # A model that repeats what it is told would show the rows' text in its answer; the tiny one
    # has every byte in its vocabulary, so sampling at a high temperature writes control characters.
    session = replace(
        session,
        dataset=replace(session.dataset, source=name),
        generation=replace(
            session.generation,
            do_sample=True,
            temperature=9.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=200,
        ),
    )
    sessions.save(session, tmp_path / "sessions" / "tiny.toml")
    screen = terminal("sessions/tiny.toml")
    screen.until(r"\d+ tokens · \S+ % of \d", 120)
    screen.press("f5")
    screen.until("tokens/s", 60)
    kept = tmp_path / "answers" / "tiny.jsonl"  # written at the answer's end
    screen.wait(lambda: kept.exists() and kept.read_text().endswith("\n"), 60, "the answer kept")
    answer = json.loads(kept.read_text().splitlines()[-1])["parts"]["base"]["text"]
    assert any(ord(char) < 32 and char not in "\n\t" for char in answer), "no hostile answer"
    screen.press("f9")
    screen.until(r"\[/i\]\[@click=app.quit\]")
    assert "\x1b]52" not in screen.output
    assert "\x1b[5m" not in screen.output
    assert "\u202e" not in screen.output
    assert "\x9b" not in screen.output
    assert screen.child.poll() is None


@pytest.mark.own_host
def test_nothing_that_native_code_prints_reaches_the_screen(
    terminal: Open, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread in every process writes to descriptors 1 and 2, as native libraries do."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading, time\n"
        "def shout():\n"
        "    time.sleep(1.5)\n"
        "    for _ in range(400):\n"
        "        os.write(1, b'NOISE-OUT '); os.write(2, b'NOISE-ERR '); time.sleep(0.05)\n"
        "threading.Thread(target=shout, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    screen = terminal("sessions/tiny.toml")
    screen.until(r"\d+ tokens · \S+ % of \d", 120)
    screen.press("f5")
    screen.until("tokens/s", 60)
    screen.still(2)
    assert "NOISE" not in screen.output
    logs = "".join(path.read_text() for path in (tmp_path / "state" / "hosts").glob("*.log"))
    assert "NOISE-OUT" in logs
    assert "NOISE-ERR" in logs
    screen.press("ctrl+l")
    screen.until("NOISE-")


def test_an_error_of_our_own_is_one_sentence_and_the_session_is_saved(
    terminal: Open, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if sys.argv[0].endswith('workbench') or sys.orig_argv[1:2] != ['-P']:\n"
        "    import importlib.abc, importlib.machinery\n"
        "    class Breaks(importlib.abc.MetaPathFinder):\n"
        "        def find_spec(self, name, path, target=None):\n"
        "            if name == 'workbench.ui.screens.help':\n"
        "                raise RuntimeError('made to fail')\n"
        "    sys.meta_path.insert(0, Breaks())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    screen = terminal("sessions/tiny.toml")
    screen.until(r"\d+ tokens · \S+ % of \d", 120)
    screen.press("f3", "ctrl+end")
    os.write(screen.fd, b" typed last")
    screen.until("typed last")
    screen.press("f1")
    assert screen.ended() == 1
    assert "Traceback" not in screen.output
    assert "the screen failed" in screen.text().replace("\n", "")
    prompt = sessions.load(tmp_path / "sessions" / "tiny.toml").prompt()
    assert "typed last" in prompt.template + prompt.completion + prompt.system
    logs = "".join(path.read_text() for path in (tmp_path / "state" / "hosts").glob("*.log"))
    assert "made to fail" in logs


def test_a_broken_session_is_one_sentence_and_no_screen(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "tiny.toml"
    text = path.read_text().replace("lora_r = 4", "lora_r = 'four'")
    path.write_text(text)
    screen = terminal(str(path))
    assert screen.ended() == 1
    assert "training.lora_r:expectedint,gotstr" in "".join(screen.text().split())
    assert path.read_text() == text


def test_a_large_paste_with_escapes_in_it_is_text_at_once(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    screen = terminal("sessions/tiny.toml")
    screen.until(r"\d+ tokens · \S+ % of \d", 120)
    screen.press("f3")
    pasted = "\x1b[31mred\x1b[0m and\x1bOQ more\n" * 2000
    data = f"\x1b[200~{pasted}\x1b[201~".encode()
    while data:  # a terminal takes what fits
        data = data[os.write(screen.fd, data[:4000]) :]
        screen.pump(0)
    path = tmp_path / "sessions" / "tiny.toml"
    wait(lambda: screen.pump(0.1) and "more" in sessions.load(path).prompt().template, 30)
    prompt = sessions.load(path).prompt()
    assert prompt.template.count("␛[31mred␛[0m and␛OQ more") == 2000
    assert sessions.load(path).layout.focus == "prompt"
