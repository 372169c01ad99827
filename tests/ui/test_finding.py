"""Which rows the table shows: search, filter, sort, sides, jumps, and rows that are left out."""

import threading
from typing import Any

import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench.ui.app import WorkbenchApp


def first_numbers(app: WorkbenchApp, rows: int = 3) -> list[int]:
    """Numbers of the first rows in the table, counted from 1; 0 is a row not read yet."""
    return [app.dataset_pane.table.pages.row(at)[1] + 1 for at in range(rows)]


async def numbered(pilot: Any, *numbers: int) -> None:
    """Wait until the first rows in the table are these: they are read after they are counted."""
    await until(pilot, lambda: first_numbers(pilot.app, len(numbers)) == list(numbers))


async def shown(pilot: Any, condition: str) -> None:
    await until(pilot, lambda: condition in screen_text(pilot.app))


async def test_a_search_finds_as_one_types_and_escape_shows_all_rows_again(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "down", "down", "slash", *"WASTE")
        await until(pilot, lambda: app.finding.view)
        await shown(pilot, "83 hits of 250")
        assert link.last(p.FindRows).search == "WASTE"
        await until(pilot, lambda: first_numbers(app) == [2, 5, 8])
        await until(pilot, lambda: app.session.layout.row == 1)
        await pilot.press("enter", "down")
        await until(pilot, lambda: app.browsing.values and app.browsing.values["id"] == 1004)
        assert app.session.layout.row == 4
        await pilot.press("escape")
        await until(pilot, lambda: not app.finding.view)
        assert app.dataset_pane.table.cursor == 4
        await numbered(pilot, 1, 2, 3)


async def test_another_letter_gives_up_the_search_before(bench: Bench) -> None:
    link = FakeLink(bench.rows, pace=0.05)
    link.scan = 10
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", "a")
        await until(pilot, lambda: "FindRows" in link.kinds())
        first = link.last(p.FindRows).id
        await shown(pilot, "% scanned")
        await pilot.press("b")
        await until(pilot, lambda: link.last(p.FindRows).search == "ab")
        assert p.Cancel(target=first).target in link.cancelled
        await pilot.press("escape")
        await until(pilot, lambda: not app.finding.under_way and not app.finding.view)


async def test_a_search_that_is_stopped_says_how_far_it_came(bench: Bench) -> None:
    link = FakeLink(bench.rows, pace=0.05)
    link.scan = 10
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"so", "enter")
        await until(pilot, lambda: app.finding.view)
        await pilot.press("escape")
        await shown(pilot, "stopped after")
        assert app.finding.view
        await pilot.press("escape")
        await until(pilot, lambda: not app.finding.view)


async def test_what_is_wrong_with_a_filter_is_said_below_it(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "f", *"bad[/]", "enter")
        await shown(pilot, "✗ There is no column bad[/]; there is text,")
        assert app.query("#filter")
        await pilot.press("ctrl+u", *"rating > 20", "enter")
        await shown(pilot, "49 hits of 250")
        assert not app.query("#filter")
        assert app.dataset_pane.table.has_focus
        await numbered(pilot, 202, 203, 204)
        assert link.last(p.FindRows).where == "rating > 20"


async def test_sorting_goes_up_then_down_then_back(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "right", "right", "s")  # id, text, rating
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        assert (link.last(p.FindRows).sort, link.last(p.FindRows).descending) == ("rating", False)
        assert "▲" in screen_text(app)
        await pilot.press("s")
        await until(pilot, lambda: first_numbers(app) == [250, 249, 248])
        assert "▼" in screen_text(app)
        await pilot.press("s")
        await until(pilot, lambda: not app.finding.view)
        await numbered(pilot, 1, 2, 3)


async def test_the_column_to_sort_by_can_be_picked_by_name(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "S", *"lab", "enter")
        await until(pilot, lambda: "FindRows" in link.kinds())
        assert link.last(p.FindRows).sort == "label"


async def test_parts_of_a_search_go_together(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"brisk", "enter", "w", "s")
        await until(pilot, lambda: link.last(p.FindRows).sort == "id")
        wanted = link.last(p.FindRows)
        assert (wanted.search, wanted.side, wanted.sort) == ("brisk", "train", "id")
        await until(pilot, lambda: not app.finding.under_way)
        assert "rows to train on" in screen_text(app)
        await pilot.press("r")
        await until(pilot, lambda: not app.finding.view)


