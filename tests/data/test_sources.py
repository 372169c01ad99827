"""Opening datasets: from starters, files, folders; what is wrong with them is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from workbench import session
from workbench.catalogue import SourceError
from workbench.data.sources import Dataset, open_dataset, plain_values
from workbench.session import DatasetSettings

ROOT = Path(__file__).parents[2]


def silent(*_: object) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def opened(source: str | Path, folder: Path, **settings: str) -> Dataset:
    return open_dataset(DatasetSettings(source=str(source), **settings), folder, silent)


def rows_of(found: Dataset) -> list[dict[str, object]]:
    """All rows, those held out included, by their text."""
    rows = [*found.train, *(found.evaluation or ())]
    return sorted((plain_values(row) for row in rows), key=repr)


def complaint(source: str | Path, folder: Path, **settings: str) -> str:
    with pytest.raises(SourceError) as error:
        opened(source, folder, **settings)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# --- what can be opened ------------------------------------------------------------------------

TWO = [{"text": "one", "n": 1}, {"text": "two", "n": 2}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", '{"text": "one", "n": 1}\n\n{"text": "two", "n": 2}'),
        ("bom.jsonl", '\ufeff{"text": "one", "n": 1}\r\n{"text": "two", "n": 2}\r\n'),
        ("rows.json", '[{"text": "one", "n": 1},\n {"text": "two", "n": 2}]'),
        ("rows.csv", "text,n\none,1\ntwo,2\n"),
        ("semicolon.csv", "text;n\none;1\ntwo;2\n"),
        ("bom.csv", "\ufefftext,n\none,1\n\ntwo,2"),
        ("rows.tsv", "text\tn\none\t1\ntwo\t2\n"),
        ("ROWS.CSV", "text,n\none,1\ntwo,2\n"),
    ],
)
def test_the_same_rows_come_from_every_text_format(folder: Path, name: str, content: str) -> None:
    write(folder / name, content)
    found = opened(name, folder)
    assert rows_of(found) == sorted(TWO, key=repr)
    assert (found.columns, found.types) == (["text", "n"], ["text", "integer"])


def test_parquet_arrow_and_saved_datasets_are_opened(folder: Path) -> None:
    table = datasets.Dataset.from_list(TWO)
    table.to_parquet(folder / "rows.parquet")
    table.save_to_disk(str(folder / "saved"))
    [arrow] = (folder / "saved").glob("*.arrow")
    write(folder / "rows.arrow", arrow.read_bytes())
    for source in ("rows.parquet", "saved", "rows.arrow"):
        assert rows_of(opened(source, folder)) == sorted(TWO, key=repr), source


def test_each_line_of_a_text_is_a_row_and_only_line_feeds_end_one(folder: Path) -> None:
    write(folder / "book.txt", "one\u2028still one\nt\x0cwo\n")
    assert {row["text"] for row in rows_of(opened("book.txt", folder))} == {
        "one\u2028still one",
        "t\x0cwo",
    }


HOSTILE = [
    "[/i] [@click=app.quit]x[/]",
    "\x1b[31m\x1b]0;t\x07",
    "NA",
    "null",
    "{{ x }}",
    "=1+1",
    "'\"\\",
]


def test_any_text_comes_through_as_it_is(folder: Path) -> None:
    lines = [json.dumps({"text": text}) for text in HOSTILE]
    write(folder / "x.jsonl", "\n".join(lines))
    assert {row["text"] for row in rows_of(opened("x.jsonl", folder))} == set(HOSTILE)
    cells = ['"' + text.replace('"', '""') + '",1' for text in HOSTILE]
    write(folder / "x.csv", "text,n\n" + "\n".join(cells) + "\n")
    assert {row["text"] for row in rows_of(opened("x.csv", folder))} == set(HOSTILE)


def test_a_text_that_looks_like_a_date_stays_the_text_it_is(folder: Path) -> None:
    write(
        folder / "x.jsonl",
        '{"day": "2020-01-02"}\n{"day": "2021-01-02T03:04:05Z"}\n{"day": null}\n',
    )
    found = opened("x.jsonl", folder)
    assert {row["day"] for row in rows_of(found)} == {"2020-01-02", "2021-01-02T03:04:05Z", None}
    assert found.types == ["text"]


def test_a_column_of_numbers_and_texts_far_apart_is_a_column_of_texts(folder: Path) -> None:
    rows = "".join(f"{number},x\n" for number in range(12_000))
    write(folder / "x.csv", f"a,b\n{rows}last,y\n")
    values = {row["a"] for row in rows_of(opened("x.csv", folder))}
    assert {"0", "11999", "last"} < values


def test_labels_that_are_numbers_with_names_are_shown_by_name(folder: Path) -> None:
    features = datasets.Features({"label": datasets.ClassLabel(names=["negative", "positive"])})
    table = datasets.Dataset.from_dict({"label": [0, 1, -1]}, features=features)
    table.select([2, 1, 0]).save_to_disk(str(folder / "saved"))
    found = opened("saved", folder)
    assert {row["label"] for row in rows_of(found)} == {"negative", "positive", None}
    assert found.types == ["text"]


def test_an_edited_file_is_read_anew_even_within_a_second_and_at_the_same_size(
    folder: Path,
) -> None:
    path = write(folder / "x.jsonl", '{"a": "old"}\n')
    before = opened("x.jsonl", folder)
    old = before.train[0]["a"]
    times = path.stat()
    write(path, '{"a": "new"}\n')
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = opened("x.jsonl", folder)
    assert (old, after.train[0]["a"]) == ("old", "new")
    assert before.fingerprint != after.fingerprint


def test_the_fingerprint_is_that_of_the_content_wherever_it_lies(folder: Path) -> None:
    write(folder / "x.jsonl", '{"a": 1}\n')
    write(folder / "elsewhere" / "y.jsonl", '{"a": 1}\n')
    assert opened("x.jsonl", folder).fingerprint == opened("elsewhere/y.jsonl", folder).fingerprint


def test_the_splits_of_a_folder_follow_the_names_of_its_files(folder: Path) -> None:
    write(folder / "d" / "train-0.jsonl", '{"a": 1}\n')
    write(folder / "d" / "train-1.jsonl", '{"a": 2}\n')
    write(folder / "d" / "test.jsonl", '{"a": 3}\n')
    write(folder / "d" / "README.txt", "about it\n")
    found = opened("d", folder)
    assert [row["a"] for row in found.train] == [1, 2]
    assert found.evaluation is not None
    assert [row["a"] for row in found.evaluation] == [3]
    assert found.evaluation_description == "split test"


def test_a_loading_script_beside_the_data_never_runs(folder: Path) -> None:
    write(folder / "d" / "d.py", f"open({str(folder / 'ran')!r}, 'w')\n")
    write(folder / "d" / "rows.jsonl", '{"a": 1}\n')
    opened("d", folder)
    assert "format that is not known" in complaint("d/d.py", folder)
    (folder / "d" / "rows.jsonl").unlink()
    complaint("d", folder)
    assert not (folder / "ran").exists()


# --- rows to measure on ------------------------------------------------------------------------


def test_one_row_in_twenty_is_held_out_by_content_and_stays_so_when_rows_come(folder: Path) -> None:
    lines = [json.dumps({"a": number}) for number in range(1000)]
    write(folder / "x.jsonl", "\n".join(lines[:500]))
    few = opened("x.jsonl", folder)
    assert few.evaluation is not None
    before = {row["a"] for row in few.evaluation}
    write(folder / "x.jsonl", "\n".join(reversed(lines)))
    many = opened("x.jsonl", folder)
    assert many.evaluation is not None
    held = {row["a"] for row in many.evaluation}
    assert before == {one for one in held if one < 500}
    assert held.isdisjoint(row["a"] for row in many.train)
    assert len(many.train) + len(held) == 1000
    assert 25 < len(held) < 80


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 1), (3, 1), (5, 1)])
def test_of_few_rows_one_is_held_out_and_of_one_none(folder: Path, count: int, held: int) -> None:
    write(folder / "x.jsonl", "".join(f'{{"a": {number}}}\n' for number in range(count)))
    found = opened("x.jsonl", folder)
    assert (len(found.train), len(found.evaluation or ())) == (count - held, held)


def test_equal_rows_are_never_on_both_sides(folder: Path) -> None:
    write(folder / "x.jsonl", "".join(f'{{"a": {number % 10}}}\n' for number in range(100)))
    found = opened("x.jsonl", folder)
    assert found.evaluation is not None
    assert {row["a"] for row in found.train}.isdisjoint(row["a"] for row in found.evaluation)
    write(folder / "same.jsonl", '{"a": 1}\n' * 3)
    assert opened("same.jsonl", folder).evaluation is None


def test_measuring_on_the_rows_trained_on_is_said(folder: Path) -> None:
    write(folder / "x.jsonl", '{"a": 1}\n')
    found = opened("x.jsonl", folder, evaluation_split="train")
    assert "the rows trained on" in found.evaluation_description


# --- what is wrong is named --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.jsonl", "", "is empty: it has no rows"),
        ("x.jsonl", "\n\n", "has no rows"),
        ("x.jsonl", "[1]\n[2]\n", "x.jsonl, line 1: an object was expected"),
        ("x.jsonl", "one\ntwo\n", "x.jsonl, line 1: this is not JSON"),
        ("x.jsonl", bytes(range(256)) * 50, "it is no JSON Lines file"),
        ("x.json", "[]", "has no rows"),
        ("x.json", "5", "x.json, line 1: this is not JSON"),
        ("x.json", '{"a": [{"b": 1}], "c": [{"b": 2}]}', 'several lists of rows ("a", "c")'),
        ("x.csv", "a,b\n", "has no rows"),
        ("x.csv", b"\0\1,2\n" * 9, "x.csv is no text"),
        ("x.txt", b"\x7fELF\0\0\n", "x.txt is no text"),
        ("x.parquet", "nope", "x.parquet cannot be read as Parquet: it is no Parquet file"),
        ("x.parquet", "PAR1 and no more", "it is cut off"),
        ("x.arrow", "nope", "x.arrow cannot be read as Arrow"),
        (
            "x.jsonl.gz",
            b"\x1f\x8b\x08\x00",
            "the gzip file is cut off here, and no row comes before",
        ),
        ("x.xlsx", "nope", "x.xlsx has a format that is not known"),
    ],
)
def test_a_file_without_a_row_is_named_with_what_is_wrong(
    folder: Path, name: str, content: str | bytes, expected: str
) -> None:
    write(folder / name, content)
    assert expected in complaint(name, folder)


def test_what_is_missing_is_named(folder: Path) -> None:
    assert f"There is no file or folder {folder}/none.jsonl" in complaint("none.jsonl", folder)
    assert "There is no file or folder" in complaint("./none", folder)
    write(folder / "x.jsonl", '{"a": 1}\n')
    assert (
        complaint("x.jsonl", folder, split="test") == 'x.jsonl has no split "test"; there is train.'
    )
    assert 'no split "dev"' in complaint("x.jsonl", folder, evaluation_split="dev")
    (folder / "empty").mkdir()
    assert "holds no file that can be read" in complaint("empty", folder)
    assert "is a model, not a dataset" in complaint("minilm-l6", folder)


def test_a_disk_without_room_is_named_and_the_file_is_read_once_there_is_some(folder: Path) -> None:
    write(folder / "x.csv", "a\n" + "".join(f"{number:0100}x\n" for number in range(3000)))
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from pathlib import Path\n"
        "from workbench.data.sources import *\n"
        "from workbench.session import DatasetSettings\n"
        "try: open_dataset(DatasetSettings(source='x.csv'), Path(sys.argv[1]), lambda *a: None)\n"
        "except SourceError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert "cannot be kept in" in said.stdout
    assert "WORKBENCH_CACHE" in said.stdout
    assert len(rows_of(opened("x.csv", folder))) == 3000


def test_a_folder_of_several_formats_asks_for_one_of_them(folder: Path) -> None:
    write(folder / "d" / "a.jsonl", '{"a": 1}\n')
    write(folder / "d" / "b.csv", "a\n1\n")
    said = complaint("d", folder)
    assert "different formats (.csv, .jsonl)" in said
    assert "d/*.jsonl" in said
    assert rows_of(opened("d/*.jsonl", folder)) == [{"a": 1}]


def test_a_folder_whose_splits_say_otherwise_is_not_mixed(folder: Path) -> None:
    for name in ("train", "test"):
        write(folder / "d" / name / "rows.csv", f"a\n{name}\n")
    found = opened("d", folder)
    assert [row["a"] for row in found.train] == ["train"]
    assert found.evaluation_description == "split test"


def test_a_split_without_a_column_of_the_other_names_it(folder: Path) -> None:
    write(folder / "d" / "train.jsonl", '{"a": 1, "label": "x"}\n')
    write(folder / "d" / "test.jsonl", '{"a": 1}\n')
    assert 'The split "test" of d lacks the column "label"' in complaint("d", folder)


def test_a_hub_id_without_the_hub_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "HF_HUB_OFFLINE" in complaint("nobody/nothing", folder)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    code = (
        "from pathlib import Path\n"
        "from workbench.data.sources import *\n"
        "from workbench.session import DatasetSettings\n"
        "try: open_dataset(DatasetSettings(source='a/b'), Path('.'), lambda *a: None)\n"
        "except SourceError as error: print(error)\n"
    )
    variables = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(folder)}
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=variables,
        timeout=120,
        check=True,
    )
    assert "the hub cannot be reached" in said.stdout, said.stderr
    assert said.stderr == ""


# --- starters and sessions ---------------------------------------------------------------------


def test_the_film_reviews_open_without_torch_and_print_nothing() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from workbench.data.sources import open_dataset\n"
        "from workbench.session import DatasetSettings\n"
        "found = open_dataset(DatasetSettings(), Path('.'), lambda *a: None)\n"
        "assert 'torch' not in sys.modules\n"
        "print(len(found.train), len(found.evaluation), found.evaluation_description)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert said.stdout == "9531 1072 split evaluation\n"
    assert said.stderr == ""


def test_the_story_session_asks_for_exactly_its_story_from_anywhere(tmp_path: Path) -> None:
    from jinja2 import Template

    story = session.load(ROOT / "sessions" / "story.toml")
    for folder in (ROOT, tmp_path):  # a checkout, and a place that has no such file
        found = open_dataset(story.dataset, folder, silent)
        assert Template(story.prompt().template).render(found.train[0]) == (
            "Write a short story about a young girl who discovers a magical portal to another world"
        )
    assert story.generation.do_sample
    assert len(story.prompts) == 2


def test_the_prompts_of_each_session_use_columns_that_its_dataset_has() -> None:
    from jinja2 import Environment, meta

    for path in (ROOT / "sessions").glob("*.toml"):
        one = session.load(path)
        columns = set(open_dataset(one.dataset, session.workspace(path), silent).columns)
        for prompt in one.prompts:
            for text in (prompt.template, prompt.completion):
                used = meta.find_undeclared_variables(Environment().parse(text))
                assert used <= columns, (path, prompt.name)


def test_a_name_with_signs_of_a_pattern_is_a_name(folder: Path) -> None:
    inside = folder / "a [b] *x? {y}"
    inside.mkdir()
    path = write(inside / "[bold]\x1b[31m[i]{a,b}.jsonl", '{"text": "a"}\n')
    assert rows_of(opened(path, folder)) == [{"text": "a"}]
