"""The wheel, the lock and the Makefile: what a person installs is whole and says what it lacks."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
BUILD = """
import os, sys
os.chdir(sys.argv[1])
from hatchling import build
make = build.build_wheel if sys.argv[3] == "wheel" else build.build_editable
print(make(sys.argv[2]))
"""


def build(folder: Path, kind: str) -> zipfile.ZipFile:
    said = subprocess.run(
        [sys.executable, "-c", BUILD, str(ROOT), str(folder), kind],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return zipfile.ZipFile(folder / said.stdout.split()[-1])


def test_the_wheel_holds_themes_sessions_and_all_modules(tmp_path: Path) -> None:
    with build(tmp_path, "wheel") as wheel:
        names = set(wheel.namelist())
    for folder in ("themes", "sessions"):
        files = {f"workbench/{folder}/{path.name}" for path in (ROOT / folder).iterdir()}
        assert files
        assert files <= names
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "workbench").rglob("*.py")}
    assert modules <= names
    assert "workbench/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)


def test_sessions_of_the_wheel_work_where_it_is_installed(tmp_path: Path) -> None:
    with build(tmp_path, "wheel") as wheel:
        wheel.extractall(tmp_path / "site")
    code = (
        "import workbench; from pathlib import Path\n"
        "from workbench import session\n"
        "from workbench.data.sources import open_dataset\n"
        "path = Path(workbench.__file__).parent / 'sessions' / 'story.toml'\n"
        "dataset, folder = session.load(path).dataset, session.workspace(path)\n"
        "found = open_dataset(dataset, folder, lambda *a: None)\n"
        "print(workbench.__file__, found.train[0]['character'])\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        check=False,
    )
    assert said.stdout == f"{tmp_path}/site/workbench/__init__.py a young girl\n", said.stderr


def test_an_editable_install_holds_no_copy_that_would_go_stale(tmp_path: Path) -> None:
    with build(tmp_path, "editable") as wheel:
        assert not [name for name in wheel.namelist() if name.startswith("workbench/")]


def test_the_lock_pins_every_dependency_exactly_and_within_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert not [version for version in pins.values() if "+" in version]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for one in map(Requirement, wanted):
        assert one.specifier.contains(pins[re.sub(r"[-_.]+", "-", one.name).lower()]), one
    assert "torch==2.13.0" in lines


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what make needs, in which the set-up is done already."""
    folder = tmp_path / "a check out"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "hatch_build.py"):
        (folder / name).write_text((ROOT / name).read_text())
    program = folder / ".venv" / "bin" / "workbench"
    program.write_text('#!/bin/sh\necho "workbench $*" >> said\n')
    program.chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    return folder


def make(folder: Path, *words: str, path: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment | ({"PATH": path} if path else {}),
        check=False,
    )


def test_make_run_without_a_terminal_fetches_names_the_commands_and_exits_with_2(
    checkout: Path,
) -> None:
    said = make(checkout, "run")
    assert said.returncode == 2
    assert (checkout / "said").read_text() == "workbench fetch\n"
    [line] = [one for one in said.stderr.splitlines() if one.startswith("workbench:")]
    for part in ("standard input is no terminal", "train|generate|eval", "doctor"):
        assert part in line


def test_an_environment_in_a_checkout_that_was_moved_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / ".place").write_text("/elsewhere\n")
    python = checkout / "python"
    python.write_text('#!/bin/sh\necho "$*" >> asked\n')
    python.chmod(0o755)
    make(checkout, "setup", "PYTHON=./python")
    assert "-m venv --clear .venv" in (checkout / "asked").read_text()


def test_make_without_a_new_enough_python_says_so_in_one_line(checkout: Path) -> None:
    (checkout / ".venv" / ".ready").unlink()
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("make", "sh"):
        found = next(
            Path(folder) / name
            for folder in os.environ["PATH"].split(":")
            if (Path(folder) / name).exists()
        )
        (tools / name).symlink_to(found)
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    said = make(checkout, "run", path=str(tools))
    assert said.returncode == 2
    [line] = [one for one in said.stderr.splitlines() if not one.startswith("make")]
    assert line.startswith("workbench needs Python 3.11 or later, and none was found")


def test_a_python_without_venv_is_named_with_what_to_install(checkout: Path) -> None:
    (checkout / ".venv" / ".ready").unlink()
    python = checkout / "python"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    python.chmod(0o755)
    said = make(checkout, "run", "PYTHON=./python")
    assert said.returncode == 2
    [line] = [one for one in said.stderr.splitlines() if not one.startswith("make")]
    assert "its venv module is missing; install it" in line
