"""Looking into a dataset from the keyboard, in the real program."""

import json
from pathlib import Path

from tests.terminal.conftest import Open
from workbench import session as sessions
from workbench.session import Session


def write_films(folder: Path) -> None:
    rows = [
        {"text": f"Film {n} is {'grand' if n % 3 else 'dull'}.", "rating": n % 5,
         "label": "positive" if n % 3 else "negative"}
        for n in range(80)
    ]  # fmt: skip
    lines = [json.dumps(row) for row in [*rows, rows[7], rows[9]]]
    (folder / "reviews.jsonl").write_text("\n".join([*lines, '{"text": "half of a row']) + "\n")


def test_search_filter_inspect_and_leave_out_problems(
    terminal: Open, session: Session, tmp_path: Path
) -> None:
    write_films(tmp_path)
    path = tmp_path / "sessions" / "tiny.toml"
    screen = terminal(str(path), columns=160, rows=45)
    screen.until(r"83 rows")
    screen.until(r"1 broken")

    # search as one types; the numbers are those of the file
    screen.press("f2", "/")
    screen.type("Film 42 ")
    screen.until(r"[^\d]1 hit of 83")
    screen.until(r"\b43\s?▸")
    screen.until(r"text\s+Film 42")
    screen.press("escape")  # a key right behind it would be taken for alt and that key
    screen.until("row 43")

    # filter: an error says what was meant, then it works
    screen.press("f")
    screen.type("ratng > 3")
    screen.press("enter")
    screen.until(r"did you mean rating")
    # in one piece, as a slow line brings it
    screen.type("\x7f" * 9 + 'rating > 3 and label == "negative"' + "\r")
    screen.until(r"\b[56] hits")
    screen.press("escape")
    screen.gone(r"\b[56] hits")

    # what the trainer gets
    screen.press("3")
    screen.until(r"trained on", 120)
    screen.until(r"Film \d+ is")

    # lengths, with the sentence on max_length
    screen.press("4")
    screen.until(r"At max_length 512", 120)

    # problems, of which one is left out
    screen.press("5")
    screen.until("repeat an earlier one", 60)
    screen.still()
    screen.press("down", "x")
    screen.until(r"2 left out", 60)
    screen.until("saved")
    screen.press("f10")
    assert screen.ended() == 0
    assert sessions.load(path).dataset.leave_out
    assert "Traceback" not in screen.output


def test_a_file_is_picked_and_opened(terminal: Open, session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "more [b]data[b]"
    folder.mkdir()
    (folder / "book.txt").write_text("In the beginning.\nAnd then.\n")
    path = tmp_path / "sessions" / "tiny.toml"
    screen = terminal(str(path))
    screen.until(r"64 rows")
    screen.press("f2", "alt+o")
    screen.until("film-reviews")
    screen.type("more")
    screen.press("tab")
    screen.still()
    screen.type("book.txt")
    screen.press("enter")
    screen.until(r"2 rows")
    screen.until("In the beginning")
    screen.until("saved")
    screen.press("f10")
    assert screen.ended() == 0
    assert sessions.load(path).dataset.source.endswith("book.txt")
