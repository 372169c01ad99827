"""What variants are worth: measured, shown with intervals, compared."""

from typing import Any

import msgspec
import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench.session import Prompt
from workbench.ui.measurement import Measurement, interval_words, value_words
from workbench.ui.views.compared import difference_words, p_words
from workbench.ui.widgets.intervals import BAR, interval_bar
from workbench.ui.widgets.lines import cells, clip


async def measured(pilot: Any, app: Any) -> None:
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


async def test_every_variant_is_measured_with_one_key_and_compared_with_the_first(
    bench: Bench,
) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "3", "v")
        await measured(pilot, app)
        view = app.output_pane.views["scores"]
        assert [one.name for one, _ in view.table] == ["plain", "critic"]
        await pilot.press("alt+k")
        await until(pilot, lambda: app.output_pane.view == "compared")
        request = link.last(p.Compare)
        assert (request.a, request.b) == ("plain-base-28", "critic-base-28")
        text = screen_text(app)
        assert "There is no telling which is better." in text
        assert "! 3 of the examples of B are among the rows measured." in text
        assert "McNemar's exact test" in text
        gained = len(app.comparing.result.gained)
        assert f"+ {gained} rows gained" in text
        assert len(app.comparing.result.gained) + len(app.comparing.result.lost) > 0
        number = app.output_pane.views["compared"].number
        assert f"row {number + 1}" in text
        await pilot.press("g")
        await until(pilot, lambda: app.session.layout.row == number)
        await pilot.press("f4", "escape")
        await until(pilot, lambda: app.output_pane.view == "scores")


