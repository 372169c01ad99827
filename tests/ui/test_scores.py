"""What variants are worth: measured, shown with intervals, compared."""

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p


async def measured(pilot: object, app: object) -> None:
    await until(pilot, lambda: app.scoring.jobs and not app.scoring.under_way())
    await pilot.pause()


async def test_measuring_shows_progress_then_figures(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.1))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await until(pilot, lambda: "left" in screen_text(app) and "esc stops" in screen_text(app))
        await measured(pilot, app)
        text = screen_text(app)
        assert "accuracy" in text
        assert "─●─" in text
        assert "chosen → negative positive" in text
        assert "confident" in text
        request = link.last(p.Evaluate)
        assert (request.prompt.name, request.session_path) == ("plain", str(bench.path))
