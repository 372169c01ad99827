"""What rows are taken for: one short line, and the format with which one row is asked about."""

from typing import Any

import msgspec
import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench import session as sessions
from workbench.protocol import DatasetOpened, FormatFound
from workbench.session import Prompt
from workbench.ui.views.format import format_line
from workbench.ui.views.record import row_lines
from workbench.ui.widgets.lines import cells

MESSAGES = FormatFound(
    format="messages",
    recognised="messages",
    mapping={"messages": "talk"},
    roles=["messages", "tools?"],
    why="It is messages: talk holds lists of turns with role and content.",
)
WORDING = FormatFound(
    format="wording", recognised="messages", mapping={}, roles=[], why="The wording makes them."
)


def line_of(found: FormatFound, template: str, width: int) -> str:
    line = format_line(found, Prompt(name="[/b] plain", template=template), width)
    assert cells(line) <= width
    return "".join(text for text, _ in line)


def test_what_rows_are_comes_first_and_why_only_where_there_is_room() -> None:
    short = "m messages: messages ← talk"
    assert line_of(MESSAGES, "", 60) == short
    assert line_of(MESSAGES, "", 90) == f"{short} · talk holds lists of turns with role and content"
    wording = 'm wording "[/b] plain" makes the examples'
    assert line_of(WORDING, "{{ text }}", 60) == wording
    assert line_of(WORDING, "{{ text }}", 78) == f"{wording} · the rows look like messages"
    assert line_of(WORDING, "", 78).startswith("m no format · F3 writes a template")


@pytest.mark.parametrize("width", [1, 5, 20, 40])
def test_the_line_fits_any_width(width: int) -> None:
    for found in (MESSAGES, WORDING):
        for template in ("", "{{ text }}"):
            text = line_of(found, template, width)
            assert text[:1] in ("m", "…")
            assert len(text) <= width


class Knowing(FakeLink):
    """Takes rows for messages where the wording says no template."""

    def found(self, settings: Any) -> FormatFound:
        assert self.opened
        return WORDING if self.opened.prompt and self.opened.prompt.template else MESSAGES

    def ShowRoles(self, request: p.ShowRoles) -> None:  # noqa: N802
        found = WORDING if request.prompt.template else MESSAGES
        self.on_event(p.RolesShown(request=request.id, found=found, row={}))


async def test_a_row_alone_is_asked_about_with_the_format_of_its_dataset(bench: Bench) -> None:
    link = Knowing(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        app.browsing.edit(Prompt(name="plain"))
        await until(pilot, lambda: "messages: messages ← talk" in screen_text(app))
        await until(pilot, lambda: link.last(p.RenderPrompt).dataset.format == "messages")
        assert link.last(p.RenderPrompt).dataset.mapping == {"messages": "talk"}
        await pilot.press("f5")
        await until(pilot, lambda: "Generate" in link.kinds())
        assert link.last(p.Generate).dataset.format == "messages"
        assert app.session.dataset.format == "auto"


async def test_the_line_follows_the_wording(bench: Bench) -> None:
    link = Knowing(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        app.browsing.edit(Prompt(name="plain"))
        await until(pilot, lambda: "messages: messages ← talk" in screen_text(app))
        app.browsing.edit(Prompt(name="plain", template="{{ text }}"))
        await until(pilot, lambda: 'wording "plain" makes the examples' in screen_text(app))
        assert link.last(p.RenderPrompt).dataset.format == "auto"
        asked = link.kinds().count("ShowRoles")
        app.browsing.edit(Prompt(name="plain", template="{{ text }}!"))
        await until(pilot, lambda: link.last(p.RenderPrompt).prompt.template.endswith("!"))
        assert link.kinds().count("ShowRoles") == asked


@pytest.mark.parametrize(("who", "what"), [("role", "content"), ("from", "value")])
def test_a_conversation_is_shown_turn_by_turn(who: str, what: str) -> None:
    talk = [{who: "user", what: "Hi [/b]"}, {who: "assistant", what: "Ho"}]
    opened = DatasetOpened(description="", columns=["talk"], types=["list"], rows=1)
    row = p.Row(request=1, index=0, number=0, values={"talk": talk}, key="1:a")
    text = "\n".join("".join(part for part, _ in line) for line in row_lines(opened, row, 60))
    assert "talk  user       Hi [/b]" in text
    assert "      assistant  Ho" in text


def test_what_is_no_conversation_is_shown_as_it_is() -> None:
    opened = DatasetOpened(description="", columns=["talk"], types=["list"], rows=1)
    talk = [{"role": "user", "content": "Hi", "name": "Ann"}]
    row = p.Row(request=1, index=0, number=0, values={"talk": talk}, key="1:a")
    text = "\n".join("".join(part for part, _ in line) for line in row_lines(opened, row, 90))
    assert "'name': 'Ann'" in text


async def test_rows_that_are_examples_by_themselves_need_no_answer_to_learn(bench: Bench) -> None:
    link = Knowing(bench.rows)
    app, _ = bench.open(link)
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        app.browsing.edit(Prompt(name="plain", template="{{ text }}"))
        await until(pilot, lambda: "It needs an answer to learn" in screen_text(app))
        app.browsing.edit(Prompt(name="plain"))
        await until(pilot, lambda: "It needs an answer to learn" not in screen_text(app))
        await pilot.press("f7")
        await until(pilot, lambda: "learns to give the answers on" in screen_text(app))
        assert "no answer to learn yet" not in screen_text(app)


async def test_the_prompt_pane_says_that_the_row_is_the_prompt(bench: Bench) -> None:
    session = bench.saved()
    empty = Prompt(name="plain")
    sessions.save(msgspec.structs.replace(session, prompts=[empty]), bench.path)
    app, _ = bench.open(Knowing(bench.rows))
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "the row itself is the prompt (messages)" in screen_text(app))
