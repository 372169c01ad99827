"""Runs in the monitor: under way, ended, trained elsewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ui.conftest import Bench, film_session, ready, screen_text, until
from tests.ui.fake import FakeLink, write_run
from workbench import protocol as p
from workbench import session as sessions
from workbench.ui.app import WorkbenchApp
from workbench.ui.braille import smoothed, thin, ticks
from workbench.ui.history import History
from workbench.ui.views.curves import reach
from workbench.ui.widgets.chart import Series, chart


async def to_setting(pilot: Any, app: WorkbenchApp, name: str) -> None:
    """Move the cursor of the sheet for a run to a setting."""
    sheet = app.screen
    for _ in range(60):
        if sheet.key and sheet.key[-1] == name:
            return
        await pilot.press("down")
    pytest.fail(f"there is no setting {name} in the sheet")


async def test_a_run_is_started_watched_asked_and_finished(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.1))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        assert "F7 starts one" in screen_text(app)
        await pilot.press("f7")
        await pilot.pause(0.1)
        assert "Start a fine-tune" in screen_text(app)
        await to_setting(pilot, app, "rows")
        await pilot.press("enter", "home", "ctrl+k", *"100", "enter", "f7")
        await until(pilot, lambda: app.watching.live)
        assert link.last(p.StartTraining).session.training.rows == 100
        await until(pilot, lambda: "● running" in screen_text(app))
        await pilot.press("f5")
        await until(pilot, lambda: app.asking.cards.cards[0].state == "finished")
        assert app.asking.cards.cards[0].parts["tuned"].step >= 0
        assert "of film-reviews-1" in screen_text(app)
        await until(pilot, lambda: "✓ finished" in screen_text(app))
        assert "◆ evaluation" in screen_text(app)
        assert app.session.model.adapter == "film-reviews-1"
        assert "F5 answers with it" in screen_text(app)
        await pilot.press("alt+u")
        await until(pilot, lambda: "base model alone" in app.messages[-1])
        await until(pilot, lambda: "alt+u answers with it" in screen_text(app))
        assert link.last(p.LoadModel).model.adapter == ""
        await pilot.press("alt+u")
        await until(pilot, lambda: link.last(p.LoadModel).model.adapter == "film-reviews-1")


async def test_a_wrong_setting_keeps_the_run_from_starting(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await pilot.pause(0.1)
        await to_setting(pilot, app, "rows")
        await pilot.press("enter", "home", "ctrl+k", *"many", "enter")
        await pilot.pause(0.1)
        assert "training.rows" in screen_text(app)
        await pilot.press("escape", "escape")
        assert "StartTraining" not in link.kinds()


async def test_a_run_is_stopped_and_resumed(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.1))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.live)
        await pilot.press("f7")
        await pilot.pause(0.1)
        assert "Stop the run?" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.watching.live is None)
        await until(pilot, lambda: "■ stopped" in screen_text(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: link.last(p.StartTraining).resume)
        assert link.last(p.StartTraining).run == "film-reviews-1"
        await until(pilot, lambda: app.watching.live)


async def test_quitting_during_a_run_asks(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.live)
        await pilot.press("f10")
        await pilot.pause(0.1)
        text = screen_text(app)
        assert "A run is under way" in text
        assert "workbench attach" in text
        await pilot.press("escape")
        assert app.is_running
        await pilot.press("f10")
        await pilot.pause(0.1)
        await pilot.press("enter")  # keep it running
        await pilot.pause()
    assert link.closed
    assert "StopTraining" not in link.kinds()


async def test_quitting_may_stop_the_run_first(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.live)
        await pilot.press("f10")
        await pilot.pause(0.1)
        await pilot.press("down", "enter")
        await until(pilot, lambda: link.closed)
    assert "StopTraining" in link.kinds()
    events = (bench.workspace / "runs/film-reviews-1/events.jsonl").read_text()
    assert '"checkpoint"' in events


async def test_a_run_under_way_is_found_with_its_whole_history(bench: Bench) -> None:
    write_run(bench.workspace, "earlier-1", film_session(), 40)
    link = FakeLink(bench.rows)
    folder = bench.workspace / "runs" / "earlier-1"
    link.live = p.RunStatus(
        name="earlier-1", folder=str(folder), state="running", step=40, total_steps=80
    )
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: app.watching.history and len(app.watching.history.loss) == 40)
        await until(pilot, lambda: "● running" in screen_text(app))
        assert "step 40 of 80" in screen_text(app)


async def test_runs_trained_elsewhere_are_just_files(bench: Bench) -> None:
    for name in ("a-1", "b-1", "c-1"):
        write_run(bench.workspace, name, film_session(), 20)
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "run 3 of 3" in screen_text(app))
        await pilot.press("alt+left", "alt+left")
        await until(pilot, lambda: "run 1 of 3" in screen_text(app))
        assert "✓ finished" in screen_text(app)
        shown = app.watching.history.folder.name
        await pilot.press("f10")
    assert bench.saved().layout.run == shown


async def test_a_killed_run_says_how_to_go_on(bench: Bench) -> None:
    write_run(bench.workspace, "killed-1", film_session(), 20)
    events = bench.workspace / "runs/killed-1/events.jsonl"
    lines = [line for line in events.read_text().splitlines() if '"finished"' not in line]
    events.write_text("\n".join(lines) + "\n")
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "⚡ interrupted" in screen_text(app))
        assert "ctrl+r resumes" in screen_text(app)


def test_history_forgets_what_a_resumed_run_did_anew(tmp_path: Path) -> None:
    steps = [1, 2, 3, 4, 5, 3, 4]
    losses = [5, 4, 3, 2, 1, 3.5, 2.5]
    lines = [json.dumps({"step": s, "loss": v}) for s, v in zip(steps, losses, strict=True)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 5, "lo')
    history = History(tmp_path)
    assert history.read()
    assert history.loss == [(1, 5), (2, 4), (3, 3.5), (4, 2.5)]


def test_the_time_left_is_the_run_s_own_with_its_evaluations(tmp_path: Path) -> None:
    def line(step: int, **more: float) -> str:
        return json.dumps({"step": step, "seconds": 2.0 * step, **more}) + "\n"

    path = tmp_path / "metrics.jsonl"
    path.write_text(line(10) + line(20))
    history = History(tmp_path)
    history.read()
    history.status = p.RunStatus(
        name="a", folder=str(tmp_path), state="running", step=25, total_steps=100
    )
    assert history.seconds_left == 75 * 2
    with path.open("a") as file:
        file.write(line(30, seconds_left=500.0))
    history.read()
    assert history.seconds_left == 500
    history.status = replace(history.status, step=35)
    assert history.seconds_left == 500 - 5 * 2


def test_thinning_keeps_a_spike_of_one_step() -> None:
    points = [(float(step), 1.0) for step in range(100_000)]
    points[54_321] = (54_321.0, 9.0)
    thinned = thin(points, 80, 0, 100_000)
    assert len(thinned) <= 80
    assert max(greatest for _, _, greatest, _ in thinned) == 9.0
    assert {least for _, least, _, _ in thinned} == {1.0}


def test_the_chart_draws_the_spike_and_labels_its_axes() -> None:
    points = [(float(step), 1.0) for step in range(1000)]
    points[500] = (500.0, 9.0)
    lines = chart([Series("loss", "train", points)], 60, 12)
    text = ["".join(part for part, _ in line) for line in lines]
    assert len(text) == 12
    assert all(len(line) <= 60 for line in text)
    assert "━ loss 1.0000 min 1.0000 max 9.0000" in text[0]
    assert any("⡇" in line or "⢸" in line or "⣀" in line for line in text[1:4])
    assert "500" in text[-1]
    assert chart([Series("loss", "train", [(1.0, float("nan"))])], 60, 12) == []


def test_smoothing_of_a_constant_is_the_constant() -> None:
    assert {round(y, 9) for _, y in smoothed([(float(x), 2.0) for x in range(50)])} == {2.0}


def test_ticks_are_round_and_within() -> None:
    assert ticks(0.36, 3.8, 4) == [1.0, 2.0, 3.0]
    assert [round(tick, 9) for tick in ticks(0.611, 0.639, 3)] == [0.62, 0.63]


@pytest.mark.parametrize(("key", "question"), [("f10", "A run is under way"), ("f7", "Stop the")])
async def test_a_question_about_a_run_goes_away_with_the_run(
    bench: Bench, key: str, question: str
) -> None:
    link = FakeLink(bench.rows, pace=0.05)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.live)
        await pilot.press(key)
        await until(pilot, lambda: question in screen_text(app))
        await until(pilot, lambda: re.search(r"is at step [1-9]\d* of 24", screen_text(app)))
        await until(pilot, lambda: app.watching.live is None)
        await until(pilot, lambda: question not in screen_text(app))
        assert "film-reviews-1 is finished" in app.messages[-1]
        assert app.is_running
        assert not link.closed
        await pilot.press("f1")
        await until(pilot, lambda: "━ Keys ━" in screen_text(app))


async def test_a_gone_adapter_says_so_until_alt_u_leaves_it_out(bench: Bench) -> None:
    sessions.save(
        replace(film_session(), model=replace(film_session().model, adapter="gone-7")), bench.path
    )
    link = FakeLink(bench.rows)
    load = link.LoadModel
    problem = 'model.adapter: there is no run "gone-7".'

    def refuse(request: p.LoadModel) -> None:
        if request.model.adapter:
            link.on_event(p.Failed(request=request.id, message=problem))
        else:
            load(request)

    link.answers[p.LoadModel] = refuse
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "The model could not be loaded." in screen_text(app))
        assert problem in screen_text(app)
        await pilot.press("alt+u")
        await until(pilot, lambda: app.modelling.status)
        await until(pilot, lambda: "could not be loaded" not in screen_text(app))
        assert app.session.model.adapter == ""


async def test_what_ends_a_run_is_said_once(bench: Bench) -> None:
    """A failure comes as the end of the run, and as the answer to who started it."""
    words = "The disk is full; make room, then resume the run."
    link = FakeLink(bench.rows)

    def fail(request: p.StartTraining) -> None:
        write_run(bench.workspace, "a-1", request.session, 20)
        folder = str(bench.workspace / "runs" / "a-1")
        status = p.RunStatus(
            name="a-1", folder=folder, state="failed", step=20, total_steps=40, message=words
        )
        link.news(p.TrainingStarted(run=replace(status, state="running", message="")))
        link.news(p.TrainingEnded(run=status))
        link.news(p.Failed(request=request.id, message=words))

    link.answers[p.StartTraining] = fail
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.failure == words)
        await until(pilot, lambda: app.monitor_pane.progress is None)
        await pilot.pause(0.2)
        assert [one.message for one in app._notifications].count(words) == 0
        assert [one.message for one in app._notifications].count(f"a-1: {words}") == 1


@pytest.mark.parametrize(
    ("state", "step", "end"),
    [("running", 8, 64), ("running", 40, 128), ("running", 900, 1000), ("stopped", 8, 8)],
)
def test_a_chart_ends_where_its_curve_can_be_seen(
    tmp_path: Path, state: Any, step: int, end: int
) -> None:
    history = History(tmp_path)
    history.status = p.RunStatus(
        name="a", folder=str(tmp_path), state=state, step=step, total_steps=1000
    )
    assert reach(history) == end


async def test_a_session_shows_its_own_run_before_a_later_one_of_another(bench: Bench) -> None:
    for name in ("film-reviews-1", "film-reviews-2", "other-1"):
        write_run(bench.workspace, name, film_session(), 20)
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert app.watching.history.folder.name == "film-reviews-2"
        await pilot.press("alt+right")
        assert app.watching.history.folder.name == "other-1"
        assert app.session.layout.run == "other-1"
        await pilot.press("alt+left")
        assert app.session.layout.run == ""
        model = replace(app.session.model, adapter="film-reviews-1")
        app.change(replace(app.session, model=model))
        assert app.watching.usual.name == "film-reviews-1"
