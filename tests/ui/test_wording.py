"""The prompt pane: variants, turns, what is typed and what it comes to."""

from typing import Any

import msgspec
import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from tests.ui.fakeprompts import advised, rich_session, version
from workbench import protocol as p
from workbench import session as sessions
from workbench.ui.app import WorkbenchApp


def rich(bench: Bench) -> tuple[WorkbenchApp, FakeLink]:
    sessions.save(rich_session(), bench.path)
    return bench.open()


async def typed(pilot: Any, text: str) -> None:
    await pilot.press(*[{" ": "space", "\n": "enter"}.get(char, char) for char in text])
    await pilot.pause()


# --- turns and texts -----------------------------------------------------------------------------


async def test_turns_are_added_typed_in_moved_and_removed(bench: Bench) -> None:
    app, link = bench.open()
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
        await until(pilot, lambda: len(link.last(p.RenderPrompt).prompt.turns) == 2)
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
        await pilot.press("f10")
    assert [turn.content for turn in bench.saved().prompt().turns] == ["One"]


async def test_what_is_typed_is_undone_and_done_again(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        before = app.session.prompt().template
        await pilot.press("f3", "x")
        await until(pilot, lambda: app.session.prompt().template == "x" + before)
        await pilot.press("ctrl+z")
        await until(pilot, lambda: app.session.prompt().template == before)
        await pilot.press("ctrl+y")
        await until(pilot, lambda: app.session.prompt().template == "x" + before)


@pytest.mark.parametrize("size", [(160, 45), (120, 40), (80, 24)])
async def test_what_is_empty_is_one_line_until_one_goes_there(
    bench: Bench, size: tuple[int, int]
) -> None:
    app, _ = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f3")
        await pilot.pause()
        pane = app.prompt_pane
        assert pane.sections["system"].size.height == 1
        assert pane.sections["answer_start"].size.height == 1
        assert pane.editors["template"].size.height >= 4
        await pilot.press("shift+tab", "shift+tab")
        await pilot.pause()
        assert pane.here == "system"
        assert pane.sections["system"].size.height == 3
        await typed(pilot, "Be brief.\nBe kind.\nBe right.")
        await pilot.press("tab")
        await pilot.pause()
        assert pane.sections["system"].size.height == 4  # its label, and all of its lines
        assert app.session.prompt().system.count("\n") == 2


async def test_twenty_turns_and_a_long_text_are_still_reached(bench: Bench) -> None:
    app: Any
    session = rich_session()
    prompt = session.prompt()
    turns = list(prompt.turns) * 10
    system = "\n".join(f"Rule {n}." for n in range(40))
    prompt = msgspec.structs.replace(prompt, turns=turns, system=system)
    sessions.save(session.with_prompt(prompt), bench.path)
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f3")
        await pilot.pause()
        assert "{{ text | trim }}" in screen_text(app)
        for name in ("answer_start", "completion"):
            await pilot.press("tab")
            await pilot.pause()
            assert app.prompt_pane.here == name
            bottom = app.prompt_pane.area.region.bottom
            await until(pilot, lambda: app.focused.region.bottom <= bottom)  # noqa: B023
        assert "Answer to learn" in screen_text(app)


async def test_a_row_goes_with_its_number_settings_and_labels(bench: Bench) -> None:
    app, link = rich(bench)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+3", "f2", "down")
        await until(pilot, lambda: link.last(p.RenderPrompt).number == 1)
        request = link.last(p.RenderPrompt)
        assert request.model.url == "http://localhost:8000/v1"
        assert request.generation.temperature == 0.4


# --- what may come at the cursor -----------------------------------------------------------------


async def test_columns_are_suggested_and_taken_by_key(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f3", "ctrl+end")
        await typed(pilot, " {{")
        editor: Any = app.prompt_pane.editors["template"]
        await until(pilot, lambda: editor.list and editor.list.open)
        assert [one.shown for one in editor.list.choices] == ["id", "text", "rating", "label"]
        await pilot.press("down", "down", "tab")
        await until(pilot, lambda: app.session.prompt().template.endswith(" {{ rating }}"))
        assert not editor.list.open
        assert editor.has_focus
        await typed(pilot, "{{ la")
        await until(pilot, lambda: editor.list.open)
        await pilot.press("escape")
        await pilot.pause()
        assert not editor.list.open
        assert editor.has_focus
        await pilot.press("enter")
        await until(pilot, lambda: app.session.prompt().template.endswith("{{ la\n"))
        await pilot.press("tab")
        assert app.prompt_pane.here == "answer_start"


async def test_the_system_text_is_no_template(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f3", "shift+tab", "shift+tab")
        await typed(pilot, "{{")
        await pilot.pause(0.1)
        assert app.prompt_pane.editors["system"].list is None


# --- advice --------------------------------------------------------------------------------------


async def test_advice_is_counted_listed_and_a_key_from_its_place(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.advice = [
        advised(severity="bad", words="This is wrong."),
        advised(where="completion", column=3, length=5, words="[/]\x1b[2J {{ label }} is vague."),
    ]
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert "advice: 2" in screen_text(app)
        editor = app.prompt_pane.editors["template"]
        underlined = [span for span in editor.get_line(0).spans if "underline" in str(span.style)]
        assert [(span.start, span.end) for span in underlined] == [(0, 8)]
        await pilot.press("alt+a")
        await until(pilot, lambda: "This is wrong." in screen_text(app))
        assert "1 error, 1 warning" in screen_text(app)
        await pilot.press("down")
        await pilot.pause()
        assert "[/]␛[2J {{ label }} is vague." in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.prompt_pane.here == "completion")
        assert app.prompt_pane.editors["completion"].selected_text == "label"


async def test_an_underlined_place_that_was_changed_is_underlined_no_more(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.advice = [advised(severity="bad")]
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        editor = app.prompt_pane.editors["template"]
        assert any("underline" in str(span.style) for span in editor.get_line(0).spans)
        link.advice = []
        await pilot.press("f3", "x")
        assert not any("underline" in str(span.style) for span in editor.get_line(0).spans)


# --- variants ------------------------------------------------------------------------------------


async def test_each_variant_is_a_key_away_and_says_what_it_was_measured_at(bench: Bench) -> None:
    app, link = rich(bench)
    first, second = rich_session().prompts[:2]
    link.versions = [
        version(first, 0.787, 2.0),
        version(msgspec.structs.replace(second, template="{{ text }}"), 0.61, 1.0),
    ]
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "1 plain 78.7 %" in screen_text(app))
        assert "2 critic  (61.0 %)" in screen_text(app)  # of an earlier text
        await pilot.press("alt+1")
        assert app.session.prompt().name == "plain"
        await pilot.press("alt+9")
        assert app.session.prompt().name == "plain"
        await pilot.press("ctrl+n", "ctrl+n", "ctrl+n")
        assert app.session.prompt().name == "plain"
        link.versions = [version(first, 0.8, 3.0), *link.versions]
        link.news(evaluated())
        link.news(p.Done())
        await until(pilot, lambda: "80.0 %" in screen_text(app))
        await pilot.press("f3", "x")
        await until(pilot, lambda: "(80.0 %)" in screen_text(app))


def evaluated() -> p.Evaluated:
    return p.Evaluated(
        weights="base", rows=9, metric="accuracy", value=0.8, low=0.7, high=0.9, seconds=1.0
    )


def names(app: WorkbenchApp) -> list[str]:
    return [prompt.name for prompt in app.session.prompts]


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_variants_are_copied_named_removed_and_promoted_in_their_sheet(
    bench: Bench, size: tuple[int, int]
) -> None:
    app, _ = rich(bench)
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("alt+v")
        await until(pilot, lambda: "Variants" in screen_text(app))
        await pilot.press("n")
        assert names(app) == ["plain", "critic", "critic 2", "sampled"]
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("ctrl+u", *"plain", "enter")
        await pilot.pause()
        assert "another variant named plain" in " ".join(screen_text(app).split())
        await pilot.press("ctrl+u", *"strict", "enter")
        await pilot.pause()
        assert names(app) == ["plain", "critic", "strict", "sampled"]
        assert app.session.prompt().name == "strict"
        await pilot.press("p")
        assert names(app) == ["strict", "plain", "critic", "sampled"]
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("enter")  # keep it
        await pilot.pause()
        assert "strict" in names(app)
        await pilot.press("d")
        await pilot.pause()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert names(app) == ["plain", "critic", "sampled"]
        await pilot.press("alt+z", "alt+z")
        assert names(app) == ["plain", "critic", "strict", "sampled"]
        await pilot.press("left", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("f10")
    assert [one.name for one in bench.saved().prompts] == names(app)


async def test_many_variants_are_shown_around_the_chosen_one(bench: Bench) -> None:
    session = rich_session()
    prompts = [msgspec.structs.replace(session.prompts[0], name=f"v{n}") for n in range(12)]
    sessions.save(msgspec.structs.replace(session, prompts=prompts, active_prompt="v7"), bench.path)
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        assert "8 v7" in screen_text(app)
        await pilot.press("alt+v")
        await pilot.pause()
        await pilot.pause()
        sheet: Any = app.screen
        assert [sheet.first, sheet.chosen] == [4, 7]
        await pilot.press("right", "right")
        assert sheet.first == 6
        assert "v11" not in screen_text(app)


async def test_two_variants_are_compared_word_by_word(bench: Bench) -> None:
    app, _ = rich(bench)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+3", "alt+i")
        await until(pilot, lambda: "- plain   + sampled" in screen_text(app))
        text = screen_text(app)
        assert "- {{ text }}" in text
        assert "+ Review: {{ text }}" in text
        assert "+ generation.temperature: 0.4" in text


async def test_a_version_of_before_is_compared_and_taken_back(bench: Bench) -> None:
    app, link = rich(bench)
    now = rich_session().prompts[1]
    old = msgspec.structs.replace(now, system="You judge films.", turns=[])
    link.versions = [version(now, 0.7, 2.0), version(old, 0.61, 1.0)]
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: app.varying.versions)
        await pilot.press("alt+h")
        await until(pilot, lambda: "2 versions of this variant" in screen_text(app))
        assert "This is the text that the variant has now." in screen_text(app)
        await pilot.press("down")
        await pilot.pause()
        text = screen_text(app)
        assert "+ You judge films. You are brief and never explain what you say." in text
        assert "+ Are you ready?" in text
        await pilot.press("enter")
        await until(pilot, lambda: app.session.prompt().system == "You judge films.")
        await until(pilot, lambda: app.prompt_pane.editors["system"].text == "You judge films.")
        assert app.session.prompt().turns == []
        await pilot.press("alt+z")
        await until(pilot, lambda: app.session.prompt() == now)
        await until(pilot, lambda: app.prompt_pane.editors["turns.1"].text == "Yes.")
        await pilot.press("alt+h", "down", "n")
        await until(pilot, lambda: app.session.prompt().name == "critic 2")
        assert app.session.prompt().system == "You judge films."


async def test_a_variant_gets_a_model_of_its_own_and_gives_it_back(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+m")
        await until(pilot, lambda: "the session's" in screen_text(app))
        await pilot.press("enter")
        screen: Any = app.screen
        at = screen.keys.index(("prompt", "model", "url"))
        choices = screen.query_one("#settings")
        choices.highlighted = choices.get_option_index(str(at))
        await pilot.press("enter", *"http://localhost:1/v1", "enter")
        at = screen.keys.index(("prompt", "model", "api_key_env"))
        choices.highlighted = choices.get_option_index(str(at))
        await pilot.press("enter", "ctrl+u", *"sk-secret", "enter")
        await pilot.pause()
        assert "expected the name of an environment variable" in " ".join(screen_text(app).split())
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.session.prompt().model is not None)
        assert app.session.model_of(app.session.prompt()).url == "http://localhost:1/v1"
        assert app.session.model.url == ""
        await until(pilot, lambda: link.last(p.RenderPrompt).model.url == "http://localhost:1/v1")
        assert "1 plain*" in screen_text(app)
        await pilot.press("alt+m", "enter", "escape")
        await until(pilot, lambda: app.session.prompt().model is None)
    assert "sk-secret" not in bench.path.read_text()


# --- examples ------------------------------------------------------------------------------------


async def test_examples_are_chosen_seen_and_kept(bench: Bench) -> None:
    app: Any
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+x")
        await until(pilot, lambda: "No examples: raise the count." in screen_text(app))
        for _ in ("first", "picked"):
            await pilot.press("left")
        await until(pilot, lambda: "No row is picked: alt+p picks" in screen_text(app))
        for _ in ("first", "random"):
            await pilot.press("right")
        await pilot.press("right", "down", "right", "right", "right", "left")
        await until(pilot, lambda: " row 3 " in screen_text(app))
        assert link.last(p.ChooseExamples).prompt.examples.count == 2
        assert link.last(p.ChooseExamples).number == 0
        assert app.screen.chosen.numbers == [1, 2]  # not the row itself
        await pilot.press("enter", "ctrl+u", *"4", "enter")
        await until(pilot, lambda: " row 5 " in screen_text(app))
        await pilot.press("down", "down", "x")
        await until(pilot, lambda: "picked" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.session.prompt().examples.rows) == 3)
        assert app.session.prompt().examples.choose == "picked"
        assert "3 examples, picked" in screen_text(app)
        await pilot.press("alt+z")
        assert app.session.prompt().examples.count == 0


async def test_the_selected_row_is_picked_as_an_example_from_anywhere(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "down", "alt+p")
        await until(pilot, lambda: app.session.prompt().examples.rows == [link.key(1)])
        await pilot.press("down", "f3", "alt+p")
        keys = [link.key(1), link.key(2)]
        await until(pilot, lambda: app.session.prompt().examples.rows == keys)
        assert "2 examples, picked" in screen_text(app)
        await pilot.press("alt+p")
        await until(pilot, lambda: app.session.prompt().examples.rows == keys[:1])
        assert app.session.prompt().examples.choose == "picked"


async def test_a_row_is_added_to_the_examples_that_were_drawn(bench: Bench) -> None:
    app, link = rich(bench)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        drawn = [link.key(number) for number in range(1, 9)]
        await pilot.press("ctrl+g", *"30", "enter")
        await until(pilot, lambda: app.session.layout.row == 29)
        await pilot.press("alt+p")
        await until(pilot, lambda: len(app.session.prompt().examples.rows) == 9)
        assert app.session.prompt().examples.rows[:1] == drawn[1:2] or drawn[:1]
        assert app.session.prompt().examples.rows[-1] == link.key(29)


async def test_examples_that_cannot_be_chosen_say_why(bench: Bench) -> None:
    app, link = rich(bench)
    link.examples_problem = "minilm: there is no such encoder."
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+x")
        await until(pilot, lambda: "there is no such encoder" in screen_text(app))


# --- the exact text ------------------------------------------------------------------------------


async def test_what_the_context_has_no_room_for_is_struck_out(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.context_length = 8
    link.parts = {"system": 3, "template": 8}
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        rendered = app.browsing.rendered
        assert rendered
        over = len(rendered.tokens) - 8
        assert f"{over} tokens more than the model takes" in screen_text(app)
        await pilot.press("f9")
        await until(pilot, lambda: "here the answer begins" in screen_text(app))
        assert "system 3 · template 8" in screen_text(app)
        sheet: Any = app.screen
        struck = [text for line in sheet.lines.lines for text, ink in line if ink == "truncated"]
        kept = "".join(rendered.tokens[:8])
        assert "".join(struck) == rendered.text[len(kept) :].replace("\n", "")


async def test_a_server_counts_its_tokens_itself(bench: Bench) -> None:
    link = FakeLink(bench.rows)

    def render(request: p.RenderPrompt) -> None:
        link.on_event(
            p.PromptRendered(
                request=request.id,
                text="user: Hello",
                token_count=-1,
                context_length=0,
                notes=["The server puts the turns into its model's own words, and counts them."],
            )
        )

    link.answers[p.RenderPrompt] = render
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert "The server counts the tokens." in screen_text(app)
        assert "and counts them." in screen_text(app)  # the note in full
        await pilot.press("f9")
        await until(pilot, lambda: "What the server gets" in screen_text(app))
        await pilot.press("t")
        assert "user: Hello" in screen_text(app)
