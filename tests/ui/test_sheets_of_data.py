"""Opening data, its format, its splits, and exports: the sheets of the dataset pane."""

import os
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench import session as sessions
from workbench.session import DatasetSettings, Session
from workbench.ui.places import folder_of, is_data, listing, recent_sources
from workbench.ui.screens.opening import OpenScreen
from workbench.ui.widgets.field import Choices, Field


def listed(app: Any) -> list[str]:
    """The options of the sheet on top, as text."""
    texts = []
    for option in app.screen.query_one(Choices).options:
        assert isinstance(option.prompt, Content)
        texts.append(option.prompt.plain)
    return texts


# --- opening ---------------------------------------------------------------------------------


async def test_starters_and_what_was_used_come_first(bench: Bench) -> None:
    other = Session(dataset=DatasetSettings(source="books/*.txt"))
    sessions.save(other, bench.path.with_name("books.toml"))
    (bench.workspace / "mine.jsonl").write_text("{}\n" * 500)
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o")
        await until(pilot, lambda: any("mine.jsonl" in one for one in listed(app)))
        await until(pilot, lambda: any("books/*.txt" in one for one in listed(app)))
        names = [one.split()[1] if one[0] in "★↺▸" else one.split()[0] for one in listed(app)]
        assert names[0] == "film-reviews"
        assert names.index("books/*.txt") < names.index("mine.jsonl")
        assert "1.5 kB" in next(one for one in listed(app) if "mine.jsonl" in one)
        await pilot.press(*"mine", "tab", "enter")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.source == "mine.jsonl")
        await pilot.press("f10")
    assert bench.saved().dataset.source == "mine.jsonl"


async def test_folders_are_gone_into_and_opened_as_a_whole(bench: Bench) -> None:
    folder = bench.workspace / "data" / "parts"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("{}")
    (folder / "notes.bin").write_text("")
    app, link = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o", *"da", "tab")
        await until(pilot, lambda: any("data/parts/" in one for one in listed(app)))
        await pilot.press("down", "enter")
        await until(pilot, lambda: any("a.jsonl" in one for one in listed(app)))
        assert app.screen.query_one(Field).value == "data/parts/"
        assert not any("notes.bin" in one for one in listed(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.source == "data/parts/")


async def test_a_hub_id_or_a_glob_is_opened_as_it_is_typed(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o", *"owner/name[x]")
        await until(pilot, lambda: "enter tries “owner/name[x]”" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.source == "owner/name[x]")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("owner/name", "as it is, as a hub id"),
        ("bare/", "There are no folders and no data files here."),
        ("./bare/x", "enter tries “./bare/x” as it is."),
        ("nowhere/", "There is no such folder."),
        ("/nowhere/at/all", "There is no such folder."),
        ("bare/*.csv", "as it is, as a glob"),
    ],
)
async def test_where_nothing_is_listed_it_is_said_why(bench: Bench, typed: str, words: str) -> None:
    (bench.workspace / "bare").mkdir()
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o")
        app.screen.query_one(Field).value = typed
        await until(pilot, lambda: words in screen_text(app))


async def test_a_starter_keeps_its_name_where_there_is_little_room(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        app.modelling.starters = [("film-reviews", "words " * 30)]
        await pilot.press("alt+o")
        await until(pilot, lambda: any("★ film-reviews" in one for one in listed(app)))


async def test_more_columns_than_lines_take_a_line_each(bench: Bench) -> None:
    bench.rows = [{f"column {index}": index for index in range(60)}]
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "S")
        await until(pilot, lambda: "column 0" in screen_text(app).split("Sort by")[-1])
        await pilot.pause()
        lines = [line.split("┃")[2] for line in screen_text(app).split("\n") if "┃" in line][5:10]
        assert all("column" in line and "integer" in line for line in lines), lines


async def test_another_source_starts_without_what_was_said_of_the_one_before(
    bench: Bench,
) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "down", "x")
        await until(pilot, lambda: app.session.dataset.leave_out_rows)
        await pilot.press("alt+o", *"x.csv", "enter")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.source == "x.csv")
        assert app.session.dataset == DatasetSettings(source="x.csv")
        assert app.session.layout.row == 0


