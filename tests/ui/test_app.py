"""The app as a whole, driven by keys alone, against a scripted worker."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink, write_run
from workbench import protocol as p
from workbench import session as sessions
from workbench.ui.actions import ACTIONS
from workbench.ui.app import WorkbenchApp
from workbench.ui.panes.pane import Pane

SIZES = [(160, 45), (120, 40), (80, 24), (40, 10), (12, 4)]


def test_starting_the_app_imports_nothing_heavy() -> None:
    code = (
        "import sys, workbench.ui.app;"
        "assert 'workbench.protocol' not in sys.modules;"  # it comes after the first paint
        "import workbench.ui.asking, workbench.ui.browsing,"
        "workbench.ui.watching, workbench.ui.panes.monitor, workbench.ui.palette,"
        "workbench.ui.panes.dataset, workbench.ui.looking, workbench.ui.finding;"
        "views = sorted(one for one in sys.modules if one.startswith('workbench.ui.views.'));"
        "names = [one.rpartition('.')[2] for one in views];"
        "assert names == ['curves', 'format', 'record'], names;"
        "import workbench.ui.views.columns, workbench.ui.views.tokens, workbench.ui.views.lengths,"
        "workbench.ui.views.problems, workbench.ui.screens.opening, workbench.ui.screens.format,"
        "workbench.ui.screens.splits, workbench.ui.screens.exporting, workbench.ui.places;"
        "heavy = {'torch','transformers','datasets','numpy','pyarrow','jinja2','pandas','duckdb'};"
        "ours = {'workbench.worker','workbench.data','workbench.inference','workbench.training'};"
        "print(sorted((heavy | ours) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_action_has_a_method_and_no_key_is_used_twice_in_one_place() -> None:
    views = {
        "dataset": ("rows", "columns", "tokens", "lengths", "problems"),
        "output": ("answers", "grid", "scores", "search", "versions"),
        "monitor": ("curves", "pinned", "happened", "compared_runs", "sweep"),
    }
    for pane, names in views.items():
        for view in names:
            here = [action for action in ACTIONS if action.where in ("", pane, view)]
            keys = [key for action in here for key in action.keys.split(",")]
            assert len(keys) == len(set(keys)), view
    for action in ACTIONS:
        name = action.name.partition("(")[0]
        assert callable(getattr(WorkbenchApp, f"action_{name}")), action


@pytest.mark.parametrize("size", SIZES)
async def test_it_is_drawn_at_any_size(bench: Bench, size: tuple[int, int]) -> None:
    app, _ = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        shown = [pane for pane in app.query(Pane) if pane.display]
        assert len(shown) == (4 if size[0] >= 100 else 1)
        for key in ("f3", "f4", "f6", "f2"):
            await pilot.press(key)
        assert screen_text(app)


async def test_resizing_and_zooming_change_how_many_panes_are_shown(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f4", "ctrl+t")
        assert [pane.id for pane in app.query(Pane) if pane.display] == ["output"]
        await pilot.press("ctrl+t")
        assert len([pane for pane in app.query(Pane) if pane.display]) == 4
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert [pane.id for pane in app.query(Pane) if pane.display] == ["output"]
        assert "F2 Dataset │ F3 Prompt │ F4 Output │ F6 Monitor" in screen_text(app)


async def test_the_row_under_the_cursor_fills_the_prompt(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        assert "250 rows · 25 for evaluation" in screen_text(app)
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: link.last(p.RenderPrompt).values.get("id") == 1003)
        await until(pilot, lambda: "Brisk hack job. (3)" in app.browsing.rendered.text)
        await pilot.press("end")
        await until(pilot, lambda: link.last(p.RenderPrompt).values.get("id") == 1249)
        assert "(249)" in screen_text(app)
        await pilot.press("ctrl+g", *"120", "enter")
        await until(pilot, lambda: link.last(p.RenderPrompt).values.get("id") == 1119)
        assert app.session.layout.row == 119


async def test_passing_over_rows_does_not_ask_for_each(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        before = link.kinds().count("ReadRow")
        await pilot.press(*["down"] * 30)
        await until(pilot, lambda: link.last(p.ReadRow).index == 30)
        assert link.kinds().count("ReadRow") - before < 15


async def test_reopening_brings_back_the_row_the_wording_and_the_pane(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("pagedown", "ctrl+n", "f4")
        row = app.session.layout.row
        await pilot.press("f10")
    assert row > 0
    again, _ = bench.open()
    async with again.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert again.dataset_pane.table.cursor == row
        assert again.session.prompt().name == "critic"
        assert again.output_pane.lines.has_focus


async def test_a_dataset_that_cannot_be_opened_says_what_to_do(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.dataset_problem = "reviews.csv: there is no such file; correct dataset.source."
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.begun and app.dataset_pane.problem)
        text = screen_text(app)
        assert "The dataset could not be opened." in text
        assert "there is no such file" in text
        await pilot.press("f5")  # a prompt without variables still works
        await until(pilot, lambda: app.asking.cards.cards[0].state == "finished")


async def test_an_empty_dataset_is_said_to_be_empty(bench: Bench) -> None:
    app, _ = bench.open(FakeLink([]))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.begun and app.browsing.opened)
        await pilot.press("down", "end", "pageup")
        assert "This dataset has no rows." in screen_text(app)


async def test_a_template_error_is_shown_where_it_is_made(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        link.prompt_problem = "template, line 1: there is no column txt; there is text."
        await pilot.press("f3", "x")
        await until(pilot, lambda: "there is no column txt" in screen_text(app))


async def test_the_worker_is_restarted_and_asked_again(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        asked = len(link.sent)
        link.news(p.HostLost(message="The worker ended; a new one was started.", restarted=True))
        await until(pilot, lambda: len(link.sent) > asked + 3)
        assert {"Hello", "OpenDataset", "LoadModel"} <= set(link.kinds()[asked:])
        await ready(pilot)
        assert any("a new one was started" in line for line in app.messages)


async def test_copying_says_what_and_reaches_a_terminal_behind_tmux(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.ui.clipboard import sequence

    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+c")
        assert '"id":1000' in app.clipboard
        assert "Copied row 1" in app.messages[-1]
    assert sequence("hi") == "\x1b]52;c;aGk=\x07"
    monkeypatch.setenv("TMUX", "/run/tmux")
    assert sequence("hi") == "\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\"


EVIL = [
    "[/i] [@click=app.quit]x[/] [bold]b",
    "\x1b[31mred\x1b]52;c;aGk=\x07",
    "\u202eright to left\u202c",
    "宽字符 wide 漢字 😀 emoji",
    "a\tb\tc\nnew line\r\nx",
    "long " * 2000,
    "",
]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_text_from_outside_is_shown_literally(bench: Bench, size: tuple[int, int]) -> None:
    rows: list[dict[str, Any]] = [{"text[/]": text, "label": "[red]"} for text in EVIL]
    app, link = bench.open(FakeLink(rows))
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.begun and app.browsing.values)
        for row, text in enumerate(EVIL):
            await until(pilot, lambda row=row: app.browsing.values == rows[row])
            shown = screen_text(app)
            assert "\x1b" not in shown
            assert "\u202e" not in shown
            if text.startswith("[/i]"):
                assert "[/i] [@click=app.quit]x[/] [bold]b" in shown
            await pilot.press("down")
        link.news(p.Failed(message="[/b] \x1b[2J [@click=app.quit]no[/]", details="[/]"))
        await until(pilot, lambda: "[/b] ␛[2J [@click=app.quit]no[/]" in screen_text(app))
        for key in ("f5", "f9", "escape", "ctrl+l", "escape", "f12", "escape", "ctrl+o", "escape"):
            await pilot.press(key)
            await pilot.pause(0.05)
        assert app.is_running


async def test_names_with_markup_are_shown_literally(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "sessions" / "[red]x[@click=app.quit].toml"
    session = sessions.load(bench.path)
    prompts = list(session.prompts)
    prompts[0] = sessions.Prompt(name="[/]wording", template="[bold]{{ text }}")
    sessions.save(sessions.Session(prompts=prompts, active_prompt="[/]wording"), path)
    write_run(tmp_path, "[i]run[@x]", session, 12)
    app = WorkbenchApp(sessions.load(path), path, FakeLink(bench.rows), theme_folders=[])
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "Monitor · [i]run[@x]" in screen_text(app))
        text = screen_text(app)
        assert "[red]x[@click=app.quit]" in text
        assert "Prompt · [/]wording" in text
        await pilot.press("ctrl+o")
        await pilot.pause(0.1)
        assert "[red]x[@click=app.quit]" in screen_text(app)
