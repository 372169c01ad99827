"""Looking into a dataset through a Worker, in both hosts."""

import gzip
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from msgspec.structs import replace

from tests.worker.conftest import Line
from workbench.protocol import (
    Cancel,
    ColumnsSummarised,
    DatasetIndexed,
    DatasetOpened,
    Done,
    ExportRows,
    Failed,
    FindProblems,
    FindRows,
    InspectTokens,
    LengthsMeasured,
    MeasureLengths,
    OpenDataset,
    ProblemsFound,
    PromptRendered,
    ReadRow,
    ReadRows,
    RenderPrompt,
    RolesShown,
    Row,
    Rows,
    RowsExported,
    RowsFound,
    ShowRoles,
    SummariseColumns,
    TokensInspected,
)
from workbench.session import DatasetSettings, Prompt, Session
from workbench.worker import data_desk
from workbench.worker.link import HostLink, LocalLink


def write(path: Path, rows: list[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def films(count: int = 200) -> list[dict[str, object]]:
    return [
        {
            "text": f"Film {index} is {'good' if index % 3 else 'bad'}.",
            "rating": index % 7,
            "label": "positive" if index % 3 else "negative",
        }
        for index in range(count)
    ]


@pytest.fixture
def opened(line: Line, session: Session) -> DatasetOpened:
    write(line.folder / "films.jsonl", films())
    return open_films(line)


def open_films(line: Line, **settings: object) -> DatasetOpened:
    dataset = DatasetSettings(**{"source": "films.jsonl", **settings})  # type: ignore[arg-type]
    found = line.ask(OpenDataset(dataset=dataset, folder=str(line.folder)), last=DatasetOpened)[-1]
    assert isinstance(found, DatasetOpened), found
    return found


def find(line: Line, request: FindRows) -> RowsFound:
    answers = line.ask(request)
    assert isinstance(answers[-1], Done), answers
    found = [one for one in answers if isinstance(one, RowsFound)][-1]
    assert found.complete
    return found


def rows_of(line: Line, view: int, stop: int = 1000) -> Rows:
    found = line.ask(ReadRows(start=0, stop=stop, view=view), last=Rows)[-1]
    assert isinstance(found, Rows), found
    return found


def test_an_opened_dataset_says_what_its_rows_are(opened: DatasetOpened) -> None:
    assert opened.rows == 200
    assert opened.complete
    assert opened.used + opened.evaluation_rows == 200
    assert opened.format is not None
    assert opened.format.recognised == "classification"
    assert opened.format.mapping["label"] == "label"


def test_rows_held_out_are_marked_and_keep_their_numbers(line: Line, opened: DatasetOpened) -> None:
    rows = rows_of(line, 0)
    assert rows.numbers == list(range(200))
    assert rows.marks.count("evaluation") == opened.evaluation_rows > 0
    held = find(line, FindRows(side="evaluation"))
    assert rows_of(line, held.view).numbers == [
        number for number, mark in zip(rows.numbers, rows.marks, strict=True) if mark
    ]


def test_a_filter_a_search_and_an_order_make_views(line: Line, opened: DatasetOpened) -> None:
    found = find(line, FindRows(where='rating > 1 and label == "positive"', sort="rating"))
    expected = [row for row in films() if row["rating"] > 1 and row["label"] == "positive"]  # type: ignore[operator]
    assert found.rows == len(expected)
    shown = rows_of(line, found.view)
    ratings = [int(row[1]) for row in shown.cells]
    assert ratings == sorted(ratings)
    searched = find(line, FindRows(search="FILM 17 "))
    assert rows_of(line, searched.view).numbers == [17]
    row = line.ask(ReadRow(index=0, view=searched.view), last=Row)[-1]
    assert (row.number, row.values) == (17, films()[17])


def test_a_row_is_found_in_a_view_by_its_number(line: Line, opened: DatasetOpened) -> None:
    found = find(line, FindRows(sort="rating", descending=True))
    row = line.ask(ReadRow(index=0, number=8, view=found.view), last=Row)[-1]
    assert (row.number, row.values) == (8, films()[8])
    assert rows_of(line, found.view).numbers[row.index] == 8
    few = find(line, FindRows(search="Film 3 "))
    (failed,) = line.ask(ReadRow(index=0, number=8, view=few.view), last=Row)
    assert failed.message == "There is no row 9 among the rows shown."


def test_a_wrong_filter_is_refused_in_a_sentence(line: Line, opened: DatasetOpened) -> None:
    (failed,) = line.ask(FindRows(where="ratng > 1"))
    assert isinstance(failed, Failed)
    assert "rating" in failed.message  # what was probably meant


def test_columns_are_summed_up_for_all_rows_and_for_a_view(
    line: Line, opened: DatasetOpened
) -> None:
    whole = line.ask(SummariseColumns(), last=ColumnsSummarised)[-1]
    by_name = {column.name: column for column in whole.columns}
    assert whole.rows == 200
    assert by_name["label"].distinct == 2
    assert (by_name["rating"].low, by_name["rating"].high) == (0, 6)
    found = find(line, FindRows(where="rating == 3"))
    part = line.ask(SummariseColumns(view=found.view), last=ColumnsSummarised)[-1]
    assert part.rows == found.rows
    assert {c.name: (c.low, c.high) for c in part.columns}["rating"] == (3, 3)


def test_problems_have_their_rows_and_are_left_out_by_the_session(
    line: Line, session: Session
) -> None:
    write(line.folder / "films.jsonl", [*films(50), films(3)[2], {"text": "", "label": "positive"}])
    before = open_films(line)
    problems = line.ask(FindProblems(), last=ProblemsFound)[-1]
    twice = next(one for one in problems.problems if one.kind == "duplicates")
    assert (twice.rows, twice.first) == (1, [50])
    view = find(line, FindRows(problem=twice.key))
    assert rows_of(line, view.view).numbers == [50]
    after = open_films(line, leave_out=["duplicates", "empty"])
    assert after.left_out == 2
    assert after.used + after.evaluation_rows + after.left_out == before.rows
    assert [n for n, mark in enumerate(rows_of(line, 0).marks) if mark == "left_out"] == [50, 51]


def test_a_single_row_is_left_out_by_its_key(line: Line, opened: DatasetOpened) -> None:
    key = line.ask(ReadRow(index=4), last=Row)[-1].key
    again = open_films(line, leave_out_rows=[key])
    assert again.left_out == 1
    assert rows_of(line, 0).marks[4] == "left_out"


def test_a_broken_line_is_shown_and_named_and_not_used(line: Line, session: Session) -> None:
    lines = [json.dumps(row) for row in films(20)]
    lines[6] = '{"text": "broken'
    (line.folder / "films.jsonl").write_text("\n".join(lines))
    opened = open_films(line)
    assert (opened.rows, opened.broken) == (20, 1)
    assert opened.used + opened.evaluation_rows == 19
    rows = rows_of(line, 0)
    assert rows.marks[6] == "broken"
    assert "broken" in rows.cells[6][0]
    row = line.ask(ReadRow(index=6), last=Row)[-1]
    assert "line 7" in row.broken
    assert row.values == {}


@pytest.mark.parametrize("host", ["in-process"])
def test_first_rows_come_before_a_large_file_was_read(
    open_line: object, host: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_desk, "SMALL", 0)
    line: Line = open_line(host)  # type: ignore[operator]
    write(line.folder / "films.jsonl", films(30_000))
    dataset = DatasetSettings(source="films.jsonl")
    id = line.send(OpenDataset(dataset=dataset, folder=str(line.folder)))
    first = line.wait_for(DatasetOpened)
    assert not first.complete
    assert rows_of(line, 0, 20).cells[19][0] == "Film 19 is good."
    last = line.until(lambda e: isinstance(e, DatasetIndexed) and e.opened.complete)
    assert isinstance(last, DatasetIndexed)
    assert last.request == id
    assert last.opened.rows == 30_000
    row = line.ask(ReadRow(index=29_999), last=Row)[-1]
    assert row.values == films(30_000)[-1]


def test_each_terminal_has_its_own_dataset_open(line: Line, opened: DatasetOpened) -> None:
    if isinstance(line.link, LocalLink):
        pytest.skip("a local worker has one client")
    other = Line(HostLink(line.link.place.session), line.path)
    other.link.start(other.new.put)
    write(line.folder / "other.jsonl", films(10))
    assert open_films(other, source="other.jsonl").rows == 10
    assert len(rows_of(line, 0).cells) == 200
    other.link.close()


def test_tokens_lengths_and_roles_are_those_of_the_open_dataset(
    line: Line, opened: DatasetOpened, session: Session
) -> None:
    dataset = DatasetSettings(source="films.jsonl")
    common = {
        "model": session.model,
        "folder": str(line.folder),
        "prompt": session.prompt(),
        "dataset": dataset,
        "training": session.training,
    }
    seen = line.ask(InspectTokens(values=films()[0], **common), last=TokensInspected)[-1]
    (example,) = seen.sequences
    assert example.trained == sum(r in ("trained", "special_trained") for r in example.roles) > 0
    lengths = line.ask(MeasureLengths(**common), last=LengthsMeasured)[-1]
    assert lengths.rows == opened.used
    assert sum(lengths.counts) == lengths.rows
    shown = line.ask(
        ShowRoles(
            dataset=replace(dataset, format="prompt_completion",
                            mapping={"prompt": "text", "completion": "label"}),
            prompt=session.prompt(), values=films()[0],
        ),
        last=RolesShown,
    )[-1]  # fmt: skip
    assert shown.row == {"prompt": "Film 0 is bad.", "completion": "negative"}


def test_a_row_of_messages_is_its_own_prompt_where_there_is_no_wording(
    line: Line, session: Session
) -> None:
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
    rendered = line.ask(
        RenderPrompt(
            model=session.model,
            folder=str(line.folder),
            prompt=Prompt(),
            values={"messages": turns},
            dataset=DatasetSettings(source="chat.jsonl"),
        ),
        last=PromptRendered,
    )[-1]
    assert isinstance(rendered, PromptRendered), rendered
    assert "Hi?" in rendered.text
    assert "Hello." not in rendered.text


def export(line: Line, path: str, **changes: object) -> ExportRows:
    request = ExportRows(
        path=path,
        folder=str(line.folder),
        prompt=Prompt(template="{{ text }}", completion="{{ label }}"),
        dataset=DatasetSettings(source="films.jsonl"),
    )
    return replace(request, **changes)


def test_what_is_shown_is_exported(line: Line, opened: DatasetOpened) -> None:
    found = find(line, FindRows(where='label == "negative"'))
    made = line.ask(export(line, "bad.jsonl.gz", view=found.view), last=RowsExported)[-1]
    bad = [row for row in films() if row["label"] == "negative"]
    assert made.rows == len(bad)
    with gzip.open(line.folder / "bad.jsonl.gz", "rt") as file:
        assert [json.loads(text) for text in file] == bad
    line.ask(export(line, "all.parquet"), last=RowsExported)
    assert pyarrow.parquet.read_table(line.folder / "all.parquet").to_pylist() == films()
    (refused,) = line.ask(export(line, "all.parquet"), last=RowsExported)
    assert isinstance(refused, Failed)
    filled = line.ask(export(line, "filled.jsonl", what="filled"), last=RowsExported)[-1]
    assert filled.rows == 200
    first = json.loads((line.folder / "filled.jsonl").read_text().splitlines()[0])
    assert "Film 0 is bad." in json.dumps(first)


def test_the_source_itself_is_never_exported_over(line: Line, opened: DatasetOpened) -> None:
    before = (line.folder / "films.jsonl").read_bytes()
    (refused,) = line.ask(export(line, "films.jsonl", overwrite=True), last=RowsExported)
    assert "never changed" in refused.message
    assert (line.folder / "films.jsonl").read_bytes() == before


def test_a_search_that_is_given_up_ends(line: Line, session: Session) -> None:
    write(line.folder / "films.jsonl", films(50_000))
    open_films(line)
    id = line.send(FindRows(search="nothing of the kind"))
    line.send(Cancel(target=id))
    line.until(lambda event: event.request == id and isinstance(event, Done | RowsFound))
    assert len(rows_of(line, 0, 5).cells) == 5
