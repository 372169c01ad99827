"""The store of results: shared by processes, killed, damaged, full, moved."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.measuring.made import chosen_labels, replies_of
from workbench.measuring.database import ResultsError
from workbench.measuring.replies import Reply
from workbench.measuring.store import About, Results, StoredRow, session_name
from workbench.measuring.versions import version_of
from workbench.protocol import Evaluated, MetricValue
from workbench.session import EvaluationSettings, GenerationSettings, ModelSettings, Prompt, Turn

MODEL, GENERATION = ModelSettings(), GenerationSettings()
WRITER = """
import sys
from workbench.measuring.store import Results
results = Results(sys.argv[1])
for number in range(int(sys.argv[3])):
    results.keep([(f"{sys.argv[2]}-{number}-{part}", {"text": "x" * 200}) for part in range(10)])
    print(number, flush=True)
"""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    text: str = ""
    scores: list[float] | None = None


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Results]:
    made = Results(tmp_path)
    yield made
    made.close()


def about(name: str = "first", **more: Any) -> About:
    return About(
        prompt=Prompt(name=name, template="{{ text }}"),
        model="tiny",
        weights="base",
        evaluation=EvaluationSettings(),
        generation=GENERATION,
        metrics=["accuracy"],
        **more,
    )


def evaluated(value: float = 0.5, **more: Any) -> Evaluated:
    share = MetricValue(name="accuracy", value=value, low=0.0, high=1.0)
    return Evaluated(
        weights="base",
        rows=20,
        metric="accuracy",
        value=value,
        low=0.0,
        high=1.0,
        seconds=2.0,
        metrics=[share],
        **more,
    )


def stored(count: int = 20) -> list[StoredRow]:
    replies = replies_of(*chosen_labels(count, ["a", "b"], 0.5))
    return [StoredRow(reply=reply, scores={"accuracy": 1.0, "chrf": 30.5}) for reply in replies]


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


# --- answers


@pytest.mark.parametrize(
    "text", ["Paris", "", "\x00", "\ud800 half", "x" * 10_000_000, "é\n\u2028"]
)
def test_any_answer_comes_back_as_it_was(results: Results, text: str) -> None:
    results.keep([("a", Kept(text=text, scores=[-0.1, -2.5])), ("b", Kept(text="other"))])
    assert results.answers(["a", "missing"], Kept) == {"a": Kept(text=text, scores=[-0.1, -2.5])}


def test_many_keys_are_asked_at_once(results: Results) -> None:
    results.keep((str(number), Kept(text=str(number))) for number in range(3_000))
    found = results.answers([str(number) for number in range(2_000, 5_000)], Kept)
    assert set(found) == {str(number) for number in range(2_000, 3_000)}
    assert results.answers([], Kept) == {}


def test_an_answer_of_another_shape_is_not_told(results: Results) -> None:
    results.keep([("a", {"text": 7}), ("b", {"text": "fine", "more": 1})])
    assert results.answers(["a", "b"], Kept) == {"b": Kept(text="fine")}


def test_two_processes_and_four_threads_write_at_once(results: Results, tmp_path: Path) -> None:
    processes = [writer(tmp_path, name, 40) for name in ("one", "two")]
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(40):
                results.keep([(f"{name}-{number}", Kept(text=name))])
                results.answers([f"{name}-{number}"], Kept)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(f"thread{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert not errors
    assert results.size().answers == 2 * 40 * 10 + 4 * 40


def test_a_process_that_is_killed_loses_nothing_that_it_kept(tmp_path: Path) -> None:
    for turn in range(3):
        process = writer(tmp_path, f"turn{turn}", 100_000)
        assert process.stdout
        told = [int(process.stdout.readline()) for _ in range(20)]
        time.sleep(0.01 * turn)
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split() if line]
        process.wait()
        process.stdout.close()
        results = Results(tmp_path)
        keys = [f"turn{turn}-{number}-{part}" for number in told for part in range(10)]
        assert len(results.answers(keys, Kept)) == len(keys)
        with results.database.reading() as connection:
            (whole,) = connection.execute("pragma integrity_check").fetchone()
            (count,) = connection.execute("select count(*) from answers").fetchone()
        assert whole == "ok"
        assert count % 10 == 0  # a batch is there as a whole, or not
        assert not results.notes
        results.close()


@pytest.mark.parametrize("damage", ["nonsense", "torn", "zeroes"])
def test_a_damaged_file_is_set_aside_with_a_sentence(tmp_path: Path, damage: str) -> None:
    results = Results(tmp_path)
    results.keep((str(number), Kept(text="x" * 500)) for number in range(2_000))
    results.close()
    path = tmp_path / "results" / "results.sqlite"
    data = path.read_bytes()
    if damage == "nonsense":
        path.write_bytes(b"nonsense" * 1_000)
    elif damage == "torn":
        path.write_bytes(data[: len(data) // 3])
    else:
        path.write_bytes(data[:4096] + bytes(len(data) - 4096))
    results = Results(tmp_path)
    with suppress(ResultsError):  # it may be noticed by the first who reads what is torn
        results.answers([str(number) for number in range(2_000)], Kept)
        results.keep([("a", Kept(text="new"))])
    results.keep([("a", Kept(text="new"))])
    assert results.answers(["a"], Kept) == {"a": Kept(text="new")}
    assert len(results.notes) == 1
    assert "The file of earlier results was damaged" in results.notes[0]
    (aside,) = path.parent.glob("results.damaged-*.sqlite")
    assert str(aside) in results.notes[0]
    results.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path, results: Results) -> None:
    results.keep([("a", Kept())])
    results.close()
    path = tmp_path / "results" / "results.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(ResultsError, match="later version of workbench"):
        Results(tmp_path).keep([("b", Kept())])
    assert path.exists()


def test_a_full_disk_is_a_sentence_and_what_was_kept_stays(results: Results) -> None:
    results.keep([("a", Kept(text="kept"))])
    with results.database.reading() as connection:
        (pages,) = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(ResultsError, match="The disk is full: results cannot"):
        results.keep((str(number), Kept(text="x" * 1_000)) for number in range(100))
    assert results.answers(["a", "1"], Kept) == {"a": Kept(text="kept")}


def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(ResultsError, match="Results cannot be kept in"):
        Results(tmp_path).keep([("a", Kept())])


def test_a_file_that_was_deleted_is_begun_anew(results: Results, tmp_path: Path) -> None:
    results.keep([("a", Kept())])
    (tmp_path / "results" / "results.sqlite").unlink()
    results.keep([("b", Kept())])
    assert set(results.answers(["a", "b"], Kept)) == {"b"}


def test_a_file_that_another_process_replaced_is_the_one_that_counts(
    results: Results, tmp_path: Path
) -> None:
    results.keep([("a", Kept())])
    path = tmp_path / "results" / "results.sqlite"
    path.rename(path.with_name("aside.sqlite"))
    other = Results(tmp_path)
    other.keep([("b", Kept())])
    results.keep([("c", Kept())])
    assert set(results.answers(["a", "b", "c"], Kept)) == {"b", "c"}
    assert set(other.answers(["a", "b", "c"], Kept)) == {"b", "c"}
    other.close()


def test_the_answers_used_longest_ago_go_first(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.keep((f"old{number}", Kept(text="x" * 2_000)) for number in range(500))
    with results.database.writing() as connection:
        connection.execute("update answers set used = used - 200000")
    assert len(results.answers([f"old{number}" for number in range(5)], Kept)) == 5
    id = results.begin("a.toml", MODEL, about(), "same")
    results.finish(id, evaluated())
    before = results.size().bytes
    monkeypatch.setattr("workbench.measuring.store.MOST_BYTES", 100_000)
    results.keep([("new", Kept())])
    found = results.answers([*(f"old{number}" for number in range(500)), "new"], Kept)
    assert {"new", *(f"old{number}" for number in range(5))} <= set(found)
    assert len(found) == pytest.approx(376, abs=1)
    assert results.size().bytes < before
    assert results.measurement(id).complete
    results.forget()
    assert results.size().answers == 0
    assert results.measurement(id).complete


# --- versions


def test_a_version_is_all_that_makes_its_answers_what_they_are() -> None:
    prompt = Prompt(template="{{ text }}")
    version = version_of(prompt, MODEL, GENERATION)
    change = msgspec.structs.replace
    same = [
        (change(prompt, name="other"), MODEL, GENERATION),
        (prompt, change(MODEL, timeout=3.0, concurrency=2), GENERATION),
        (prompt, MODEL, change(GENERATION, seed=3)),
    ]
    others = [
        (change(prompt, template="{{ text }} "), MODEL, GENERATION),
        (change(prompt, turns=[Turn(role="user", content="x")]), MODEL, GENERATION),
        (prompt, change(MODEL, adapter="run"), GENERATION),
        (prompt, change(MODEL, url="http://localhost/v1"), GENERATION),
        (prompt, MODEL, change(GENERATION, do_sample=True)),
    ]
    assert {version_of(*one) for one in same} == {version}
    assert len({version, *(version_of(*one) for one in others)}) == len(others) + 1


def test_every_wording_that_was_run_is_told_the_last_one_first(results: Results) -> None:
    first, second = Prompt(template="{{ a }}"), Prompt(template="{{ b }}")
    results.keep_version("sessions/a.toml", first, MODEL, GENERATION, 3)
    results.keep_version("sessions/a.toml", second, MODEL, GENERATION, 1)
    results.keep_version("sessions/b.toml", second, MODEL, GENERATION, 1)
    version = results.keep_version("sessions/a.toml", first, MODEL, GENERATION, 4)
    found = results.versions("sessions/a.toml")
    assert [one.prompt for one in found] == [first, second]
    assert (found[0].version, found[0].answers) == (version, 7)
    assert found[0].first_run < found[0].last_run
    assert results.versions("sessions/a.toml", "other") == []


def test_a_version_has_its_figures(results: Results) -> None:
    prompt = about().prompt
    results.keep_version("a.toml", prompt, MODEL, GENERATION)
    for value in (0.5, 0.75):
        id = results.begin("a.toml", MODEL, about(), f"same{value}")
        results.finish(id, evaluated(value))
    (version,) = results.versions("a.toml")
    assert [one.value for one in version.figures] == [0.75, 0.5]
    assert (version.figures[0].metric, version.figures[0].unit) == ("accuracy", "share")


def test_a_moved_folder_keeps_its_history(results: Results, tmp_path: Path) -> None:
    inner = tmp_path / "work"
    (inner / "sessions").mkdir(parents=True)
    before = Results(inner)
    before.keep_version(inner / "sessions" / "a.toml", Prompt(), MODEL, GENERATION)
    before.close()
    inner.rename(tmp_path / "moved")
    after = Results(tmp_path / "moved")
    assert len(after.versions(tmp_path / "moved" / "sessions" / "a.toml")) == 1
    assert len(after.versions("sessions/a.toml")) == 1
    after.close()


def test_a_session_elsewhere_has_its_whole_path(tmp_path: Path) -> None:
    assert session_name(tmp_path / "w", tmp_path / "w" / "sessions" / "a.toml") == "sessions/a.toml"
    assert session_name(tmp_path / "w", tmp_path / "a.toml") == str((tmp_path / "a.toml").resolve())
    assert session_name(tmp_path, "") == ""


def test_nothing_secret_is_kept(results: Results, tmp_path: Path) -> None:
    model = ModelSettings(name="m", url="https://me:hunter2@host:8000/v1?api_key=hunter2#hunter2")
    prompt = Prompt(model=model)
    results.keep_version("a.toml", prompt, model, GENERATION)
    of = msgspec.structs.replace(about(), prompt=prompt)
    results.finish(results.begin("a.toml", model, of, "same"), evaluated())
    kept = results.versions("a.toml")[0].prompt.model
    assert kept
    assert kept.url == "https://host:8000/v1"
    assert b"hunter2" not in (tmp_path / "results" / "results.sqlite").read_bytes()


# --- measurements


def test_a_measurement_comes_back_with_its_rows(results: Results) -> None:
    id = results.begin("sessions/a.toml", MODEL, about(total=20), "same")
    values = {"text": "a row's own values are not kept"}
    rows = stored()
    given = [
        msgspec.structs.replace(row, reply=msgspec.structs.replace(row.reply, values=values))
        for row in rows
    ]
    results.add_rows(id, given[10:])
    results.add_rows(id, given[:10])
    results.finish(id, evaluated(measurement=id))
    found = results.measurement(id)
    assert found.rows == rows
    assert found.evaluated == evaluated(measurement=id)
    assert (found.session, found.metric, found.complete) == ("sessions/a.toml", "accuracy", True)
    told = found.rows[0].told("accuracy")
    assert (told.value, told.scores) == (1.0, {"chrf": 30.5})


def test_a_stopped_measurement_goes_on_where_it_was(results: Results) -> None:
    id = results.begin("a.toml", MODEL, about(), "same")
    results.add_rows(id, stored(8))
    results.finish(id, evaluated(), complete=False)
    assert not results.find("same", "a.toml")
    assert results.begin("a.toml", MODEL, about(), "same") == id
    assert len(results.measurement(id).rows) == 8
    results.add_rows(id, stored(20))
    results.finish(id, evaluated())
    assert len(results.measurement(id).rows) == 20
    assert results.find("same", "a.toml") == id
    assert results.begin("a.toml", MODEL, about(), "same") != id


def test_a_fresh_measurement_is_another(results: Results) -> None:
    id = results.begin("a.toml", MODEL, about(), "same")
    assert results.begin("a.toml", MODEL, about(), "same", fresh=True) != id


def test_measurements_of_other_settings_and_sessions_are_others(results: Results) -> None:
    id = results.begin("a.toml", MODEL, about(), "same")
    results.finish(id, evaluated())
    assert results.find("same", "a.toml") == id
    assert not results.find("other", "a.toml")
    assert not results.find("same", "b.toml")
    assert not results.find("same")


def test_rows_that_failed_are_replaced_when_they_are_asked_again(results: Results) -> None:
    id = results.begin("a.toml", MODEL, about(), "same")
    failed = StoredRow(reply=Reply(number=3, expected="x", problem="No."), problem="No.")
    results.add_rows(id, [failed])
    assert results.measurement(id).rows[0].told("accuracy").problem == "No."
    results.add_rows(id, [StoredRow(reply=Reply(number=3, expected="x", answer="x"))])
    assert results.measurement(id).rows == [
        StoredRow(reply=Reply(number=3, expected="x", answer="x"))
    ]


def test_a_measurement_that_is_not_there_is_a_sentence(results: Results) -> None:
    with pytest.raises(ResultsError, match="There is no measurement nosuch"):
        results.measurement("nosuch")


def test_the_thread_that_asks_does_not_matter(results: Results) -> None:
    results.keep([("a", Kept())])
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(results.answers(["a"], Kept)))
    thread.start()
    thread.join()
    assert found == [{"a": Kept()}]
