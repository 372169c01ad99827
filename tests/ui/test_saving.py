"""The session's file: saved by itself, never over what somebody else wrote, never half."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ui.conftest import Bench, film_session, ready, screen_text, until
from tests.ui.fake import write_run
from workbench import protocol as p
from workbench import session as sessions
from workbench.session import SessionError


async def test_opening_alone_writes_nothing(bench: Bench) -> None:
    before = {path: path.stat().st_mtime_ns for path in bench.workspace.rglob("*")}
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.pause(1.0)
        await pilot.press("f10")
    assert {path: path.stat().st_mtime_ns for path in bench.workspace.rglob("*")} == before


async def test_what_is_typed_saves_itself(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f3", *"Hello")
        await until(pilot, lambda: bench.saved().prompt().template.startswith("Hello"))
        await until(pilot, lambda: " saved" in screen_text(app).splitlines()[0])


async def test_a_file_changed_elsewhere_is_asked_about(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        theirs = bench.path.read_text().replace("Positive or negative?", "Theirs?")
        bench.path.write_text(theirs)
        await pilot.press("f3", "x")
        await until(pilot, lambda: "The session's file has changed" in screen_text(app))
        assert bench.path.read_text() == theirs
        await pilot.press("down", "enter")  # load the file
        await until(pilot, lambda: app.session.prompt().template.startswith("Theirs?"))
        await until(pilot, lambda: app.prompt_pane.editors["template"].text.startswith("Theirs?"))


async def test_two_terminals_on_one_session_may_look_at_different_rows(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        there = bench.saved()
        there = replace(there, layout=replace(there.layout, row=7))
        sessions.save(there, bench.path)
        await pilot.press("f3", "x")
        await until(pilot, lambda: bench.saved().prompt().template.startswith("x"))
        assert len(app.screen_stack) == 1


async def test_two_terminals_may_both_name_the_adapter_of_the_run_that_ended(bench: Bench) -> None:
    write_run(bench.workspace, "film-reviews-1", film_session(), 20)
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        there = bench.saved()
        there = replace(there, layout=replace(there.layout, row=7))
        there = replace(there, model=replace(there.model, adapter="film-reviews-1"))
        sessions.save(there, bench.path)
        folder = bench.workspace / "runs" / "film-reviews-1"
        link.news(
            p.TrainingEnded(run=p.RunStatus(name=folder.name, folder=str(folder), state="finished"))
        )
        await until(pilot, lambda: app.session.model.adapter == "film-reviews-1")
        await until(pilot, lambda: not app.saving.needed(app.session))
        assert not app.saving.conflict
        assert len(app.screen_stack) == 1


async def test_mine_may_stay_unsaved_and_be_saved_later(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        theirs = bench.path.read_text() + "\n# theirs\n"
        bench.path.write_text(theirs)
        await pilot.press("f3", "x")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("enter")
        await pilot.press("y")
        await pilot.pause(1.0)
        assert bench.path.read_text() == theirs
        assert "changed elsewhere" in screen_text(app).splitlines()[0]
        await pilot.press("alt+s")
        await until(pilot, lambda: bench.saved().prompt().template.startswith("xy"))


async def test_a_disk_that_is_full_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sessions.save

    def full(*_: Any) -> str:
        raise SessionError(f"{bench.path} cannot be saved: No space left on device.")

    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        before = bench.path.read_text()
        monkeypatch.setattr(sessions, "save", full)
        await pilot.press("f3", "x")
        await until(pilot, lambda: "not saved" in screen_text(app).splitlines()[0])
        assert sum("No space left" in line for line in app.messages) == 1
        assert bench.path.read_text() == before
        monkeypatch.setattr(sessions, "save", real)
        await pilot.press("y")
        await until(pilot, lambda: bench.saved().prompt().template.startswith("xy"))


async def test_a_lost_terminal_saves_at_once(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f3", "x")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(pilot, lambda: link.closed)
    assert bench.saved().prompt().template.startswith("x")
    assert "StopTraining" not in link.kinds()


async def test_a_setting_is_checked_where_it_is_typed(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f12")
        await pilot.pause(0.1)
        screen: Any = app.screen
        index = screen.keys.index(("training", "learning_rate"))
        choices = screen.query_one("#settings")
        choices.highlighted = choices.get_option_index(str(index))
        await pilot.press("enter", "home", *["delete"] * 8, *"fast", "enter")
        assert "expected float" in screen_text(app)
        await pilot.press("home", *["delete"] * 8, *"1e-4", "enter")
        index = screen.keys.index(("dataset", "source"))
        choices.highlighted = choices.get_option_index(str(index))
        await pilot.press("enter", "end", *"2", "enter", "escape")
        await until(pilot, lambda: app.session.training.learning_rate == 1e-4)
        assert app.session.dataset.source == "film-reviews2"
        await until(pilot, lambda: link.kinds().count("OpenDataset") == 2)
        await until(pilot, lambda: bench.saved().dataset.source == "film-reviews2")


async def test_another_session_is_opened_by_leaving_with_its_path(bench: Bench) -> None:
    other = bench.path.with_name("other.toml")
    sessions.save(bench.saved(), other)
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("ctrl+o")
        await pilot.pause(0.1)
        await pilot.press("tab", *"/no/such.toml", "enter")
        assert "there is no such session" in " ".join(screen_text(app).split())
        await pilot.press("shift+tab", "down", "enter")
        await pilot.pause()
    assert app.return_value == ("open", other)
    assert isinstance(app.return_value[1], Path)


async def test_the_list_of_sessions_begins_at_the_one_that_is_open(bench: Bench) -> None:
    for name in ("a", "z"):
        sessions.save(film_session(), bench.path.with_name(f"{name}.toml"))
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("ctrl+o", "down", "enter")
        await until(pilot, lambda: not app.is_running or app.return_value)
    assert app.return_value == ("open", bench.path.with_name("z.toml"))
