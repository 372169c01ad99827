"""The output pane: its views, several answers, and the tokens of one."""

import json
from typing import Any

import msgspec
import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench import session as sessions
from workbench.protocol import Option, Token
from workbench.session import GenerationSettings
from workbench.ui.cards import Card, Part
from workbench.ui.widgets.answer import Looks, card_lines
from workbench.ui.widgets.lines import cells
from workbench.ui.widgets.probabilities import panel_lines, token_lines

VIEWS = ("answers", "grid", "scores", "search", "versions")


async def answered(pilot: Any, app: Any, cards: int = 1) -> None:
    await until(
        pilot,
        lambda: (
            len(app.asking.cards.cards) == cards
            and app.asking.cards.cards[0].state not in ("waiting", "running")
        ),
    )
    await pilot.pause()


def sample(bench: Bench, **settings: Any) -> None:
    session = msgspec.structs.replace(bench.saved(), generation=GenerationSettings(**settings))
    sessions.save(session, bench.path)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 10)])
async def test_digits_switch_views_in_the_pane_with_the_focus(
    bench: Bench, size: tuple[int, int]
) -> None:
    app, _ = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f4")
        for number, name in enumerate(VIEWS, 1):
            await pilot.press(str(number))
            await until(pilot, lambda name=name: app.output_pane.view == name)
            assert app.dataset_pane.view == "rows"
            shown = [one for one, view in app.output_pane.views.items() if view.display]
            assert shown == [name]
            assert app.focused in app.output_pane.views[name].query("*").results()
        await pilot.press("f2", "2")
        await until(pilot, lambda: app.dataset_pane.view == "columns")
        assert app.output_pane.view == "versions"


async def test_empty_views_say_what_to_press(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        hints = {"1": "F5 sends", "2": "alt+r", "3": "F8", "4": "alt+f", "5": "was run yet"}
        await pilot.press("f4")
        for key, hint in hints.items():
            await pilot.press(key)
            await until(pilot, lambda hint=hint: hint in screen_text(app))


async def test_a_variants_own_model_and_settings_answer_it(bench: Bench) -> None:
    session = bench.saved()
    own = msgspec.structs.replace(
        session.prompts[0],
        model=sessions.ModelSettings(name="other"),
        generation=GenerationSettings(max_new_tokens=7),
    )
    sessions.save(session.with_prompt(own), bench.path)
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("down")
        await until(pilot, lambda: app.browsing.values and app.browsing.values["id"] == 1001)
        await pilot.press("f5")
        await answered(pilot, app)
        request = link.last(p.Generate)
        assert (request.model.name, request.generation.max_new_tokens) == ("other", 7)
        assert (request.number, request.session_path) == (1, str(bench.path))
        assert request.alternatives == 10
        assert "other · likeliest tokens" in screen_text(app)


async def test_several_samples_are_shown_with_their_seeds(bench: Bench) -> None:
    sample(bench, num_return_sequences=3, do_sample=True, seed=5)
    app, link = bench.open()
    async with app.run_test(size=(120, 60)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await answered(pilot, app)
        text = screen_text(app)
        assert all(f"sample {n} · seed {n + 4}" in text for n in (1, 2, 3))
        assert text.count("The review is rather positive.") == 3
        assert "temperature 0.7, top_p 0.95" in text
        await pilot.press("f4", "n")
        await answered(pilot, app, cards=2)
        assert link.last(p.Generate).generation.seed == 8
        await pilot.press("r")
        await answered(pilot, app, cards=3)
        assert link.last(p.Generate).generation.seed == 5 + 3  # the newest once more


async def test_another_seed_of_greedy_answers_is_said_to_change_nothing(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "f5")
        await answered(pilot, app)
        await pilot.press("n")
        await until(pilot, lambda: any("changes nothing" in one for one in app.messages))
        assert link.kinds().count("Generate") == 1


async def test_the_cursor_goes_from_token_to_token_and_on_from_an_alternative(
    bench: Bench,
) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "f5")
        await answered(pilot, app)
        await pilot.press("enter", "right", "right", "right")
        await until(pilot, lambda: "token 4 of 5" in screen_text(app))
        text = screen_text(app)
        assert "·rather 21.4 % · 3rd likeliest" in text
        assert "▸ ·not" in text
        await pilot.press("down")
        await until(pilot, lambda: "▸ ·quite" in screen_text(app))
        await pilot.press("enter")
        await answered(pilot, app, cards=2)
        request = link.last(p.Generate)
        assert (request.begin, request.begin_text) == ([0, 1, 2, 6], "")
        assert request.weights == ("base",)
        text = screen_text(app)
        assert "goes on from token 4: ·quite in place of ·rather" in text
        assert "The review is quite positive." in text
        assert "token 4 of 5" not in text


async def test_a_servers_answer_goes_on_by_its_text(bench: Bench) -> None:
    link = FakeLink(bench.rows)

    def remote(request: p.Generate) -> None:
        link.on_event(p.GenerationStarted(request=request.id, weights="base", prompt_tokens=-1))
        tokens = [Token(-1, "Good", -0.1, [Option(-1, "Good", -0.1), Option(-1, "Bad", -2.5)])]
        for token in [*tokens, Token(-1, " film", -0.2, [Option(-1, " movie", -1.9)])]:
            link.on_event(
                p.Tokens(
                    request=request.id, weights="base", text=token.text, count=1, tokens=[token]
                )
            )
        link.on_event(
            p.GenerationFinished(
                request=request.id,
                weights="base",
                text="Good film",
                tokens=2,
                seconds_to_first=0.1,
                tokens_per_second=9,
                reason="end",
            )
        )
        link.on_event(p.Done(request=request.id))

    link.answers[p.Generate] = remote
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "f5")
        await answered(pilot, app)
        await pilot.press("t", "end", "up", "up", "down", "enter")
        await answered(pilot, app, cards=2)
        assert (link.last(p.Generate).begin, link.last(p.Generate).begin_text) == ([], "Good movie")


