"""A fine-tune from the sheet before it to what becomes of it, with the real worker."""

from pathlib import Path

from tests.terminal.conftest import Open
from workbench import runs
from workbench import session as sessions
from workbench.session import Session


def test_a_preset_is_run_its_answers_leafed_through_and_its_script_written(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "tiny.toml"
    screen = terminal(str(path), columns=120, rows=40)
    screen.until(r"\d+ tokens · \S+ % of \d", 120)
    screen.press("f7")
    screen.until("▶ Start the run")
    screen.until(r"✓ .* steps")
    screen.press("1")
    screen.until(r"1 quick look ✓")
    screen.until(r"· 40 steps")
    screen.press("enter")
    screen.until("✓ finished", 120)
    assert sessions.load(tmp_path / "runs" / "tiny-1" / "session.toml").training.max_steps == 40
    assert runs.status(tmp_path / "runs" / "tiny-1").state == "finished"
    screen.press("2")
    screen.until("Prompt 1 of 1")
    screen.until(r"step +40 ")
    screen.press("up", "up", "up")
    screen.until("Expected")
    screen.press("w")
    screen.until("import torch", 60)
    screen.press("enter")
    screen.until("Written to")
    compile((tmp_path / "exports" / "tiny-1.py").read_text(), "tiny-1.py", "exec")
    assert "Traceback" not in screen.output
