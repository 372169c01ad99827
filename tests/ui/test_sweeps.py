"""A sweep under way: ended only when asked for, heard of in any terminal, gone on with."""

from typing import Any

from msgspec.structs import replace

from tests.ui.conftest import Bench, film_session, ready, screen_text, until
from tests.ui.fake import FakeLink, write_run
from tests.ui.fakeruns import sweep
from workbench import protocol as p
from workbench.protocol import RunStatus
from workbench.ui.app import WorkbenchApp

NAME = "a-sweep-1"


def under_way(bench: Bench, link: FakeLink) -> None:
    """One run of a sweep trains, as a host tells it to whoever comes."""
    (bench.workspace / "sweeps" / NAME).mkdir(parents=True)
    write_run(bench.workspace, f"{NAME}-1", film_session(), 20)
    folder = bench.workspace / "runs" / f"{NAME}-1"
    link.live = RunStatus(
        name=f"{NAME}-1", folder=str(folder), state="running", step=3, total_steps=20
    )
    link.answers[p.ReadSweep] = lambda request: link.news(sweep(request.id, name=NAME))
    link.answers[p.StopTraining] = lambda request: link.news(p.Done(request=request.id))


def ended(link: FakeLink) -> None:
    """What a host tells everyone at the end."""
    run = replace(link.live, state="stopped")
    link.live = None
    link.news(p.TrainingEnded(run=run))
    link.news(sweep(0, name=NAME, state="stopped"))


async def heard(pilot: Any, app: WorkbenchApp) -> None:
    await ready(pilot)
    await until(pilot, lambda: app.sweep_under_way)


async def test_a_sweep_begun_elsewhere_is_known_and_its_runs_are_not_taken(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    under_way(bench, link)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await heard(pilot, app)
        ended(link)
        await until(pilot, lambda: not app.sweep_under_way)
        await until(pilot, lambda: "o goes on with it" in app.messages[-1])
        assert app.session.model.adapter == ""


async def test_a_sweep_ends_only_after_a_question(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    under_way(bench, link)
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot, app)
        await pilot.press("f6", "escape")
        await until(pilot, lambda: "End the sweep?" in screen_text(app))
        await pilot.press("escape")
        assert "StopTraining" not in link.kinds()
        await pilot.press("s")
        await until(pilot, lambda: "End the sweep?" in screen_text(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "StopTraining" in link.kinds())
        assert not link.last(p.StopTraining).sweep
        await pilot.press("s")
        await until(pilot, lambda: "End the sweep?" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: link.last(p.StopTraining).sweep)


async def test_quitting_in_a_sweep_ends_it_whole_and_follows_its_runs(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    under_way(bench, link)
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot, app)
        await pilot.press("f10")
        await until(pilot, lambda: "A sweep is under way" in screen_text(app))
        link.news(p.TrainingEnded(run=replace(link.live, state="finished")))
        await until(pilot, lambda: app.watching.live is None)
        assert "A sweep is under way" in screen_text(app)  # its next run is about to begin
        await pilot.press("down", "enter")
        await until(pilot, lambda: "StopTraining" in link.kinds())
        assert link.last(p.StopTraining).sweep
        assert app.is_running
        ended(link)
        await until(pilot, lambda: link.closed)


async def test_an_unfinished_sweep_is_gone_on_with(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    (bench.workspace / "sweeps" / NAME).mkdir(parents=True)
    link.answers[p.ReadSweep] = lambda request: link.news(
        replace(sweep(request.id, name=NAME, state="stopped"), wanted=6)
    )
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "o")
        await until(pilot, lambda: "after 3 of 6 runs" in screen_text(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "StartSweep" in link.kinds())
        assert link.last(p.StartSweep).name == NAME


async def test_a_finished_sweep_is_made_longer(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    (bench.workspace / "sweeps" / NAME).mkdir(parents=True)
    link.answers[p.ReadSweep] = lambda request: link.news(
        sweep(request.id, name=NAME, state="finished")
    )
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f6", "o")
        await until(pilot, lambda: "ctrl+r makes 7 more" in screen_text(app))
        await pilot.press("end", "backspace", "backspace", "3")
        await until(pilot, lambda: "ctrl+r makes" not in screen_text(app))
        await pilot.press("backspace", "5")
        await until(pilot, lambda: "made its 3 runs: ctrl+r makes 2 more" in screen_text(app))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "StartSweep" in link.kinds())
        assert (link.last(p.StartSweep).name, link.last(p.StartSweep).trials) == (NAME, 5)


async def test_keys_typed_before_a_question_is_there_answer_it(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    under_way(bench, link)
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await heard(pilot, app)
        await pilot.press("f6")
        for key in ("escape", "down", "enter"):  # all at once: stop this run alone
            app.simulate_key(key)
        await until(pilot, lambda: "StopTraining" in link.kinds())
        assert not link.last(p.StopTraining).sweep
        for key in ("f10", "enter"):  # end the sweep, then quit
            app.simulate_key(key)
        await until(pilot, lambda: link.closed)
