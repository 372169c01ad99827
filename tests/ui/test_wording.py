"""The prompt pane: variants, turns, what is typed and what it comes to."""

from tests.ui.conftest import Bench, ready, screen_text, until


async def test_turns_are_added_typed_in_moved_and_removed(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f3", "alt+b")
        await pilot.pause()
        await pilot.press(*"One")
        await pilot.press("alt+b")
        await pilot.pause()
        await pilot.press(*"Two")
        await until(pilot, lambda: len(app.session.prompt().turns) == 2)
        turns = [(turn.role, turn.content) for turn in app.session.prompt().turns]
        assert turns == [("user", "One"), ("assistant", "Two")]
        assert "Assistant turn 2" in screen_text(app)
        await pilot.press("alt+g")
        await pilot.pause()
        assert [turn.content for turn in app.session.prompt().turns] == ["Two", "One"]
        await pilot.press("alt+l")
        assert app.session.prompt().turns[0].role == "user"
        await pilot.press("alt+q")
        await pilot.pause()
        assert [turn.content for turn in app.session.prompt().turns] == ["One"]
        await pilot.press("alt+z")
        assert [turn.content for turn in app.session.prompt().turns] == ["Two", "One"]
        await pilot.press("alt+j")
        assert [turn.content for turn in app.session.prompt().turns] == ["One"]