async def test_marks_say_what_is_compared(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        link.adapter = "run-1"
        await pilot.press("f4", "3", "v")
        await measured(pilot, app)
        await pilot.press("b", "down", "a")
        await pilot.press("alt+k")
        await until(pilot, lambda: app.output_pane.view == "compared" and app.comparing.result)
        assert (link.last(p.Compare).a, link.last(p.Compare).b) == (
            "plain-tuned-28",
            "plain-base-28",
        )
        await pilot.press("escape")
        await until(pilot, lambda: app.output_pane.view == "scores")
        await pilot.press("p")
        await until(pilot, lambda: app.comparing.result and app.comparing.judging)
        assert link.last(p.JudgePairs).dataset == app.session.dataset
        await until(pilot, lambda: "preferred on 28 rows" in screen_text(app))


async def test_one_measurement_alone_cannot_be_compared(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await measured(pilot, app)
        await pilot.press("alt+k")
        await until(pilot, lambda: any("Two measurements are needed" in m for m in app.messages))
        assert "Compare" not in link.kinds()


async def test_what_was_measured_before_is_there_again(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await measured(pilot, app)
        await pilot.press("f10")
    link = FakeLink(bench.rows)
    link.measured, link.versions = app.link.measured, app.link.versions
    again, _ = bench.open(link)
    async with again.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "3")
        await until(pilot, lambda: "chosen → negative positive" in screen_text(again))
        assert "! The variant has changed" not in screen_text(again)
        await pilot.press("enter")
        await until(pilot, lambda: again.output_pane.view == "grid")
        assert "28 rows × 1 column" in screen_text(again)
        await pilot.press("f3", *"Now: ", "f4", "3")
        await until(pilot, lambda: "! The variant has changed" in screen_text(again))


async def test_measuring_again_goes_on_where_it_stopped(bench: Bench) -> None:
    link = FakeLink(bench.rows, pace=0.15)
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await until(
            pilot, lambda: app.scoring.jobs and app.scoring.jobs[0].measurements["base"].rows
        )
        await pilot.press("escape")
        await measured(pilot, app)
        assert "goes on where it was" in screen_text(app)
        link.pace = 0
        await pilot.press("f8")
        await until(pilot, lambda: len(app.scoring.jobs) == 2)
        await measured(pilot, app)
        assert "known from before" in screen_text(app)
        assert "goes on where it was" not in screen_text(app)
        await pilot.press("f4", "u")
        await measured(pilot, app)
        assert link.last(p.Evaluate).fresh


async def test_failed_rows_are_counted_and_asked_again(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.failing = {3, 12}
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await measured(pilot, app)
        assert "! 2 rows got no answer." in screen_text(app)
        await pilot.press("f4", "x")
        await until(pilot, lambda: link.last(p.Evaluate).retry == "plain-base-28")
        await measured(pilot, app)
        assert "got no answer" not in screen_text(app)


@pytest.mark.parametrize("size", [(160, 45), (80, 24), (40, 10), (12, 4)])
async def test_scores_are_drawn_at_any_size(bench: Bench, size: tuple[int, int]) -> None:
    app, _ = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f4", "3", "v")
        await measured(pilot, app)
        view = app.output_pane.views["scores"]
        width = view.listing.scrollable_content_region.width
        for line in [*view.head(width), *view.draw(width), *(view.item(i, width) for i in (0, 1))]:
            assert cells(clip(line, width)) <= max(1, width)
        for key in ("alt+k", "escape", "2", "4", "5"):
            await pilot.press(key)
            await pilot.pause(0.02)
        assert screen_text(app)


def test_an_interval_is_drawn_on_the_scale_of_all() -> None:
    for value, low, high in ((0.5, 0.4, 0.6), (0.0, 0.0, 0.1), (1.0, 0.9, 1.0), (0.7, 0.7, 0.7)):
        one = p.MetricValue(name="accuracy", value=value, low=low, high=high)
        line = interval_bar(one, 0.0, 1.0, BAR)
        assert cells(line) == BAR + 1
        assert "".join(part for part, _ in line).count("●") == 1


def test_figures_are_said_in_their_units() -> None:
    assert value_words(0.5125, "share") == "51.2 %"
    assert value_words(27.31, "score") == "27.3"
    assert value_words(3.4, "score") == "3.40"
    assert interval_words(0.1, 0.25, "share") == "10.0 – 25.0 %"
    assert difference_words(-0.175, "share") == "-17.5 points"
    assert difference_words(1.2, "score") == "+1.20"
    assert p_words(0.00002) == "< 0.0001"
    assert p_words(0.0042) == "= 0.0042"


async def test_the_rows_that_changed_are_seen_below_a_long_verdict(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "3", "v")
        await measured(pilot, app)
        await pilot.press("down", "alt+k")
        await until(pilot, lambda: app.output_pane.view == "compared" and app.comparing.result)
        result = app.comparing.result
        notes = ["So many rows of either were known from earlier measurements."] * 2
        app.comparing.result = msgspec.structs.replace(
            result, verdict=f"{result.verdict} " * 3, notes=notes, gained=result.gained * 4
        )
        view = app.output_pane.views["compared"]
        view.redraw()
        await pilot.press("end")
        await pilot.pause()
        assert view.listing.count >= 4
        assert view.listing.room >= 2
        text = screen_text(app)
        assert f"{view.number + 1}  negative" in text
        assert "ctrl+t shows all of it" in text


def test_what_was_stopped_before_the_first_row_has_no_figure() -> None:
    prompt = Prompt(name="plain", template="{{ text }}")
    figure = p.Figure(
        measurement="m",
        time=0.0,
        weights="base",
        model="tiny",
        metric="accuracy",
        value=0.0,
        low=0.0,
        high=1.0,
        rows=0,
    )
    assert Measurement("plain", "base", prompt, figure=figure).values == []
    figure = msgspec.structs.replace(figure, rows=3)
    assert Measurement("plain", "base", prompt, figure=figure).values[0].value == 0.0


async def test_the_focus_goes_along_to_the_scores(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "f8")
        await measured(pilot, app)
        assert app.focused is app.output_pane.views["scores"].listing
        await pilot.press("enter")
        await until(pilot, lambda: app.output_pane.view == "grid")
        assert app.output_pane.has_focus_within