async def test_a_row_number_is_jumped_to_in_a_view_if_it_is_there(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"waste", "enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        await pilot.press("ctrl+g", *"101", "enter")
        await until(pilot, lambda: app.browsing.values and app.browsing.values["id"] == 1100)
        assert app.dataset_pane.table.cursor == 33
        await pilot.press("ctrl+g", *"100", "enter")
        await shown(pilot, "Row 100 is not among these rows.")
        assert app.dataset_pane.table.cursor == 33


async def test_nothing_found_says_what_to_press(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"zebra", "enter")
        await shown(pilot, "0 hits of 250")
        assert "No row is like this; esc shows all rows." in screen_text(app)
        await pilot.press("down", "pagedown", "end")
        assert app.is_running


async def test_a_row_is_left_out_and_taken_back_in(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "down", "down")
        await until(pilot, lambda: app.browsing.row and app.browsing.row.number == 2)
        await pilot.press("x")
        await until(pilot, lambda: app.browsing.row and app.browsing.row.mark == "left_out")
        assert app.session.dataset.leave_out_rows == [FakeLink.key(2)]
        assert link.last(p.OpenDataset).dataset.leave_out_rows == [FakeLink.key(2)]
        await shown(pilot, "3×▸")
        assert "1 left out" in screen_text(app)
        assert app.dataset_pane.table.cursor == 2
        await pilot.press("x")
        await until(pilot, lambda: app.browsing.row and app.browsing.row.mark == "")
        assert app.session.dataset.leave_out_rows == []


async def test_leaving_a_row_out_keeps_the_search_and_the_place(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"waste", "enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        view = app.finding.view
        await pilot.press("down", "down")
        await until(pilot, lambda: app.browsing.row and app.browsing.row.number == 7)
        await pilot.press("x")
        await until(pilot, lambda: app.finding.view not in (0, view))
        await until(pilot, lambda: app.browsing.row and app.browsing.row.mark == "left_out")
        assert app.dataset_pane.table.cursor == 2
        assert app.browsing.row.number == 7


async def test_a_broken_row_shows_its_text_and_where_it_is(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.broken = {2: '{"text": "[bold]half \x1b[31m'}
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        assert "1 broken line" in screen_text(app)
        await pilot.press("f2", "down", "down")
        await shown(pilot, "rows.jsonl, line 3: this is")
        text = screen_text(app)
        assert '3!▸ {"text": "[bold]half ␛[31m' in text
        assert "\x1b" not in text
        await pilot.press("f5", "f2", "x")
        await shown(pilot, "A broken row is never trained on.")
        assert app.session.dataset.leave_out_rows == []
        assert not app.asking.cards.cards


async def test_rows_grow_while_the_rest_is_read_and_the_place_stays(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.known = 120
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "end")
        assert app.dataset_pane.table.cursor == 119
        request = link.last(p.OpenDataset).id
        link.news(
            p.DatasetIndexed(
                request=request,
                opened=link.described(200, request, complete=False),
                done=43,
                total=100,
                what="reading",
                seconds_left=6,
            )
        )
        await shown(pilot, "reading 43 % · 6.0 s left · 200 rows so far")
        assert app.dataset_pane.table.cursor == 119
        await until(pilot, lambda: app.dataset_pane.table.pages.row(150)[0])
        link.news(p.DatasetIndexed(request=request, opened=link.described(250, request)))
        await shown(pilot, "250 rows · 25 for evaluation")
        assert app.dataset_pane.table.total == 250
        assert app.dataset_pane.table.cursor == 119


async def test_a_row_that_is_not_read_yet_is_shown_once_it_is(bench: Bench) -> None:
    app, link = bench.open()
    app.change_layout(row=240)
    link.known = 100
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        request = link.last(p.OpenDataset).id
        assert app.session.layout.row == 240
        link.news(p.DatasetIndexed(request=request, opened=link.described(250, request)))
        await until(pilot, lambda: app.browsing.values and app.browsing.values["id"] == 1240)
        assert app.dataset_pane.table.cursor == 240


async def test_reading_that_ends_early_keeps_what_is_there(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.known = 100
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await ready(pilot)
        request = link.last(p.OpenDataset).id
        words = "rows.jsonl disappeared while it was read; put it back and open it again."
        link.news(
            p.DatasetIndexed(
                request=request,
                opened=link.described(100, request, complete=False),
                problem=words,
            )
        )
        await shown(pilot, words[:60])
        assert "the rest could not be read" in screen_text(app)
        await pilot.press("f2", "down")
        await until(pilot, lambda: app.browsing.values and app.browsing.values["id"] == 1001)


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_thousands_of_columns_are_measured_only_where_one_looks(
    bench: Bench, size: tuple[int, int]
) -> None:
    rows = [{f"column {n}": f"{n} in {row}" for n in range(5000)} for row in range(3)]
    app, _ = bench.open(FakeLink(rows))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.begun and app.browsing.values)
        await pilot.press("f2", *["right"] * 30)
        table = app.dataset_pane.table
        assert len(table.names) == p.TABLE_COLUMNS
        assert len(table.widths.measured) < 60
        assert table.names[table.column] in screen_text(app)
        await until(pilot, lambda: len(app.dataset_pane.detail.lines) == 5000)


async def test_a_cell_of_ten_megabytes_is_cut(bench: Bench) -> None:
    app, _ = bench.open(FakeLink([{"text": "word " * 2_000_000}]))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.begun and app.browsing.values)
        await pilot.press("f2", "tab", "end")
        await shown(pilot, "… 9,900,000 more characters")


async def test_all_rows_of_a_large_source_can_be_walked_to(bench: Bench) -> None:
    link = FakeLink(bench.rows)

    def rows(request: p.ReadRows) -> None:
        numbers = list(range(request.start, request.stop))
        cells = [[f"row of {number}", "x"] for number in numbers]
        link.news(p.Rows(request=request.id, start=request.start, cells=cells, numbers=numbers))

    def row(request: p.ReadRow) -> None:
        values = {"text": f"row of {request.index}", "label": "x"}
        link.news(
            p.Row(request=request.id, index=request.index, values=values, number=request.index)
        )

    link.answers = {
        p.ReadRows: rows,
        p.ReadRow: row,
        p.OpenDataset: lambda request: link.news(
            p.DatasetOpened(
                request=request.id,
                description="large",
                columns=["text", "label"],
                types=["text", "text"],
                rows=20_000_000,
            )
        ),
    }
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.begun and app.browsing.values)
        await pilot.press("f2", "end")
        await shown(pilot, "20,000,000 ▸ row of 19999999")
        await pilot.press("ctrl+g", *"19999990", "enter")
        await shown(pilot, "19,999,990 ▸ row of 19999989")
        await until(pilot, lambda: app.session.layout.row == 19_999_989)
        await pilot.press("home")
        await shown(pilot, "1 ▸ row of 0")
        assert len(app.dataset_pane.table.pages.here) < 5


async def test_pages_of_a_view_given_up_are_not_taken_for_those_shown(bench: Bench) -> None:
    app, link = bench.open()
    held = threading.Event()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"waste", "enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        view = app.finding.view
        await pilot.press("escape")
        link.news(p.Rows(start=0, cells=[["stale"] * 4] * 10, numbers=[0] * 10, view=view))
        link.news(p.RowsFound(request=view, view=view, rows=3))
        await pilot.pause(0.1)
        assert not held.is_set()
        assert "stale" not in screen_text(app)
        assert app.dataset_pane.table.total == 250


async def test_a_search_asked_for_while_the_rows_are_opened_again_waits_for_them(
    bench: Bench,
) -> None:
    app, link = bench.open()
    held: list[p.OpenDataset] = []
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        link.answers[p.OpenDataset] = held.append
        await pilot.press("f2", "x")
        await until(pilot, lambda: held)
        assert "applying the change …" in screen_text(app)
        await numbered(pilot, 1, 2, 3)
        link.news(p.Progress(request=held[0].id, what="dividing the rows", done=1, total=2))
        await shown(pilot, "dividing the rows 50 %")
        await pilot.press("slash", *"waste", "enter")
        await pilot.pause(0.3)
        assert "FindRows" not in link.kinds()
        assert "looking …" in screen_text(app)
        del link.answers[p.OpenDataset]
        link.OpenDataset(held[0])
        await shown(pilot, "83 hits of 250")
        await numbered(pilot, 2, 5, 8)


async def test_the_row_is_shown_again_after_a_view_without_rows(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "down", "slash", *"zzzz", "enter")
        await until(pilot, lambda: "No row is like this" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "No row is like this" not in screen_text(app))
        await until(pilot, lambda: app.dataset_pane.row and app.dataset_pane.row.number == 1)
        await until(pilot, lambda: "such a waste. (1)" in app_detail(app))


def app_detail(app: Any) -> str:
    return "\n".join("".join(text for text, _ in line) for line in app.dataset_pane.detail.lines)
