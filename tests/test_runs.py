"""A run's folder is read as it is, whatever happened to its writer."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import journal, runs
from workbench.session import Session


def make(tmp_path: Path, name: str = "a-1") -> runs.Run:
    return runs.Run.create(tmp_path, name, Session(), {"torch": "x"})


def test_lines_are_read_once_and_a_torn_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    tail = journal.Tail(path)
    assert tail.read() == []
    path.write_bytes(b'{"step": 1}\n{"st')
    assert tail.read() == [{"step": 1}]
    with path.open("ab") as file:
        file.write(b'ep": 2}\nno json\n[1]\n{"step": 3}\n')
    assert tail.read() == [{"step": 2}, {"step": 3}]
    assert tail.read() == []
    path.write_bytes(b'{"step": 9}\n')
    assert tail.read() == [{"step": 9}]


def test_a_writer_mends_the_line_a_killed_one_left_open(tmp_path: Path) -> None:
    run = make(tmp_path)
    (run.folder / "metrics.jsonl").write_bytes(b'{"step": 1}\n{"ste')
    run.metrics(step=2)
    assert [line["step"] for line in journal.read(run.folder / "metrics.jsonl")] == [1, 2]


def test_one_process_writes(tmp_path: Path) -> None:
    run = make(tmp_path)
    with pytest.raises(runs.RunError, match="being trained by another process"):
        runs.Run(run.folder)
    run.close()
    runs.Run(run.folder).close()


def test_a_run_of_that_name_is_not_written_over(tmp_path: Path) -> None:
    make(tmp_path).close()
    with pytest.raises(runs.RunError, match="already a run a-1"):
        make(tmp_path)


def test_a_workspace_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("no folder")
    with pytest.raises(runs.RunError, match=r"a-1 cannot be made: .*is no folder: rename it\.$"):
        runs.Run.create(tmp_path, "a-1", Session(), {})
    for number, what in ((errno.EROFS, "make it writable"), (errno.ENOSPC, "make room")):
        assert what in runs.remedy(OSError(number, os.strerror(number)))


def test_the_state_follows_the_events_and_the_lock(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.event("started", total_steps=10)
    run.metrics(step=3, loss=1.0)
    assert runs.status(run.folder).state == "running"
    assert runs.status(run.folder).step == 3
    run.event("stopped", step=4, message="as asked")
    assert runs.status(run.folder).state == "stopped"
    run.event("resumed", step=4)
    assert runs.status(run.folder).state == "running"
    run.event("finished", step=10)
    run.close()
    status = runs.status(run.folder)
    assert (status.state, status.step, status.total_steps) == ("finished", 10, 10)


def test_a_run_whose_process_was_killed_is_interrupted(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from workbench import runs, session\n"
        "run = runs.Run.create(Path(sys.argv[1]), 'k-1', session.Session(), {})\n"
        "run.event('started', total_steps=9); run.metrics(step=5, loss=2.0)\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    folder = tmp_path / "runs" / "k-1"
    assert runs.status(folder).state == "running"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    status = runs.status(folder)
    assert (status.state, status.step) == ("interrupted", 5)
    assert "no checkpoint yet: start a new one" in status.message
    checkpoint = folder / "checkpoints" / "checkpoint-5"
    checkpoint.mkdir()
    assert "start a new one" in runs.status(folder).message  # not written to its end


def test_only_a_checkpoint_written_to_its_end_counts(tmp_path: Path) -> None:
    run = make(tmp_path)
    for step, whole in ((5, True), (10, True), (15, False)):
        folder = run.checkpoints / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        if whole:
            run.event("checkpoint", step=step)
    assert (runs.last_checkpoint(run.folder) or (0,))[0] == 10
    (run.checkpoints / "checkpoint-10" / "trainer_state.json").unlink()
    assert (runs.last_checkpoint(run.folder) or (0,))[0] == 5


def test_names_count_up_and_are_safe_as_folders(tmp_path: Path) -> None:
    assert runs.new_name(tmp_path, "a b/[c]") == "a-b-c-1"
    make(tmp_path, "x-1").close()
    make(tmp_path, "x-9").close()
    assert runs.new_name(tmp_path, "x") == "x-10"
    assert [folder.name for folder in runs.find(tmp_path)] == ["x-1", "x-9"]


def test_no_disk_left_is_said_with_the_file(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from workbench import runs, session\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "run = runs.Run.create(Path(sys.argv[1]), 'd-1', session.Session(), {})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "try:\n"
        "    for step in range(99): run.metrics(step=step)\n"
        "except runs.RunError as error: print(error)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "metrics.jsonl cannot be written" in out.stdout
    assert "resume" in out.stdout
    lines = journal.read(tmp_path / "runs" / "d-1" / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(len(lines)))
