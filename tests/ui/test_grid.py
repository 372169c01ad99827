"""Variants side by side on the same rows."""

from typing import Any

import msgspec

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


async def filled(pilot: Any, app: Any, rows: str = "6") -> None:
    await pilot.press("alt+r", *rows, "enter")
    await until(pilot, lambda: app.scoring.grid and not app.scoring.under_way())
    await pilot.pause()


async def test_the_grid_of_base_and_tuned_has_a_column_for_each(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        link.adapter = "run-1"
        await filled(pilot, app)
        assert "6 rows × 4 columns" in screen_text(app)
        assert "plain tuned" in screen_text(app)


async def test_marked_variants_alone_are_asked(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+r", "tab", "space")
        await until(pilot, lambda: "1 variant × 20 rows" in screen_text(app))
        await pilot.press("space", "down", "space", "enter")
        await until(pilot, lambda: app.scoring.grid and not app.scoring.under_way())
        asked = [one.prompt.name for one in link.sent if isinstance(one, p.Evaluate)]
        assert asked == ["plain"]


async def test_the_sheet_says_what_is_missing(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+r", *"0", "enter")
        await until(pilot, lambda: "a number of at least 1" in screen_text(app))
        await pilot.press(*"7", "tab", "space", "down", "space", "enter")
        await until(pilot, lambda: "Mark at least one variant" in screen_text(app))


async def test_the_first_rows_of_a_view_are_those_it_shows(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"Brisk", "enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        await pilot.press("down", "down", "alt+r", "shift+tab", "down", "tab", *"3", "enter")
        await until(pilot, lambda: app.scoring.grid and not app.scoring.under_way())
        assert link.last(p.Evaluate).numbers == [0, 3, 6]


async def test_evaluation_rows_come_in_their_own_order_and_are_jumped_to(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("alt+r", "shift+tab", "down", "down", "enter")
        await until(pilot, lambda: app.scoring.grid and not app.scoring.under_way())
        assert link.last(p.Evaluate).numbers == []
        assert link.last(p.Evaluate).evaluation.rows == 20
        await pilot.press("down", "g")
        await until(pilot, lambda: app.session.layout.row == 12)
        assert app.session.layout.focus == "dataset"
        assert app.dataset_pane.table.cursor == 12


async def test_a_row_of_another_split_is_asked_for_before_the_split_is_changed(
    bench: Bench,
) -> None:
    link = FakeLink(bench.rows)
    link.split = "test"
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+r", "shift+tab", "down", "down", "enter")
        await until(pilot, lambda: app.scoring.grid and not app.scoring.under_way())
        await pilot.press("g")
        await until(pilot, lambda: "A row of another split" in screen_text(app))
        await pilot.press("enter")
        assert app.session.dataset.split == "train"
        await pilot.press("g", "down", "enter")
        await until(pilot, lambda: app.session.dataset.split == "test")
        assert app.session.layout.row == 3


async def test_enter_shows_the_whole_answers_beside_each_other(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await filled(pilot, app)
        await pilot.press("enter")
        await until(pilot, lambda: "Row 1" in screen_text(app))
        text = screen_text(app)
        assert "expected" in text
        assert "✓ right  50 % confident" in text
        await pilot.press("right")
        await until(pilot, lambda: "Row 2" in screen_text(app))
        await pilot.press("alt+c")
        assert "plain (base):" in app.clipboard
        await pilot.press("g")
        await until(pilot, lambda: app.session.layout.row == 1)


async def test_failed_rows_are_said_and_asked_again_alone(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.failing = {2, 4}
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await filled(pilot, app)
        assert "! 4 failed" in screen_text(app)
        await pilot.press("w", "w", "w")
        await until(pilot, lambda: "rows without an answer" in screen_text(app))
        assert "2 of 6 rows × 2 columns" in screen_text(app)
        assert app.output_pane.views["grid"].numbers == [2, 4]
        await pilot.press("x")
        await until(pilot, lambda: not app.scoring.under_way())
        retried = [one for one in link.sent if isinstance(one, p.Evaluate) and one.retry]
        assert len(retried) == 2
        assert not any(one.failed() for one in app.scoring.columns)
        await pilot.press("escape")
        await until(pilot, lambda: len(app.output_pane.views["grid"].numbers) == 6)


async def test_escape_stops_every_variant_and_keeps_what_came(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("alt+r", *"20", "enter")
        await until(pilot, lambda: app.scoring.grid and app.scoring.columns[0].rows)
        assert "● measuring" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: not app.scoring.under_way())
        assert link.kinds().count("Cancel") == 2
        assert app.scoring.columns[0].rows
        await until(pilot, lambda: "goes on where it was" in screen_text(app))


async def test_a_worker_that_dies_leaves_the_cells_and_says_so(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("alt+r", *"20", "enter")
        await until(pilot, lambda: app.scoring.grid and app.scoring.columns[0].rows)
        link.news(p.HostLost(message="The worker ended.", restarted=False))
        await until(pilot, lambda: "The worker ended before it was done" in screen_text(app))
        assert app.scoring.columns[0].rows


async def test_thousands_of_cells_are_not_drawn_anew_for_a_few_that_came(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await filled(pilot, app, "200")
        view = app.output_pane.views["grid"]
        drawn: list[int] = []
        line = view.grid.line
        view.grid.line = lambda index, width: drawn.append(index) or line(index, width)
        rows = [msgspec.structs.replace(app.scoring.columns[0].rows[1], answer="other")]
        rows += [app.scoring.columns[0].rows[150]]
        app.scoring.columns[0].take(rows)
        view.rows_came(app.scoring.grid[0], rows)
        await pilot.pause(0.1)
        assert set(drawn) == {1}
        assert "other" in screen_text(app)


async def test_answers_from_outside_are_shown_literally_in_cells(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await filled(pilot, app)
        for answer in ("[/b]\x1b[2J [@click=app.quit]", "宽字符" * 60, "a\nb\tc", ""):
            row = msgspec.structs.replace(app.scoring.columns[0].rows[0], answer=answer)
            app.scoring.columns[0].take([row])
            app.output_pane.views["grid"].rows_came(app.scoring.grid[0], [row])
            await pilot.pause(0.05)
            assert "\x1b" not in screen_text(app)
            await pilot.press("enter")
            await pilot.pause(0.05)
            await pilot.press("escape")


async def test_a_variant_that_cannot_be_asked_is_not_said_to_wait(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)

    def refuse(request: p.Evaluate) -> None:
        link.on_event(p.Failed(request=request.id, message="The template has an error."))

    link.answers[p.Evaluate] = refuse
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await filled(pilot, app)
        text = screen_text(app)
        assert "✗ failed" in text
        assert "waiting" not in text


async def test_the_rows_of_one_measurement_are_in_order_and_cannot_differ(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await until(pilot, lambda: app.scoring.table() and not app.scoring.under_way())
        await pilot.press("f4", "3", "enter")
        await until(pilot, lambda: app.output_pane.view == "grid")
        grid = app.output_pane.views["grid"]
        assert grid.numbers == sorted(grid.numbers)
        ways = [grid.which]
        for _ in range(3):
            await pilot.press("w")
            ways.append(grid.which)
        assert ways == ["all", "wrong", "failed", "all"]
