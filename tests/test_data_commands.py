"""`workbench data`, `rows` and `tokens`: looking into a dataset without a screen."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from workbench import session as sessions
from workbench.data.prompting import encode_prompt
from workbench.data.sources import open_dataset
from workbench.inference.tokenizer import load_tokenizer
from workbench.session import ExampleSettings, Session

Run = Callable[..., subprocess.CompletedProcess[str]]


def films(folder: Path, count: int = 60) -> Path:
    path = folder / "films.jsonl"
    lines = [
        json.dumps({"text": f"Film {n}.", "rating": n % 5, "label": "good" if n % 2 else "bad"})
        for n in range(count)
    ]
    path.write_text("\n".join([*lines, '{"text": "half', lines[3]]) + "\n")
    return path


def test_data_tells_format_columns_rows_and_problems(workbench: Run, tmp_path: Path) -> None:
    films(tmp_path)
    about = json.loads(workbench("data", "films.jsonl", "--json").stdout)
    assert (about["rows"], about["broken"]) == (62, 1)
    assert about["broken_lines"][0]["line"] == 61
    assert about["format"]["recognised"] == "classification"
    assert [column["name"] for column in about["columns"]] == ["text", "rating", "label"]
    kinds = {problem["kind"]: problem["rows"] for problem in about["problems"]}
    assert kinds["duplicates"] == 1
    assert kinds["broken"] == 1
    words = workbench("data", "films.jsonl").stdout
    assert "62 rows, 1 broken" in words
    assert "line 61" in words


def test_data_of_a_session_leaves_out_what_the_session_leaves_out(
    workbench: Run, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "tiny.toml"
    path.write_text(path.read_text().replace('where = ""', "where = \"label == 'positive'\""))
    about = json.loads(workbench("data", str(path), "--json").stdout)
    assert about["left_out"] > 0
    assert about["train"] + about["evaluation"] + about["left_out"] == 64


def test_rows_prints_those_asked_for_counted_from_one(workbench: Run, tmp_path: Path) -> None:
    films(tmp_path)
    text = workbench("rows", "films.jsonl", "--start", "2", "--stop", "3").stdout
    assert [json.loads(line)["text"] for line in text.splitlines()] == ["Film 1.", "Film 2."]
    done = workbench("rows", "films.jsonl", "--start", "61", "--stop", "62")
    assert len(done.stdout.splitlines()) == 1
    assert "row 61 is broken" in done.stderr
    assert "line 61" in done.stderr


def test_rows_prints_those_that_match_with_their_numbers(workbench: Run, tmp_path: Path) -> None:
    films(tmp_path)
    text = workbench(
        "rows", "films.jsonl", "--where", 'rating > 3 and label == "good"', "--numbers",
        "--start", "1", "--stop", "2",
    ).stdout  # fmt: skip
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["row"] for row in rows] == [10, 20]
    assert all(row["values"]["rating"] == 4 for row in rows)


def test_rows_says_what_is_wrong_with_a_filter_or_a_source(workbench: Run, tmp_path: Path) -> None:
    films(tmp_path)
    assert "rating" in workbench("rows", "films.jsonl", "--where", "ratin > 1", check=1).stderr
    assert "no file or folder" in workbench("rows", "no.jsonl", check=1).stderr
    assert "No row from 900" in workbench("rows", "films.jsonl", "--start", "900").stderr


def test_tokens_shows_what_the_trainer_gets(forked: Run, session: Session, tmp_path: Path) -> None:
    text = forked("tokens", "sessions/tiny.toml", "--row", "2", "--json").stdout
    seen = json.loads(text)
    (example,) = seen["sequences"]
    assert seen["row"] == 2
    assert len(example["ids"]) == len(example["pieces"]) == len(example["mask"])
    assert sum(example["mask"]) == example["trained"] > 0
    source = [json.loads(line) for line in (tmp_path / "reviews.jsonl").open()]
    assert source[1]["text"] in "".join(example["pieces"])
    lines = forked("tokens", "sessions/tiny.toml", "--row", "2").stdout.splitlines()
    assert len(lines) == len(example["ids"])
    assert (
        "There is no row 999"
        in forked("tokens", "sessions/tiny.toml", "--row", "999", check=1).stderr
    )


def test_tokens_shows_the_prompts_examples_as_the_trainer_gets_them(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    shown = ExampleSettings(choose="first", count=2)
    prompt = replace(session.prompt(), examples=shown, answer_start="It is")
    sessions.save(replace(session, prompts=[prompt]), tmp_path / "sessions" / "tiny.toml")
    text = forked("tokens", "sessions/tiny.toml", "--row", "9", "--json").stdout
    (example,) = json.loads(text)["sequences"]
    tokenizer = load_tokenizer(session.model, tmp_path, lambda *_: None)
    data = open_dataset(session.dataset, tmp_path, lambda *_: None)
    first = data.train.table.take(data.train.numbers[:2])
    (row,) = data.train.table.take([8])
    asked = encode_prompt(tokenizer, prompt, row, first)
    assert example["ids"][: len(asked)] == asked
    assert example["mask"][: len(asked) + 1] == [0] * len(asked) + [1]


def test_a_row_that_cannot_be_trained_on_is_one_sentence(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    rows = [{"messages": [{"role": "assistant", "content": str(n)}]} for n in range(9)]
    lines = [json.dumps(row) for row in [*rows, {"messages": None}, *rows]]
    (tmp_path / "reviews.jsonl").write_text("\n".join(lines) + "\n")
    path = tmp_path / "sessions" / "tiny.toml"
    path.write_text(path.read_text().replace('format = "auto"', 'format = "messages"'))
    done = forked("train", str(path), "--json", "--in-process", check=1)
    assert all(json.loads(line) for line in done.stdout.splitlines())
    assert "Row 10 of the dataset: " in done.stderr
    assert done.stderr.splitlines()[-1].endswith("or leave the row out.")
    assert not (tmp_path / "runs").exists()  # the plan says it before anything is begun
