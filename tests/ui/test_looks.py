"""Themes, help, palette, and the pieces that text is drawn with."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.color import Color
from textual.filter import ANSIToTruecolor

from tests.ui.conftest import THEMES, Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench import session as sessions
from workbench.ui import themes, units
from workbench.ui.actions import ACTIONS
from workbench.ui.app import WorkbenchApp
from workbench.ui.cards import Card, Part, Score
from workbench.ui.screens.help import draw as draw_help
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.answer import card_lines
from workbench.ui.widgets.lines import beside, cells, clip, progress_bar, spread, wrap
from workbench.ui.widgets.widths import column_widths


async def test_every_theme_can_be_put_on(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        seen = set()
        for _ in app.theme_names:
            await pilot.press("alt+t")
            await pilot.pause()
            seen.add(app.theme)
            assert "Dataset" in screen_text(app)
        assert seen == {path.stem for path in THEMES.glob("*.toml")} >= {"paper", "terminal-16"}
        await pilot.press("f10")
    assert bench.saved().layout.theme in seen


async def test_a_theme_of_ones_own_and_its_errors(bench: Bench, tmp_path: Path) -> None:
    own = tmp_path / "themes"
    own.mkdir()
    (own / "mine.toml").write_text('primary = "#ff00ff"\nbackground = "#101010"\n')
    (own / "bad.toml").write_text('primary = "reddish"\n')
    (own / "worse.toml").write_text("primary = \n")
    (own / "typo.toml").write_text('primary = "#ffffff"\nbackgruond = "#000000"\n')
    found, problems = themes.read_folders([THEMES, own])
    assert "mine" in [theme.name for theme in found]
    assert len(problems) == 3
    assert any("bad.toml: primary: expected a colour" in one for one in problems)
    assert any("typo.toml: backgruond: there is no such key" in one for one in problems)
    app = WorkbenchApp(
        sessions.load(bench.path), bench.path, FakeLink(bench.rows), theme_folders=[THEMES, own]
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert any("typo.toml" in line for line in app.messages)
        app.set_theme("mine")
        await pilot.pause()
        assert "Dataset" in screen_text(app)


@pytest.mark.parametrize(
    ("term", "colorterm", "expected"),
    [
        ("xterm", "", "terminal-16"),
        ("linux", "", "terminal-16"),
        ("xterm-256color", "", "workbench"),
        ("xterm", "truecolor", "workbench"),
    ],
)
def test_few_colours_choose_their_theme(
    monkeypatch: pytest.MonkeyPatch, term: str, colorterm: str, expected: str
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLORTERM", colorterm)
    assert themes.first("", [THEMES]).name == expected
    assert themes.first("paper", [THEMES]).name == "paper"
    assert themes.first("no such", []).name == "workbench"


async def test_help_and_palette_hold_every_action(bench: Bench) -> None:
    help_text = " ".join("".join(part for part, _ in line).strip() for line in draw_help(200))
    for action in ACTIONS:
        assert action.help in help_text
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        from workbench.ui.palette import Commands

        labels = [label for label, _, _ in Commands(app.screen).commands()]
        assert all(any(label.startswith(action.label) for label in labels) for action in ACTIONS)
        await pilot.press("ctrl+p", *"zoom")
        await until(pilot, lambda: "Zoom pane" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.zoomed)


async def test_the_footer_fits_and_keeps_the_way_out(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        for width in (160, 120, 80, 60):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            footer = screen_text(app).splitlines()[-1]
            assert cell_len(footer) == width
            assert "F10 Quit" in footer
            assert "…" not in footer


def test_wrapping_loses_no_word_and_fits() -> None:
    text = "The quick brown fox 宽字符宽字符宽字符 jumps" + " over" * 20
    lines = wrap(text, 11)
    assert all(cells(line) <= 11 for line in lines)
    joined = "".join(part for line in lines for part, _ in line)
    assert joined.replace(" ", "") == text.replace(" ", "")


def test_a_huge_text_is_cut_and_counted() -> None:
    lines = wrap("x" * 250_000, 100)
    assert "".join(part for part, _ in lines[-1]) == "… 150,000 more characters"


def test_lines_are_clipped_with_an_ellipsis_to_the_cell() -> None:
    assert clip([("宽字符", "text")], 5) == [("宽字…", "text")]
    assert clip([("ab", "text"), ("cd", "quiet")], 3) == [("ab", "text"), ("…", "quiet")]
    assert cells(spread([("left", "text")], [("right", "text")], 30)) == 30
    assert all(cells(line) <= 23 for line in beside([[("a" * 50, "text")]], [], 10))
    assert cells(progress_bar(0.333, 17, "accent")) == 17


def test_columns_take_the_room_there_is() -> None:
    sample = [["1", "long text " * 30, "negative"]]
    assert sum(column_widths(["id", "text", "label"], sample, 80)) + 6 == 80
    many = column_widths([f"column {n}" for n in range(40)], [["x" * 50] * 40], 80)
    assert min(many) >= 6


def test_figures_are_written_for_people() -> None:
    assert units.duration(185) == "3 min 05 s"
    assert units.duration(0.314) == "0.31 s"
    assert units.duration(7440) == "2 h 04 min"
    assert units.size(1.2e9) == "1.2 GB"
    assert units.parameters(134_515_008) == "135 M"
    assert units.figure(0.00001) == "1.00e-05"
    assert units.plural(1, "row") == "1 row"
    assert units.plural(8605, "row") == "8,605 rows"


async def test_a_hidden_editor_is_drawn_for_the_width_it_comes_back_to(bench: Bench) -> None:
    words = "Is this sentence of a film review positive or negative? Answer with one word."
    saved = bench.saved()
    sessions.save(saved.with_prompt(replace(saved.prompt(), template=words)), bench.path)
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f6")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: app.narrow)
        await pilot.press("f3")
        await until(pilot, lambda: "positive or negative? Answer with one" in screen_text(app))


async def test_rows_left_out_of_a_measurement_are_counted(bench: Bench) -> None:
    score = Score(rows=9, metric="accuracy", value=0.5, low=0.3, high=0.7, seconds=1.0, left_out=2)
    card = Card(kind="measurement", scores={"base": score}, state="finished")
    text = "\n".join("".join(part for part, _ in line) for line in card_lines(card, 60))
    assert "2 rows left out: too long" in text


async def test_a_theme_of_sixteen_colours_is_drawn_in_the_terminals_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM")
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert app.theme == "terminal-16"
        turned = [one for one in app._filters if isinstance(one, ANSIToTruecolor)]
        assert not any(one.enabled for one in turned)


def shown(card: Card, width: int) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in card_lines(card, width)]


async def test_the_editors_cursor_is_seen_in_sixteen_colours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Textual turns the colours of the cursor round once more, which hides it on black."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLORTERM", raising=False)
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        assert app.theme == "terminal-16"
        await pilot.press("f3")
        editor = app.prompt_pane.editors["template"]
        cursor = editor.get_component_styles("text-area--cursor")
        assert not cursor.text_style.reverse
        assert cursor.background != cursor.color
        quiet = editor.get_component_styles("text-area--placeholder").color
        assert quiet.ansi == 8  # else what could be typed looks as if it had been


def test_a_blank_answer_is_told_in_words() -> None:
    card = Card(row=0, expected="positive", state="finished")
    card.parts["base"] = Part(text="\n" * 40, tokens=40, reason="length")
    assert "(40 blank characters, nothing else)" in shown(card, 60)
    card.parts["base"] = Part(text="positive" + "\n" * 30, tokens=31, reason="length")
    assert shown(card, 60)[2:4] == ["positive", "(and 30 blank characters)"]
    card.parts["base"] = Part(text="one\n\ntwo\n", tokens=4, reason="end")
    assert shown(card, 60)[2:5] == ["one", "", "two"]


def test_a_stopped_answer_is_not_judged() -> None:
    card = Card(row=0, expected="positive", state="cancelled")
    card.parts["base"] = Part(text="pos", tokens=1, reason="stopped")
    assert not any("expected" in line and "✗" in line for line in shown(card, 60))


def test_a_score_is_never_cut() -> None:
    card = Card(kind="measurement", state="finished")
    for name in ("base", "tuned"):
        card.scores[name] = Score(
            rows=15, metric="accuracy", value=0.533, low=0.301, high=0.752, seconds=1
        )
    for width in (56, 76, 120):
        text = "\n".join(shown(card, width))
        assert text.count("30.1 – 75.2 %") == 2
        assert "…" not in text


def test_a_finished_step_of_opening_has_no_time_left() -> None:
    progress = p.Progress(what="reading", done=50, total=50, unit="rows", seconds_left=0)
    text = "".join(part for line in progress_lines(progress, 60) for part, _ in line)
    assert "50 of 50 rows" in text
    assert "left" not in text


@pytest.mark.parametrize("name", ["ink", "moss", "paper", "workbench"])
def test_what_is_read_has_contrast(name: str) -> None:
    theme = themes.read(THEMES / f"{name}.toml")
    for ink in ("quiet", "good", "bad", "warn", "base", "tuned", "special"):
        for ground in (theme.background, theme.variables["field"], theme.variables["bar"]):
            assert contrast(theme.variables[ink], str(ground)) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' relative luminance, as WCAG defines it."""
    lights = []
    for colour in (one, other):
        parts = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in Color.parse(colour).normalized
        ]
        lights.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize(
    ("pane", "first"),
    [("dataset", "Dataset"), ("prompt", "Prompt"), ("monitor", "Training"), ("", "Look")],
)
def test_the_help_begins_with_the_keys_of_the_pane_in_use(pane: str, first: str) -> None:
    texts = ["".join(text for text, _ in line) for line in draw_help(80, pane)]
    assert texts[0].split("  ")[0] == first
    assert sorted(texts) == sorted("".join(t for t, _ in line) for line in draw_help(80))


def test_the_help_says_where_letters_are_heard() -> None:
    """`x` leaves a row out in one pane, and exports a run in another."""
    lines = ["".join(text for text, _ in line) for line in draw_help(100)]
    assert "Training  letters and numbers: in the monitor pane, F6" in lines
    assert any("Runs: Show the curve" in line for line in lines)
    assert any("Dataset: Have the selected row" in line for line in lines)
