"""What a careless or hostile person gives to the commands, and what the system refuses."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.forking import Forking
from tests.terminal.terminal import WORKBENCH
from workbench import journal, runs
from workbench.session import Session

pytestmark = pytest.mark.usefixtures("forking")  # of the hosts; the commands are started as ever


def run(
    folder: Path, *words: str | bytes, before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command; `before` is a shell's redirection of it."""
    shell = ["/bin/sh", "-c", f'exec "$@" {before}', "sh"]
    return subprocess.run(
        [*shell, *WORKBENCH, *words],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=120,
        env={**os.environ, **environment},
    )


ESCAPE = "\x1b]0;x\x07"


@pytest.mark.parametrize(
    "words",
    [
        ["train", f"{ESCAPE}\nno"],
        ["generate", "tiny", f"--{ESCAPE}"],
        ["train", "tiny", "--resume", ESCAPE, "--in-process"],
        ["new", f"{ESCAPE}.toml"],
    ],
)
def test_an_argument_is_repeated_literally(
    forking: Forking, session: Session, tmp_path: Path, words: list[str]
) -> None:
    said = forking.run(words, tmp_path).stderr
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "␛]0;x␇" in said or "\\x1b]0;x" in said


@pytest.mark.parametrize("name", ["../out", "a/b", ".", ESCAPE])
@pytest.mark.parametrize("option", ["--name", "--resume"])
def test_a_run_stays_under_runs(
    forked: Run, session: Session, tmp_path: Path, name: str, option: str
) -> None:
    done = forked("train", "tiny", option, name, "--in-process", check=1)
    assert "cannot be the name of a run" in done.stderr
    assert not list(tmp_path.rglob("metrics.jsonl"))


@pytest.mark.parametrize("rows", ["0", "-3", "99999999999999999999"])
def test_a_number_of_rows_that_is_none_is_refused(
    session: Session, tmp_path: Path, rows: str
) -> None:
    done = run(tmp_path, "eval", "tiny", "--rows", rows)
    assert done.returncode == 2
    assert "a whole number, at least 1" in done.stderr


def test_a_number_beyond_all_bounds_is_answered(session: Session, tmp_path: Path) -> None:
    done = run(tmp_path, "generate", "tiny", "--row", "9" * 30)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("workbench: ")


def test_a_name_that_is_not_utf8_is_refused(session: Session, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "sessions") + b"/\xff.toml"
    Path(os.fsdecode(path)).write_text((tmp_path / "sessions" / "tiny.toml").read_text())
    done = run(tmp_path, "train", path)
    assert done.returncode == 1
    assert "is not UTF-8" in done.stderr


def test_what_cannot_be_sent_is_answered(session: Session, tmp_path: Path) -> None:
    done = run(tmp_path, "generate", "tiny", "--adapter", b"\xff")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("workbench: ")


@pytest.mark.parametrize("host", [[], ["--in-process"]])
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_trouble(
    session: Session, tmp_path: Path, host: list[str], closed: str
) -> None:
    done = run(tmp_path, "generate", "tiny", "--row", "1", *host, before=closed)
    assert done.returncode == 0
    assert "Error" not in done.stderr


@pytest.mark.parametrize("words", [["runs"], ["schema"], ["generate", "tiny", "--in-process"]])
def test_output_that_cannot_be_written_is_one_sentence(
    session: Session, tmp_path: Path, words: list[str]
) -> None:
    done = run(tmp_path, *words, before="> /dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "workbench: No space left on device."


def test_a_reader_that_has_enough_is_no_error(session: Session, tmp_path: Path) -> None:
    words = shlex.join([*WORKBENCH, "train", "tiny", "--json", "--in-process"])
    done = subprocess.run(
        ["/bin/sh", "-c", f"{{ {words}; echo status $? >&2; }} | head -1"],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr.splitlines()[-1] == "status 0"
    assert "BrokenPipe" not in done.stderr


def test_a_relative_folder_is_meant_from_here(session: Session, tmp_path: Path) -> None:
    done = run(tmp_path, "generate", "tiny", "--row", "1", WORKBENCH_STATE="here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "hosts").is_dir()
    assert not (tmp_path / "sessions" / "here").exists()


def test_no_session_has_no_name(tmp_path: Path) -> None:
    done = run(tmp_path, "new", "")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "name it" in done.stderr


class Short:
    """A file on a disk with room for some bytes."""

    def __init__(self, path: Path, room: int) -> None:
        self.file, self.room = path.open("ab", buffering=0), room

    def write(self, line: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        written = self.file.write(line[: self.room])
        self.room -= written
        return written

    def fileno(self) -> int:
        return self.file.fileno()

    def truncate(self, size: int) -> int:
        return self.file.truncate(size)


def test_a_line_that_does_not_fit_leaves_nothing_torn(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(OSError, match="No space"):
        journal.write_whole(Short(path, 5), b'{"step": 1}\n')  # type: ignore[arg-type]
    assert path.read_bytes() == b"{}\n"


def test_a_run_that_cannot_be_made_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    make: Callable[[], runs.Run] = lambda: runs.Run.create(tmp_path, "a", Session(), {})  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr("workbench.session.replace_file", full)
        with pytest.raises(runs.RunError, match="No space left"):
            make()
    make().close()


def test_someone_who_looks_does_not_keep_a_run_from_going_on(tmp_path: Path) -> None:
    runs.Run.create(tmp_path, "a", Session(), {}).close()
    import fcntl
    import threading

    folder = tmp_path / "runs" / "a"
    descriptor = os.open(folder / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # as `is_locked` does for a moment
    threading.Timer(0.1, os.close, [descriptor]).start()
    run = runs.Run(folder)
    assert runs.is_locked(folder)
    run.close()
    assert not runs.is_locked(folder)


def test_a_full_disk_under_the_log_does_not_end_a_lane() -> None:
    from queue import SimpleQueue

    from workbench.protocol import AnyEvent, Failed, ReadRow
    from workbench.worker.lane import Job, Lane

    def broken(request: ReadRow, job: Job) -> None:
        raise ValueError("broken")

    lane = Lane("test")
    lane.handlers = {ReadRow: broken}
    told: SimpleQueue[AnyEvent] = SimpleQueue()
    log = os.dup(1)
    with open("/dev/full", "w") as full:
        os.dup2(full.fileno(), 1)
        lane.start()
        for id in (1, 2):
            lane.put(Job(ReadRow(id=id, index=0), told.put))
            event = told.get(timeout=60)
            assert isinstance(event, Failed)
            assert event.request == id
        lane.end()
        lane.join()
    os.dup2(log, 1)
    os.close(log)


def test_what_is_no_request_is_answered_to_the_one_who_asked() -> None:
    from workbench.worker.host import number_of

    assert number_of(b'{"type": "evaluate", "id": 7, "nonsense": -3}') == 7
    for garbage in (b"", b"\xff\xfe", b"[" * 100_000, b'{"id": "x"}', b'{"id": 1e999}'):
        assert number_of(garbage) == 0