async def test_names_with_markup_are_listed_literally(bench: Bench) -> None:
    (bench.workspace / "[@click=app.quit]x[.jsonl").write_text("{}")
    (bench.workspace / "\x1b[31mred.csv").write_text("a")
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o")
        await until(pilot, lambda: "[@click=app.quit]x[.jsonl" in screen_text(app))
        assert "␛[31mred.csv" in screen_text(app)
        assert "\x1b" not in screen_text(app)


async def test_ten_thousand_files_are_narrowed_by_typing(bench: Bench) -> None:
    folder = bench.workspace / "many"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"part-{number:05}.jsonl").touch()
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o", *"many/")
        await until(pilot, lambda: "more; type to narrow the list." in screen_text(app))
        assert len(listed(app)) <= 300
        await pilot.press(*"part-0777")
        await until(pilot, lambda: len(listed(app)) == 10)


def test_a_folder_says_why_it_cannot_be_listed(tmp_path: Path) -> None:
    assert listing(tmp_path / "no") == ([], f"{tmp_path / 'no'}: there is no such folder.")
    file = tmp_path / "a.csv"
    file.write_text("a")
    assert listing(file) == ([], f"{file} is a file, not a folder.")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read everything")
    assert listing(closed) == ([], f"{closed} cannot be read: Permission denied.")


def test_what_is_listed_is_data_and_folders_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl.gz", "A.csv", "c.exe", ".hidden.csv"):
        (tmp_path / name).write_text("12345")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "lost.csv").symlink_to(tmp_path / "gone")
    entries, problem = listing(tmp_path)
    assert [(one.name, one.folder, one.size) for one in entries] == [
        ("zoo", True, 0),
        ("A.csv", False, 5),
        ("b.jsonl.gz", False, 5),
    ]
    assert problem == ""
    assert not is_data("archive.gz")


@pytest.mark.parametrize(
    ("text", "folder", "start"),
    [
        ("", "/w", ""),
        ("da", "/w", "da"),
        ("data/pa", "/w/data", "pa"),
        ("..", "/w/..", ""),
        ("../x", "/w/..", "x"),
        ("/etc/h", "/etc", "h"),
        ("~/d", "/home/me", "d"),
        ("~", "/home/me", ""),
    ],
)
def test_a_typed_path_is_split_as_a_shell_does(
    monkeypatch: pytest.MonkeyPatch, text: str, folder: str, start: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert folder_of(text, Path("/w")) == (Path(folder), start)


def test_sources_used_before_are_those_of_sessions_that_can_be_read(bench: Bench) -> None:
    bench.path.with_name("broken.toml").write_text("][")
    assert recent_sources(bench.path) == ["film-reviews"]


async def test_a_listing_that_comes_late_is_not_taken_for_another(bench: Bench) -> None:
    (bench.workspace / "late.csv").write_text("a")
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("alt+o")
        sheet = app.screen
        assert isinstance(sheet, OpenScreen)
        await until(pilot, lambda: any("late.csv" in one for one in listed(app)))
        sheet.folder = Path("/elsewhere")
        sheet.entries = []
        await sheet.read_folder(bench.workspace)
        assert sheet.entries == []


# --- format ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_the_format_is_tried_on_the_row_before_it_is_kept(
    bench: Bench, size: tuple[int, int]
) -> None:
    app, link = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        assert "classification: text, label" in screen_text(app)
        await pilot.press("f2", "m")
        await until(pilot, lambda: "The selected row would be" in screen_text(app))
        opened = link.kinds().count("OpenDataset")
        await pilot.press("enter", *"prompt", "enter")  # prompt/completion, from the list
        await until(pilot, lambda: "needs a column for prompt" in screen_text(app))
        assert "completion needs a column" in screen_text(app)
        await pilot.press("down", "enter", *"text", "enter", "down", "right", "right")
        await until(pilot, lambda: link.last(p.ShowRoles).dataset.mapping.get("completion"))
        await until(pilot, lambda: "needs a column" not in screen_text(app))
        assert link.last(p.ShowRoles).dataset.mapping == {"prompt": "text", "completion": "text"}
        assert "Brisk hack job. (0)" in screen_text(app).split("would be")[1]
        assert link.kinds().count("OpenDataset") == opened
        await pilot.press("u")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.format == "prompt_completion")
        await until(pilot, lambda: "prompt/completion: prompt ← text" in screen_text(app))
        await pilot.press("f10")
    assert bench.saved().dataset.mapping == {"prompt": "text", "completion": "text"}