async def test_escape_leaves_the_answer_before_it_stops_anything(bench: Bench) -> None:
    app, link = bench.open(FakeLink(bench.rows, pace=0.2))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "f5")
        await until(pilot, app.output_pane.answers.places)
        await pilot.press("enter")
        await until(pilot, lambda: app.output_pane.answers.card is not None)
        await pilot.press("escape")
        await until(pilot, lambda: app.output_pane.answers.card is None)
        assert "Cancel" not in link.kinds()
        await pilot.press("escape")
        await until(pilot, lambda: "Cancel" in link.kinds())
        await answered(pilot, app)


async def test_what_came_before_a_server_broke_off_stays_with_the_reason(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.break_off = "The server broke off: connection reset."
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await answered(pilot, app)
        text = screen_text(app)
        assert "The review" in text
        assert "✗ The server broke off: connection reset." in text
        assert "as expected" not in text


async def test_tokens_are_coloured_and_underlined_by_probability(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "f5")
        await answered(pilot, app)
        view = app.output_pane.answers
        await pilot.press("c")
        inks = {ink for line in view.lines.lines for _, ink in line}
        assert {"token-sure", "token-likely", "token-unsure", "token-doubtful"} <= inks
        assert "probability ≥ 90 %" in screen_text(app)
        assert view.lines.ink("token-unsure").underline
        assert not view.lines.ink("token-likely").underline
        await pilot.press("c")
        assert "probability ≥ 90 %" not in screen_text(app)


async def test_cards_of_earlier_versions_still_load(bench: Bench) -> None:
    path = bench.workspace / "answers" / "film-reviews.jsonl"
    path.parent.mkdir()
    old = {
        "kind": "answer",
        "time": 1.0,
        "prompt": "plain",
        "row": 3,
        "run": "",
        "expected": "positive",
        "state": "finished",
        "message": "",
        "parts": {"base": {"text": "an old answer", "tokens": 3, "reason": "end", "step": -1}},
        "scores": {},
        "progress": "",
        "share": -1,
    }
    score = {"rows": 300, "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "seconds": 1}
    measured = {**old, "kind": "measurement", "parts": {}, "scores": {"base": score}}
    path.write_text("".join(json.dumps(one) + "\n" for one in (old, measured)))
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        text = screen_text(app)
        assert "an old answer" in text
        assert "accuracy 50.0 %" in text
        await pilot.press("f4", "r")
        await until(pilot, lambda: any("F5 asks the selected row" in one for one in app.messages))


async def test_alternatives_are_not_kept_in_the_file(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f5")
        await answered(pilot, app)
        await pilot.press("f10")
    path = bench.workspace / "answers" / "film-reviews.jsonl"
    kept = msgspec.json.decode(path.read_bytes().splitlines()[0], type=Card)
    assert [one.text for one in kept.parts["base"].pieces][:2] == ["The", " review"]
    assert not any(one.options for one in kept.parts["base"].pieces)
    again, _ = bench.open()
    async with again.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "enter")
        await until(pilot, lambda: "alternatives were not kept" in screen_text(again))


def test_tokens_are_laid_out_as_the_text_is() -> None:
    words = [
        "A",
        " long",
        "er",
        " tale",
        ":\n",
        "\n",
        "宽",
        "字",
        " \x1b[31m",
        "",
        " [/b]",
        "xyz" * 9,
    ]
    pieces = [Token(index, word, -0.1 * index) for index, word in enumerate(words)]
    for width in (7, 12, 40):
        for here in (-1, 0, 4, 5, 9):
            lines = token_lines(pieces, width, here)
            assert all(cells(line) <= width for line in lines)
            text = "".join(part for line in lines for part, _ in line)
            assert "\x1b" not in text
            marked = [part for line in lines for part, ink in line if ink == "token-here"]
            assert bool(marked) == (here >= 0)
            plain = text.replace(" ", "").replace("⏎", "").replace("·", "")
            assert plain == "Alongertale:宽字␛[31m[/b]" + "xyz" * 9


def test_the_panel_keeps_to_its_height_and_shows_the_chosen_alternative() -> None:
    options = [Option(n, f" word{n}", -0.5 * n) for n in range(10)]
    token = Token(42, " rare", -9.0, options)
    for height in (5, 8, 14):
        for chosen in (0, 5, 10):
            lines = panel_lines([token], 0, chosen, 60, height)
            assert len(lines) <= height
            text = ["".join(part for part, _ in line) for line in lines]
            assert sum(line.startswith("▸") for line in text) == 1
            assert "".join(part for part, _ in panel_lines([token], 0, chosen, 56, 8)[-1]).endswith(
                "esc back"
            )
    assert "11th likeliest" in text[0]


def test_a_card_of_several_samples_fits_its_width() -> None:
    parts = {
        "base": Part(text="one", tokens=1, reason="end", weights="base", seed=3),
        "base 2": Part(text="two", tokens=1, reason="end", weights="base", sample=1, seed=4),
        "tuned": Part(text="three", tokens=1, reason="end", weights="tuned", seed=3),
        "tuned 2": Part(text="four", tokens=1, reason="end", weights="tuned", sample=1, seed=4),
    }
    card = Card(prompt="plain", row=0, expected="two", state="finished", parts=parts)
    for width in (30, 70):
        lines = card_lines(card, width, Looks(colours=True))
        assert all(cells(line) <= width for line in lines)
    text = ["".join(part for part, _ in line) for line in lines]
    assert any("base · sample 1 · seed 3" in line and "tuned · sample 1" in line for line in text)
    assert sum("✓" in line for line in text) == 1
