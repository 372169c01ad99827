"""Starters: fetched once, from wherever they can be had, whole or not at all."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.index import SHA, Server, make_wheel, serving
from workbench import catalogue
from workbench.catalogue import STARTERS, SourceError, Starter

REFUSED = "http://127.0.0.1:9/simple"  # nobody listens there
MODEL = {"config.json": b"{}", "model.safetensors": b"w" * 700_000, "tokenizer.json": b"{}"}


def silent(*_: object) -> None:
    pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / "wheels").mkdir()
    with serving(tmp_path / "wheels", {"some/model": {**MODEL, "unwanted.bin": b"x"}}) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.address}/simple")
        yield index


@pytest.fixture
def starter(server: Server, monkeypatch: pytest.MonkeyPatch) -> Starter:
    package = make_wheel(server.folder, "tiny_model", {f"tiny/{k}": v for k, v in MODEL.items()})
    made = Starter(
        name="tiny",
        kind="model",
        description="",
        licence="MIT",
        needed=tuple(MODEL),
        package=package,
        members={f"tiny/{name}": name for name in MODEL},
        hub="some/model",
        hub_files=tuple(MODEL),
    )
    monkeypatch.setitem(STARTERS, "tiny", made)
    return made


def leftovers(name: str) -> list[str]:
    folder = catalogue.starter_folder(name).parent
    return [path.name for path in folder.iterdir() if path.suffix != ".lock"]


def test_a_starter_comes_from_the_package_index_once_and_tells_how_far_it_is(
    starter: Starter, server: Server
) -> None:
    seen: list[tuple[float, float]] = []
    folder = catalogue.fetch("tiny", lambda _what, done, total, _unit: seen.append((done, total)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == MODEL
    size = (server.folder / "tiny_model-1.0-py3-none-any.whl").stat().st_size
    assert (size, size) in seen
    asked = len(server.given)
    assert catalogue.fetch("tiny", silent) == folder
    assert len(server.given) == asked


def test_a_package_with_another_checksum_is_refused_and_leaves_nothing(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = dataclasses.replace(starter.package, sha256="0" * 64)
    monkeypatch.setitem(STARTERS, "tiny", dataclasses.replace(starter, package=package))
    with pytest.raises(SourceError, match="checksum is not the one that is expected"):
        catalogue.fetch("tiny", silent)
    assert leftovers("tiny") == []


def test_without_a_network_one_sentence_says_at_once_what_was_tried_and_what_to_do(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", REFUSED)
    begin = time.monotonic()
    with pytest.raises(SourceError) as error:
        catalogue.fetch("tiny", silent)
    assert time.monotonic() - begin < 60
    text = str(error.value)
    assert "\n" not in text
    for part in ("HF_HUB_OFFLINE", "tiny_model 1.0", "PIP_INDEX_URL", "model.safetensors"):
        assert part in text
    assert str(catalogue.starter_folder("tiny")) in text
    assert leftovers("tiny") == []


def test_a_fetch_that_is_cancelled_ends_pip_and_leaves_nothing(starter: Starter) -> None:
    class CancelledError(Exception):
        pass

    def report(_what: str, done: float, *_: object) -> None:
        if done:
            raise CancelledError

    with pytest.raises(CancelledError):
        catalogue.fetch("tiny", report)
    assert leftovers("tiny") == []


def test_files_put_in_place_by_hand_need_no_network(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", REFUSED)
    folder = catalogue.starter_folder("tiny")
    folder.mkdir(parents=True)
    for name, content in MODEL.items():
        (folder / name).write_bytes(content)
    assert catalogue.fetch("tiny", silent) == folder


FETCH = """
import dataclasses, json, sys, time
from tests.test_catalogue import MODEL
from workbench import catalogue
from workbench.catalogue import Package, Starter
package, slow, hub = json.loads(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
catalogue.STARTERS["tiny"] = Starter("tiny", "model", "", "MIT", tuple(MODEL), Package(**package),
    {f"tiny/{name}": name for name in MODEL}, hub, tuple(MODEL))
def report(what, done, total, unit):
    print(what, done, total, unit, flush=True)
    time.sleep(slow)
print(catalogue.fetch("tiny", report))
"""


def fetching(
    starter: Starter, slow: float = 0, hub: str = "", **variables: str
) -> "subprocess.Popen[str]":
    arguments = [json.dumps(dataclasses.asdict(starter.package)), str(slow), hub]
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **variables},
    )


def test_two_processes_that_fetch_at_once_download_once_and_both_have_it(
    starter: Starter, server: Server
) -> None:
    both = [fetching(starter, slow=0.2), fetching(starter, slow=0.2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(path.startswith("/files/") for path in server.given) == 1
    assert starter.complete(catalogue.starter_folder("tiny"))


def test_a_fetch_that_is_killed_leaves_nothing_half_and_the_next_one_succeeds(
    starter: Starter,
) -> None:
    process = fetching(starter, slow=0.5)
    assert process.stdout
    assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not catalogue.starter_folder("tiny").exists()
    folder = catalogue.fetch("tiny", silent)
    assert starter.complete(folder)
    assert leftovers("tiny") == ["tiny"]


def test_a_model_comes_from_the_hub_where_it_answers_and_only_the_files_wanted(
    starter: Starter, server: Server
) -> None:
    process = fetching(
        starter,
        hub="some/model",
        HF_ENDPOINT=server.address,
        HF_HUB_OFFLINE="",
        HF_TOKEN="hf_secret",
    )
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    folder = Path(out.splitlines()[-1])
    names = {path.name for path in folder.iterdir()}
    assert names == {*MODEL, "REVISION"}
    assert (folder / "model.safetensors").read_bytes() == MODEL["model.safetensors"]
    assert SHA in (folder / "REVISION").read_text()
    assert not any(path.startswith("/files/") for path in server.given)
    assert not any(server.agents), "no token goes to the hub for what is public"
    assert error == ""


def test_a_model_that_the_hub_left_on_this_machine_is_used_where_it_is(
    starter: Starter, tmp_path: Path
) -> None:
    kept = tmp_path / "hub" / "hub" / "models--some--model"
    folder = kept / "snapshots" / SHA
    folder.mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(SHA)
    for name, content in MODEL.items():
        (folder / name).write_bytes(content)
    process = fetching(starter, hub="some/model", PIP_INDEX_URL=REFUSED)
    out, error = process.communicate(timeout=60)
    assert out == f"{folder}\n", error


def test_a_hub_that_does_not_answer_costs_seconds_and_the_package_serves(
    starter: Starter, server: Server
) -> None:
    begin = time.monotonic()
    process = fetching(
        starter, hub="some/model", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE=""
    )
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert time.monotonic() - begin < 50
    assert any(path.startswith("/files/") for path in server.given)


def test_the_starters_are_there_and_whole() -> None:
    for name, one in STARTERS.items():
        assert one.complete(catalogue.fetch(name, silent)), name


def test_an_unknown_starter_names_those_there_are() -> None:
    with pytest.raises(SourceError, match="film-reviews"):
        catalogue.fetch("film-review", silent)


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = "import sys, workbench.catalogue; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "datasets", "huggingface_hub", "numpy", "pyarrow", "tqdm"}
    assert not heavy & set(said.stdout.split())
