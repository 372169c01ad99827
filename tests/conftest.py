"""For every test: a cache of its own that shares the starters, and hosts that end with the test."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

# Before any library reads them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.forking import Forking, have_hosts_forked
from tests.terminal.terminal import WORKBENCH
from tests.tiny import make_tiny_model, reviews
from workbench import session as sessions
from workbench.catalogue import cache_folder
from workbench.session import (
    DatasetSettings,
    EvaluationSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
    TrainingSettings,
)
from workbench.worker.place import living

# What takes longest, first: several processes that share the files out end at about the same time.
LONGEST = (
    "terminal",
    "worker",
    "test_commands.py",
    "test_training_commands.py",
    "test_data_commands.py",
    "test_hostile.py",
    "exporting",
    "ejecting",
    "training",
    "ui",
)

# What starts programs, and they hosts.
STARTERS = {"forked", "forking", "workbench", "terminal", "open_line", "line"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        top = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONGEST.index(top) if top in LONGEST else len(LONGEST)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What tests open does not fill the person's cache; the starters there are used."""
    folder = tmp_path_factory.mktemp("cache")
    starters = cache_folder() / "starters"
    starters.mkdir(parents=True, exist_ok=True)
    (folder / "starters").symlink_to(starters)
    before = os.environ.get("WORKBENCH_CACHE")
    os.environ["WORKBENCH_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["WORKBENCH_CACHE"]
    else:
        os.environ["WORKBENCH_CACHE"] = before


@pytest.fixture(autouse=True)
def own_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Hosts of a test are its own, forked off a process with the libraries, and end with it."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_LINGER", "60")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    own_host = request.node.get_closest_marker("own_host")
    if STARTERS.intersection(request.fixturenames) and not own_host:
        for name, value in request.getfixturevalue("forking").environment().items():
            monkeypatch.setenv(name, value)
        have_hosts_forked(monkeypatch.setattr)
    yield
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    end_hosts()


def end_hosts() -> None:
    """Kill the hosts of the state folder that is set now."""
    for _, about in living():
        with suppress(ProcessLookupError):
            os.kill(about["pid"], signal.SIGKILL)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def session(tmp_path: Path, tiny_model: Path) -> Session:
    """A session on the tiny model and 64 rows, in tmp_path/sessions/tiny.toml."""
    rows = tmp_path / "reviews.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in reviews(64)))
    made = Session(
        model=ModelSettings(name=str(tiny_model), dtype="float32", device="cpu"),
        dataset=DatasetSettings(source="reviews.jsonl"),
        prompts=[
            Prompt(
                name="plain",
                system="You judge films.",
                template="Review: {{ text }}\nPositive or negative?",
                completion="{{ label }}",
            )
        ],
        generation=GenerationSettings(max_new_tokens=12),
        evaluation=EvaluationSettings(rows=3, labels=["positive", "negative"]),
        training=TrainingSettings(
            per_device_train_batch_size=4,
            learning_rate=1e-2,
            lora_r=4,
            evaluation_rows=2,
            eval_steps=5,
            save_steps=5,
        ),
    )
    sessions.save(made, tmp_path / "sessions" / "tiny.toml")
    return made


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def workbench(tmp_path: Path) -> Run:
    """The program itself; `forked` is the same without the seconds that libraries take to load."""

    def run(*words: str, check: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*WORKBENCH, *words],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        return checked(done, check)

    return run


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    one = Forking()
    yield one
    one.close()


@pytest.fixture
def forked(tmp_path: Path, forking: Forking) -> Run:
    """The commands, in processes that have the libraries already."""

    def run(*words: str, check: int = 0) -> subprocess.CompletedProcess[str]:
        return checked(forking.run(words, tmp_path), check)

    return run


def checked(
    done: subprocess.CompletedProcess[str], status: int
) -> subprocess.CompletedProcess[str]:
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done
