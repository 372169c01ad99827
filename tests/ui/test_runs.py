"""The monitor's views: answers over time, events, all runs, sweeps; and what is done to a run."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ui.conftest import Bench, film_session, ready, screen_text, until
from tests.ui.fake import FakeLink, write_run
from workbench import protocol as p
from workbench.ui.history import History
from workbench.ui.summaries import Summaries


async def test_answers_to_pinned_prompts_are_leafed_through(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "2")
        await until(pilot, lambda: "Prompt 1 of 2" in screen_text(app))
        view = app.monitor_pane.views["pinned"]
        assert len(view.answers) == 5
        assert view.listing.cursor == 4  # the newest
        assert "✓ positive" in screen_text(app)
        await pilot.press("up", "up")
        await until(pilot, lambda: "Changed since step 8" in screen_text(app))
        await pilot.press("right")
        await until(pilot, lambda: "Prompt 2 of 2" in screen_text(app))
        assert "row 8" in screen_text(app)
        assert "I think of row 7" in screen_text(app)
        await pilot.press("right")
        await until(pilot, lambda: "Prompt 1 of 2" in screen_text(app))


async def test_the_chart_goes_through_the_figures(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "◆ evaluation" in screen_text(app))
        assert "accuracy" in screen_text(app)
        await pilot.press("f6", "m")
        await until(pilot, lambda: "◆ accuracy" in screen_text(app))
        await pilot.press("m")
        await until(pilot, lambda: "━ learning rate" in screen_text(app))


async def test_events_are_listed_newest_first(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "3")
        await until(pilot, lambda: "checkpoint" in screen_text(app))
        text = screen_text(app)
        assert text.index("finished") < text.index("began")


async def test_runs_are_compared_in_a_table_and_a_chart(bench: Bench) -> None:
    for name in ("a-1", "b-1"):
        write_run(bench.workspace, name, film_session(), 20)
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "4")
        view_there = "compared_runs"
        await until(pilot, lambda: app.monitor_pane.views[view_there].runs)
        await pilot.press("ctrl+t")  # the whole screen: there is room for the chart
        await pilot.press("space", "down", "space")
        await until(pilot, lambda: "━ 2 a-1" in screen_text(app))
        assert "━ 1 b-1" in screen_text(app)
        await pilot.press("space")
        await until(pilot, lambda: "━ 2 a-1" not in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.monitor_pane.view == "curves")
        assert app.watching.history.folder.name == "a-1"


async def test_a_run_under_way_is_steered(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "e")
        await until(pilot, lambda: "No run is under way" in app.messages[-1])
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.live)
        await pilot.press("e", "c", "p")
        await until(pilot, lambda: len(link.steered) == 3)
        assert [what for what, _ in link.steered] == ["evaluate", "checkpoint", "pause"]
        await pilot.press("l")
        await pilot.pause(0.1)
        await pilot.press("home", "ctrl+k", *"fast", "enter")
        await until(pilot, lambda: "Type a number" in screen_text(app))
        await pilot.press("home", "ctrl+k", *"5e-5", "enter")
        await until(pilot, lambda: ("learning_rate", 5e-5) in link.steered)
        await pilot.press("s")
        await pilot.pause(0.1)
        assert "Stop the run?" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.watching.live is None)


def test_one_who_comes_to_a_paused_run_sees_that_it_is(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.events = [{"event": "started"}, {"event": "paused"}, {"event": "checkpoint"}]
    assert history.paused
    history.events.append({"event": "unpaused"})
    assert not history.paused
    history.what = "paused"  # news of the run's host count before its files
    assert history.paused


async def test_a_paused_run_says_so(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        app.watching.start(app.session)
        await until(pilot, lambda: app.watching.live)
        link.news(p.TrainingAdvanced(run=app.watching.live, what="paused"))
        await until(pilot, lambda: app.watching.history.what in ("paused", "training"))
        app.watching.history.what = "paused"
        drawn = "".join(text for line in app.monitor_pane.curves.draw(76) for text, _ in line)
        assert "‖ paused" in drawn
        assert "p lets it go on" in drawn
        app.action_pause()
        await until(pilot, lambda: link.steered and link.steered[-1][0] == "resume")
        app.watching.stop()
        await until(pilot, lambda: app.watching.live is None)


async def test_a_run_is_exported_and_asked_about_what_is_there(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, link = bench.open()
    link.existing.add("exports/a-1")
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: app.watching.history)
        await pilot.press("f6", "x")
        await until(pilot, lambda: "Export a run" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "is there already. Enter again" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "model.safetensors" in screen_text(app))
        request = link.last(p.ExportRun)
        assert (request.what, request.run, request.overwrite) == ("adapter", "a-1", True)
        assert "licence is not known" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "Export a run" not in screen_text(app))


async def test_a_run_is_written_as_a_script(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: app.watching.history)
        await pilot.press("f6", "w")
        await until(pilot, lambda: "makes the run again" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Written to exports/a-1.py" in screen_text(app))
        assert link.last(p.EjectRun).to == "exports/a-1.py"


async def test_a_sweep_is_begun_and_its_best_settings_taken(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "o")
        await until(pilot, lambda: "Search for good settings" in screen_text(app))
        assert "10 runs over learning_rate, lora_r" in screen_text(app)
        await pilot.press("home", "ctrl+k", *"3", "enter")
        await until(pilot, lambda: app.monitor_pane.view == "sweep")
        await until(pilot, lambda: "what mattered: learning_rate 90%" in screen_text(app))
        request = link.last(p.StartSweep)
        assert request.session.sweep.trials == 3
        assert request.session.sweep.ranges["training.lora_r"] == "8, 16, 32"
        await until(pilot, lambda: "The best of 3 runs is film-reviews-2" in app.messages[-1])
        assert [one.number for one in app.monitor_pane.views["sweep"].trials] == [1, 0, 2]
        await pilot.press("u")
        await until(pilot, lambda: app.session.training.learning_rate == 4e-4)
        assert app.session.training.lora_r == 16


async def test_a_range_of_no_setting_is_said_before_anything_begins(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        session = app.session
        ranges = {"training.learn": "1, 2"}
        app.change(replace(session, sweep=replace(session.sweep, ranges=ranges)))
        await pilot.press("f6", "o")
        await until(pilot, lambda: "There is no setting training.learn" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert "StartSweep" not in link.kinds()


async def test_a_row_is_pinned_and_unpinned(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: app.browsing.row and app.browsing.row.key)
        await pilot.press("k")
        await until(pilot, lambda: app.session.training.pinned == [app.browsing.row.key])
        await pilot.press("k")
        await until(pilot, lambda: app.session.training.pinned == [])


def test_runs_that_are_over_are_read_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a-1", "b-1"):
        write_run(bench.workspace, name, film_session(), 40)
    summaries = Summaries()
    first = summaries.read(bench.workspace)
    assert [one.name for one in summaries.read(bench.workspace, {"a-1"})] == ["a-1"]
    whole = History(first[0].history.folder)
    whole.read()
    assert first[0].history.eval_loss == whole.eval_loss
    assert first[0].history.figure("seconds") == whole.figure("seconds")
    read: list[str] = []
    monkeypatch.setattr(History, "read", lambda self: read.append(self.folder.name))
    summaries.read(bench.workspace)
    assert read == []
    with (bench.workspace / "runs" / "b-1" / "events.jsonl").open("a") as file:
        file.write('{"event": "resumed", "step": 3, "time": 1}\n')
    summaries.read(bench.workspace)
    assert read == ["b-1"]


async def test_what_may_be_done_with_a_run_fits_a_small_screen(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f6")
        footer = screen_text(app).splitlines()[-1]
        for words in ("F5 Generate", "F7 Train", "b Compare", "x Export", "F10 Quit"):
            assert words in footer
        await until(pilot, lambda: "alt+u answers with it · b compares" in screen_text(app))
        app.watching.start(app.session)
        await until(pilot, lambda: "F7 Stop" in screen_text(app).splitlines()[-1])
        footer = screen_text(app).splitlines()[-1]
        for words in ("F5 Generate", "p Pause", "l Rate", "e Evaluate", "c Save", "F10 Quit"):
            assert words in footer
        link.stop_run.set()
        await until(pilot, lambda: app.watching.live is None)


async def test_an_export_shows_the_time_that_passes_and_a_lost_worker(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, link = bench.open()
    link.answers[p.ExportRun] = lambda request: link.news(
        p.Progress(request=request.id, what="loading the libraries")
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "x")
        await until(pilot, lambda: "Export a run" in screen_text(app))
        lost = p.HostLost(message="The worker ended.", restarted=True)
        link.news(lost)
        await pilot.pause(0.1)
        assert "before the model was written" not in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "loading the libraries" in screen_text(app))
        passed = re.compile(r"left behind +[1-9]\d* s ")
        await until(pilot, lambda: passed.search(screen_text(app)))
        link.news(lost)
        await until(pilot, lambda: "before the model was written" in screen_text(app))


async def test_a_script_that_is_not_there_yet_is_given_up_with_its_sheet(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, link = bench.open()
    link.answers[p.EjectRun] = lambda request: link.news(
        p.Progress(request=request.id, what="reading the rows")
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "w")
        await until(pilot, lambda: "reading the rows" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: link.last(p.EjectRun).id in link.cancelled)


async def test_a_model_without_a_head_answers_by_its_newest_run(bench: Bench) -> None:
    write_run(bench.workspace, "a-1", film_session(), 20)
    app, link = bench.open()
    usual = link.LoadModel

    def load(request: p.LoadModel) -> None:
        if request.model.adapter:
            usual(request)
        else:
            words = "bert is an encoder (bert) without a head, so it answers nothing by itself."
            link.news(p.Failed(request=request.id, message=words))

    link.answers[p.LoadModel] = load
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert app.session.model.adapter == "a-1"
        await pilot.press("alt+u")
        await until(pilot, lambda: "alt+u takes a-1's" in app.messages[-1])
        assert app.session.model.adapter == ""
