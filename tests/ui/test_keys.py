"""Keys that come in one burst, as over a slow line, take effect in their order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual import events

from tests.ui.conftest import Bench, ready, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench.ui.app import WorkbenchApp
from workbench.ui.widgets.field import Field

NAMES = {" ": "space", ">": "greater_than_sign", '"': "quotation_mark", "=": "equals_sign"}
CHARACTERS = {"enter": "\r", "tab": "\t", "backspace": "\x7f", "escape": "\x1b"}


def burst(app: WorkbenchApp, *keys: str) -> None:
    """All at once, from the terminal."""
    driver: Any = app._driver
    for key in keys:
        character = CHARACTERS.get(key, key if len(key) == 1 else None)
        driver.process_message(events.Key(NAMES.get(key, key), character))


@asynccontextmanager
async def opened(bench: Bench, pane: str) -> AsyncIterator[tuple[WorkbenchApp, FakeLink, Any]]:
    """The app with the focus in the pane of that key, its link, its pilot."""
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press(pane)
        yield app, link, pilot


async def test_a_backspace_takes_the_letter_before_it(bench: Bench) -> None:
    async with opened(bench, "f2") as (app, link, pilot):
        wrong, right = "ratng > 3", 'rating > 3 and label == "negative"'
        burst(app, "f", *wrong, *["backspace"] * len(wrong), *right, "enter")
        await until(pilot, lambda: "FindRows" in link.kinds())
        assert link.last(p.FindRows).where == right


async def test_editors_keys_stay_between_the_letters_around_them(bench: Bench) -> None:
    async with opened(bench, "f3") as (app, link, pilot):
        burst(app, "b", "backspace", "a", "c", "left", "b", "enter", "right", "d", "f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        assert app.session.prompt().template.startswith("ab\ncdPositive")


async def test_what_follows_a_tab_goes_to_the_next_field(bench: Bench) -> None:
    async with opened(bench, "f3") as (app, link, pilot):
        burst(app, "a", "tab", "b", "c", "tab", "d", "f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        prompt = app.session.prompt()
        assert prompt.template.startswith("aPositive")
        assert prompt.answer_start == "bc"
        assert prompt.completion.startswith("d")


async def test_a_paste_stays_between_the_keys_around_it(bench: Bench) -> None:
    async with opened(bench, "f3") as (app, link, pilot):
        driver: Any = app._driver
        burst(app, "a", "backspace")
        driver.process_message(events.Paste("(pasted)"))
        burst(app, "z", "f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        assert app.session.prompt().template.startswith("(pasted)zPositive")


async def test_what_follows_the_key_of_a_sheet_goes_to_the_sheet(bench: Bench) -> None:
    async with opened(bench, "f2") as (app, _, pilot):
        burst(app, "alt+o", *"bookz", "backspace", "s", "escape", "f3", "q")
        await until(pilot, lambda: app.session.prompt().template.startswith("qPositive"))
        burst(app, "alt+o", *"bookz", "backspace", "s")
        await until(pilot, lambda: len(app.screen_stack) > 1 and bool(app.screen.query(Field)))
        await until(pilot, lambda: app.screen.query_one(Field).value == "books")


async def test_keys_go_on_where_one_closes_the_field_it_went_to(bench: Bench) -> None:
    async with opened(bench, "f2") as (app, link, pilot):
        burst(app, "slash", *"waste", "escape", "down", "down", "f3", "x", "f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        assert app.session.layout.row == 2
        assert app.session.prompt().template.startswith("xPositive")


async def test_what_was_typed_stays_with_the_variant_that_it_was_typed_in(bench: Bench) -> None:
    async with opened(bench, "f3") as (app, _, pilot):
        before = [one.template for one in app.session.prompts]
        burst(app, "a", "b", "backspace", "c", "ctrl+n", "d", "ctrl+n", "e", "ctrl+n")
        await until(pilot, lambda: not app.keys_waiting and app.key_under_way is None)
        await pilot.pause()
        assert app.session.prompt().name == "critic"
        typed = [one.template for one in app.session.prompts]
        assert typed[1] == "d" + before[1]
        assert sorted(typed[0].removesuffix(before[0])) == ["a", "c", "e"]


async def test_keys_that_come_at_once_are_typed_before_an_action_is_done(bench: Bench) -> None:
    async with opened(bench, "f3") as (app, link, pilot):
        before = [one.template for one in app.session.prompts]
        burst(app, "x", "y", "ctrl+n", "f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        assert app.session.prompt().name == "critic"
        assert [one.template for one in app.session.prompts] == ["xy" + before[0], before[1]]
