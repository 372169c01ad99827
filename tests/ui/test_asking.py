"""Answers and measurements in the output pane."""

import json
import threading

import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p


async def test_an_answer_streams_and_says_how_fast_it_was(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: app.asking.cards.cards[0].state == "finished")
        text = screen_text(app)
        assert "The review is rather positive." in text
        assert "first after 0.31 s" in text
        assert "18.2 tokens/s" in text
        assert "expected  negative" in text
        assert "✗ not as expected" in text


async def test_escape_stops_an_answer_at_a_token(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.3))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: app.asking.cards.cards[0].parts)
        await pilot.press("escape")
        await until(pilot, lambda: app.asking.cards.cards[0].state == "cancelled")
        part = app.asking.cards.cards[0].parts["base"]
        assert 1 <= part.tokens < 5
        assert part.reason == "stopped"
        assert "■ stopped" in screen_text(app)
        assert link.last(p.Cancel).target == link.last(p.Generate).id


async def test_base_and_tuned_stand_side_by_side(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        link.adapter = "film-reviews-1"
        await pilot.press("down")
        await until(pilot, lambda: app.browsing.values and app.browsing.values["id"] == 1001)
        await until(pilot, lambda: app.browsing.rendered.answer == "positive")
        await pilot.press("f5")
        await until(pilot, lambda: app.asking.cards.cards[0].state == "finished")
        lines = screen_text(app).splitlines()
        assert any("The review is rather positive." in one and "│ positive" in one for one in lines)
        assert any("✗ not as expected" in one and "✓ as expected" in one for one in lines)


async def test_answers_are_kept_and_come_back(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        for number in (1, 2):
            await pilot.press("f5")
            await until(
                pilot,
                lambda number=number: (
                    [c.state for c in app.asking.cards.cards] == ["finished"] * number
                ),
            )
        await pilot.press("f10")
    path = bench.workspace / "answers" / "film-reviews.jsonl"
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2
    with path.open("a") as file:
        file.write('{"torn": ')
    again, _ = bench.open()
    async with again.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert len(again.asking.cards.cards) == 2
        assert "The review is rather positive." in screen_text(again)
        await pilot.press("f5")
        await until(pilot, lambda: again.asking.cards.cards[0].state == "finished")
    assert len(path.read_text().splitlines()) == 4  # the torn line does not spoil the next


async def test_a_worker_that_dies_ends_the_answer_with_a_sentence(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.5))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: app.asking.cards.cards[0].parts)
        link.news(p.HostLost(message="The worker ended.", restarted=False))
        await until(pilot, lambda: app.asking.cards.cards[0].state == "failed")
        text = screen_text(app)
        assert "The worker ended before it could answer" in text
        assert "✗ the worker is gone" in text


async def test_the_exact_text_is_a_key_away_by_token_too(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f9")
        await pilot.pause(0.1)
        assert "<|im_start|>user" in screen_text(app)
        await pilot.press("t")
        await pilot.pause(0.1)
        assert "<|im_start|>user⏎ 100" in screen_text(app)
        await pilot.press("alt+c")
        assert app.clipboard == app.browsing.rendered.text


async def test_wordings_are_added_changed_and_removed(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+n")
        assert [one.name for one in app.session.prompts] == ["plain", "plain 2", "critic"]
        await pilot.press("f3", *"Now: ")
        assert app.session.prompt().template.startswith("Now: ")
        assert app.session.prompts[0].template.startswith("Positive")
        await pilot.press("ctrl+n")
        assert app.session.prompt().name == "critic"
        assert app.prompt_pane.editors["system"].text == "You judge films."
        await pilot.press("alt+d", "alt+d", "alt+d")
        assert len(app.session.prompts) == 1


async def test_an_answer_that_failed_before_a_word_says_only_why(bench: Bench) -> None:
    link = FakeLink(bench.rows)

    def refuse(request: p.Generate) -> None:
        link.on_event(p.GenerationStarted(request=request.id, weights="base", prompt_tokens=9))
        link.on_event(p.Failed(request=request.id, message="The prompt is too long."))

    link.answers[p.Generate] = refuse
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "The prompt is too long." in screen_text(app))
        assert "expected" not in screen_text(app)
        assert "(empty)" not in screen_text(app)
        assert app.messages[-1].endswith("The prompt is too long.")
        assert not list(app._notifications)  # it is in the pane already


@pytest.mark.parametrize("slow", [0.0, 0.3])
async def test_an_answer_is_judged_by_its_own_rows_label(bench: Bench, slow: float) -> None:
    """Also where one asks before the row, or what the prompt comes to for it, is there."""
    link = FakeLink(bench.rows, pace=0.1)
    render = link.RenderPrompt

    def slowly(request: p.RenderPrompt) -> None:
        threading.Timer(slow, render, [request]).start()

    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert bench.rows[0]["label"] == "negative"
        link.answers[p.RenderPrompt] = slowly
        await pilot.press("f2", "down", "f5")
        await until(pilot, lambda: app.asking.cards.cards)
        card = app.asking.cards.cards[0]
        await until(pilot, lambda: card.state == "finished")
        assert (card.row, card.expected) == (1, "positive")


async def test_the_exact_text_is_that_of_the_row_just_chosen(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "down", "f9")
        await until(pilot, lambda: "What the model gets" in screen_text(app))
        assert "So young, so smart" in screen_text(app).split("What the model gets")[1]
        assert app.screen.rendered.text == app.browsing.rendered.text
        assert "So young" in app.screen.rendered.text
