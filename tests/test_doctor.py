"""The doctor: what is there, what is missing, what to do; and it survives what it looks at."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from workbench import doctor, machine
from workbench.machine import Gpu, Library, Machine, StarterState, Terminal, Torch

ROOT = Path(__file__).parents[1]
GIB = 1024**3
HEALTHY = Machine(
    workbench="1",
    python="3.11.7",
    executable="/python",
    system="Linux",
    processor="one",
    cores=2,
    bfloat16=True,
    memory=16 * GIB,
    memory_free=8 * GIB,
    cache="/cache",
    cache_writable=True,
    cache_free=50 * GIB,
    folder="/work",
    folder_writable=True,
    folder_free=50 * GIB,
    hub="asked where needed",
    libraries=[Library("torch", "==2.13.0", "2.13.0", "2.13.0+cpu", True)],
    gpus=[],
    torch=Torch(version="2.13.0+cpu"),
    terminal=Terminal(True, True, "xterm-256color", "256", 120, 40, False, False, "utf-8"),
    starters=[StarterState("film-reviews", "dataset", True, "/cache/film-reviews")],
)


def findings(found: Machine) -> str:
    return "\n".join(
        f"{'ESSENTIAL ' * one.essential}{one.problem} {one.remedy}" for one in doctor.examine(found)
    )


def test_of_a_healthy_machine_there_is_nothing_to_say() -> None:
    assert doctor.examine(HEALTHY) == []


def test_a_library_that_is_missing_or_of_another_version_is_essential() -> None:
    missing = Library("peft", ">=0.21.2", "0.21.2", "", False)
    old = Library("torch", "==2.13.0", "2.13.0", "2.12.0", False)
    said = findings(replace(HEALTHY, libraries=[missing, old]))
    assert "ESSENTIAL peft >=0.21.2 is needed, and it is not installed." in said
    assert "ESSENTIAL torch ==2.13.0 is needed, and 2.12.0 is installed." in said


def test_a_version_that_is_not_the_locked_one_is_said_and_not_essential() -> None:
    newer = Library("rich", ">=15", "15.0.0", "15.1.0", True)
    said = findings(replace(HEALTHY, libraries=[newer]))
    assert "rich 15.1.0 (lock: 15.0.0)" in said
    assert "ESSENTIAL" not in said


def test_a_full_disk_and_a_folder_that_cannot_be_written_say_what_to_do() -> None:
    said = findings(replace(HEALTHY, cache_free=10_000_000, folder_writable=False))
    assert "ESSENTIAL The cache /cache has 10 MiB left. Set WORKBENCH_CACHE" in said
    assert "ESSENTIAL The work folder /work cannot be written." in said


def test_a_gpu_that_torch_cannot_use_says_why() -> None:
    gpu = Gpu("H100", 80 * GIB, 80 * GIB, "550.1")
    said = findings(replace(HEALTHY, gpus=[gpu]))
    assert "torch cannot use the GPU: it is the build for processors alone." in said
    built = Torch(version="2.13.0", built_for_cuda="13.0")
    said = findings(replace(HEALTHY, gpus=[gpu], torch=built))
    assert "built for CUDA 13.0; the driver is 550.1" in said
    assert findings(replace(HEALTHY, gpus=[gpu], torch=replace(built, gpu_usable=True))) == ""


def test_the_terminal_is_judged() -> None:
    small = Terminal(True, True, "dumb", "none", 60, 20, False, True, "iso8859-1")
    said = findings(replace(HEALTHY, terminal=small))
    for part in ("iso8859-1, not UTF-8", "60 × 20", "TERM=dumb has no colours"):
        assert part in said
    piped = replace(small, input=False)
    assert "workbench train, generate or eval" in findings(replace(HEALTHY, terminal=piped))


def test_starters_that_are_not_there_can_be_fetched() -> None:
    absent = StarterState("film-reviews", "dataset", False, "/cache/film-reviews")
    assert "workbench fetch" in findings(replace(HEALTHY, starters=[absent]))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os; os.abort()", "signal 6"),
        ("raise ImportError('libcudart.so is missing')", "libcudart.so is missing"),
        ("print('no JSON')", "gave no answer"),
        ("import time; time.sleep(60)", "took more than"),
    ],
)
def test_a_torch_that_crashes_or_hangs_is_a_finding(
    code: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "ASK_TORCH", code)
    monkeypatch.setattr(machine, "TORCH_SECONDS", 1.0 if "sleep" in code else 60.0)
    answer = machine.answer_of_torch(machine.ask_torch())
    assert expected in answer.error
    assert "ESSENTIAL torch cannot be used" in findings(replace(HEALTHY, torch=answer))


@pytest.mark.parametrize(
    ("term", "colorterm", "expected"),
    [
        ("xterm", "truecolor", "truecolor"),
        ("screen-256color", "", "256"),
        ("linux", "", "16"),
        ("dumb", "", "none"),
        ("", "", "none"),
    ],
)
def test_the_colours_of_a_terminal_follow_its_variables(
    term: str, colorterm: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert machine.colours(term, colorterm) == expected


def ask(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    code = f"import sys; from workbench.doctor import main; sys.exit(main({bool(words)}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
        timeout=120,
        check=False,
    )


def test_the_report_is_json_for_a_machine_and_its_exit_code_says_whether_it_is_healthy() -> None:
    said = ask("--json")
    report = json.loads(said.stdout)
    assert (said.returncode == 0) is report["healthy"] is True
    assert report["machine"]["torch"]["version"].startswith("2.13.0")
    assert {"torch", "textual", "msgspec"} <= {
        one["name"] for one in report["machine"]["libraries"]
    }
    assert said.stderr == ""


def test_a_cache_that_cannot_be_written_makes_it_unhealthy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = ask(WORKBENCH_CACHE=str(tmp_path / "file" / "cache"))
    assert said.returncode == 1, said.stdout + said.stderr
    assert "cannot be written" in said.stdout
    assert "torch" in said.stdout