async def test_a_format_left_with_escape_is_as_it_was(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "m", "right", "right", "escape")
        await pilot.pause()
        assert app.session.dataset.format == "auto"
        assert link.kinds().count("OpenDataset") == 1
        assert app.sheet is None


# --- splits ----------------------------------------------------------------------------------


async def test_splits_say_what_comes_of_them_and_are_checked(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.splits = ["train", "test"]
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "p")
        await until(pilot, lambda: "This source has 2 splits: train, test." in screen_text(app))
        await pilot.press("tab", *"tset", "enter")
        await until(pilot, lambda: "there is no split" in screen_text(app))
        await pilot.press("ctrl+u", "tab", "ctrl+u", *"2", "enter")
        await until(pilot, lambda: "evaluation_share" in screen_text(app))
        await pilot.press("ctrl+u", *"0.2", "tab", "tab", *"label")
        await until(pilot, lambda: "the same share of each label" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.stratify_by == "label")
        assert app.session.dataset.evaluation_share == 0.2
        assert app.session.dataset.evaluation_split == ""


async def test_another_split_is_another_dataset(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.splits = ["train", "test"]
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "p", "ctrl+u", *"test", "enter")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.split == "test")
        await ready(pilot)
        assert app.dataset_pane.table.total == 250


# --- export ----------------------------------------------------------------------------------


async def test_the_rows_shown_are_exported_and_what_is_there_is_asked_about(bench: Bench) -> None:
    target = bench.workspace / "out.jsonl"
    target.write_text("before")
    app, link = bench.open()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press("f2", "slash", *"waste", "enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        await pilot.press("e", "ctrl+u", *"out.xls", "enter")
        await until(pilot, lambda: "must end in one of" in screen_text(app))
        await pilot.press("ctrl+u", *"out.jsonl", "enter")
        await until(pilot, lambda: "is there already" in screen_text(app))
        assert target.read_text() == "before"
        assert "ExportRows" not in link.kinds()
        await pilot.press("tab", "down", "shift+tab", "enter")
        await until(pilot, lambda: "ExportRows" in link.kinds())
        asked = link.last(p.ExportRows)
        assert (asked.what, asked.overwrite, asked.view) == ("roles", True, app.finding.view)
        await until(pilot, lambda: "Wrote 83 rows, 249 B, to" in screen_text(app))
        assert app.sheet is None


async def test_an_export_shows_how_far_it_is_and_is_stopped(bench: Bench) -> None:
    link = FakeLink(bench.rows, pace=0.2)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "e", "ctrl+u", *"all.parquet", "enter")
        await until(pilot, lambda: "20 % · 50 of 250 rows" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped: nothing was written." in screen_text(app))
        assert link.last(p.ExportRows).id in link.cancelled
        assert not (bench.workspace / "all.parquet").exists()
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)


async def test_what_fails_in_an_export_is_said_in_the_sheet(bench: Bench) -> None:
    app, link = bench.open()

    def refuse(request: p.ExportRows) -> None:
        link.news(p.Failed(request=request.id, message="[/b] No space left; make room."))

    link.answers[p.ExportRows] = refuse
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "e", "enter")
        await until(pilot, lambda: "[/b] No space left; make room." in screen_text(app))


async def test_the_folder_that_is_proposed_for_exports_is_made(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press("f2", "e")
        await until(pilot, lambda: "▸ the rows as they are" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Wrote 250 rows" in screen_text(app))
    assert len(list((bench.workspace / "exports").iterdir())) == 1


async def test_a_folder_for_exports_that_cannot_be_made_is_said(bench: Bench) -> None:
    (bench.workspace / "exports").write_text("a file")
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "e", "enter")
        await until(pilot, lambda: "exports cannot be made: File exists." in screen_text(app))
    assert "ExportRows" not in link.kinds()
