"""Variants side by side on the same rows."""

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p


async def test_rows_and_variants_are_chosen_and_the_grid_fills(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("down", "alt+r")
        await until(pilot, lambda: "2 variants × 20 rows: 40 answers" in screen_text(app))
        await pilot.press(*"6", "enter")
        await until(pilot, lambda: app.output_pane.view == "grid")
        await until(pilot, lambda: not app.scoring.under_way())
        asked = [one for one in link.sent if isinstance(one, p.Evaluate)]
        assert [one.prompt.name for one in asked] == ["plain", "critic"]
        assert [one.numbers for one in asked] == [[1, 2, 3, 4, 5, 6]] * 2
        text = screen_text(app)
        assert "6 rows × 2 columns" in text
        assert "✓ positive" in text
        assert "✗ negative" in text
