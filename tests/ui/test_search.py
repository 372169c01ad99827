"""The search for a better prompt, the versions of before, and taking a variant along."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from tests.ui.fakeprompts import version
from workbench import protocol as p
from workbench import session as sessions
from workbench.session import GenerationSettings, Prompt
from workbench.ui.views.search import outcome_lines


async def searched(pilot: Any, app: Any) -> None:
    await until(pilot, lambda: app.improving.candidates and not app.improving.under_way)
    await pilot.pause()


async def test_the_sheet_says_what_it_will_do_and_keeps_what_is_typed(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+f")
        await until(pilot, lambda: "Tries 30 prompts on 150 development rows" in screen_text(app))
        assert "measured on 25 evaluation rows, which the search" in app.screen.plan(app.session)
        await pilot.press("tab", "tab", *"9999x", "enter")
        await until(pilot, lambda: "expected" in screen_text(app))
        assert "Optimize" not in link.kinds()
        await pilot.press(*["backspace"] * 5, *"40", "enter")
        await searched(pilot, app)
        assert link.last(p.Optimize).session.optimize.rows == 40
        assert app.session.optimize.rows == 40


async def test_the_reflecting_model_is_asked_for_with_gepa_alone(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+f")
        await until(pilot, lambda: "prompts to try" in screen_text(app))
        assert "model that reflects" not in screen_text(app)
        await pilot.press("down")
        await until(pilot, lambda: "model that reflects" in screen_text(app))
        assert "prompts to try" not in screen_text(app)
        await pilot.press(*["tab"] * 5, *"qwen3", "tab", *"http://localhost:8000/v1", "enter")
        await searched(pilot, app)
        optimize = link.last(p.Optimize).session.optimize
        assert optimize.method == "gepa"
        assert (optimize.reflection_model.name, optimize.reflection_model.url) == (
            "qwen3",
            "http://localhost:8000/v1",
        )


async def test_a_search_is_followed_and_its_best_kept_as_a_variant(bench: Bench) -> None:
    app, _ = bench.open(FakeLink(bench.rows, pace=0.05))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("alt+f")
        await pilot.pause(0.1)
        await pilot.press("enter")
        await until(pilot, lambda: "best so far" in screen_text(app))
        text = screen_text(app)
        assert "● searching" in text
        assert "of 4,500 answers" in text
        assert "esc stops and keeps the best" in text
        await searched(pilot, app)
        text = screen_text(app)
        assert "on 300 held-out rows: 53.0 % → 71.0 %: +18.0 points" in text
        assert "+ Positive or negative? Answer with one word." in text
        best = app.improving.best
        assert app.output_pane.views["search"].chosen is best
        await pilot.press("s")
        await until(pilot, lambda: len(app.session.prompts) == 3)
        added = app.session.prompt()
        assert added.name == "plain, searched"
        assert added.template == best.prompt.template
        await pilot.press("s")
        await until(pilot, lambda: app.session.prompt().name == "plain, searched 2")
        await pilot.press("alt+z", "alt+z")
        assert len(app.session.prompts) == 2


async def test_stopping_a_search_keeps_the_best(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.1))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("alt+f")
        await pilot.pause(0.1)
        await pilot.press("enter")
        await until(pilot, lambda: len(app.improving.candidates) > 2)
        await pilot.press("escape")
        await searched(pilot, app)
        assert link.last(p.Cancel).target == app.improving.request
        text = screen_text(app)
        assert "Stopped; the best so far is kept." in text
        assert "held-out rows were measured" in text
        assert 2 < len(app.improving.candidates) < 30
        await pilot.press("home", "down", "s")
        await until(pilot, lambda: len(app.session.prompts) == 3)
        assert app.session.prompt().template == app.improving.candidates[1].prompt.template


def test_a_search_that_tried_nothing_shows_no_figures() -> None:
    start = Prompt(name="plain", template="{{ text }}")
    outcome = p.Optimized(
        request=1,
        prompt=start,
        start=start,
        metric="accuracy",
        development_start=0.0,
        development_best=0.0,
        held_out=None,
        tried=0,
        seconds=14.0,
        words="None of 0 prompts did better than the start on 0 rows.",
    )
    text = " ".join(part for line in outcome_lines(outcome, 70) for part, _ in line)
    assert text == "It ended before the first prompt was tried."


async def test_a_search_that_fails_says_why(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.answers[p.Optimize] = lambda request: link.on_event(
        p.Failed(request=request.id, message="The reflecting model cannot be reached.")
    )
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+f")
        await pilot.pause(0.1)
        await pilot.press("enter")
        await until(pilot, lambda: "✗ The reflecting model cannot be reached." in screen_text(app))


async def test_versions_are_listed_compared_with_now_and_taken_back(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    old = Prompt(name="plain", template="Good or bad?\n\n{{ text }}", completion="{{ label }}")
    link.versions = [
        version(bench.saved().prompts[0], 0.71, 1_700_000_100.0),
        version(old, 0.55, 1_700_000_000.0, answers=12),
    ]
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "5")
        await until(pilot, lambda: "2 versions" in screen_text(app))
        text = screen_text(app)
        assert "● plain" in text
        assert "71.0 % accuracy base" in text
        assert "The variant is the same now." in text
        await pilot.press("down")
        await until(pilot, lambda: "- Good or bad?" in screen_text(app))
        assert "+ Positive or negative?" in screen_text(app)
        await pilot.press("s")
        await until(pilot, lambda: app.session.prompt().name == "plain 2")
        assert app.session.prompt().template == old.template


async def test_the_rows_of_a_version_are_a_key_away(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f8")
        await until(pilot, lambda: app.scoring.jobs and not app.scoring.under_way())
        await pilot.press("f4", "5")
        await until(pilot, lambda: "1 version" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.output_pane.view == "grid")
        assert "28 rows × 1 column" in screen_text(app)


@pytest.mark.parametrize("what", ["python_openai", "python_transformers", "json", "report"])
async def test_a_variant_is_written_and_never_over_a_file_unasked(bench: Bench, what: str) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        downs = ["python_openai", "python_transformers", "json", "report"].index(what)
        await pilot.press("alt+y", *["down"] * downs, "enter")
        await until(pilot, lambda: any("Wrote" in one for one in app.messages))
        request = link.last(p.TakeAway)
        assert (request.what, request.name, request.number) == (what, "plain", 0)
        path = Path(request.path)
        assert path.parent == bench.workspace / "exports"
        path.write_text("mine")
        await pilot.press("alt+y", *["down"] * downs, "enter")
        await until(pilot, lambda: "is there already." in screen_text(app))
        assert path.read_text() == "mine"
        await pilot.press("enter")
        await until(pilot, lambda: path.read_text().startswith(f"# {what}"))


async def test_a_script_goes_to_the_clipboard_without_a_name(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+y", "tab", *["delete"] * 40, "enter")
        await until(pilot, lambda: "python_openai" in app.clipboard)
        assert link.last(p.TakeAway).path == ""


async def test_prompt_and_answer_are_copied(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+y", "up", "enter")
        await until(pilot, lambda: "There is no answer yet" in screen_text(app))
        await pilot.press("up", "enter")
        await until(pilot, lambda: app.clipboard == app.browsing.rendered.text)
        await pilot.press("f5")
        await until(
            pilot,
            lambda: app.asking.cards.cards and app.asking.cards.cards[0].state == "finished",
        )
        await pilot.press("alt+y", "up", "enter")
        await until(pilot, lambda: app.clipboard == "The review is rather positive.")


async def test_answers_are_constrained_and_the_frame_says_so(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+w", "alt+w", "enter")
        await until(pilot, lambda: "Type the labels" in screen_text(app))
        await pilot.press(*"good, bad", "enter")
        await until(pilot, lambda: "Output · answers are one of the labels" in screen_text(app))
        assert app.session.evaluation.labels == ["good", "bad"]
        await pilot.press("f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        request = link.last(p.Generate)
        assert (request.generation.constraint, request.labels) == ("labels", ["good", "bad"])
        await pilot.press("alt+w", "alt+w", "tab", *"(yes|no", "enter")
        await until(pilot, lambda: "This is no regular expression" in screen_text(app))
        await pilot.press(*")", "enter")
        await until(pilot, lambda: "answers are a pattern" in screen_text(app))
        assert app.session.generation.pattern == "(yes|no)"
        await pilot.press("alt+w", "up", "up", "enter")
        await until(pilot, lambda: app.session.generation.constraint == "none")
        assert "answers are" not in screen_text(app)


async def test_a_constraint_of_a_variant_with_own_settings_is_its_own(bench: Bench) -> None:
    session = bench.saved()
    own = msgspec.structs.replace(session.prompts[0], generation=GenerationSettings(seed=3))
    sessions.save(session.with_prompt(own), bench.path)
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+w", "alt+w", "alt+w", "tab", *"x+", "enter")
        await until(pilot, lambda: app.session.prompt().generation.pattern == "x+")
        assert app.session.generation == GenerationSettings()
        await pilot.press("ctrl+n")
        await until(pilot, lambda: "answers are" not in screen_text(app))
