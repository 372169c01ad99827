"""Books as they come: wrapped lines, Project Gutenberg's header and licence, chapters."""

import re
import textwrap
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from workbench.data.books import kind_of
from workbench.data.formats import recognise_table
from workbench.data.sources import Source, open_dataset, open_source
from workbench.session import DatasetSettings, Prompt

WORDS = [re.findall(r"[A-Za-z]{1,12}[.,]?(?=\s)", text) for text in sorted(topics.values())[:12]]
SENTENCES = [" ".join(words) for words in WORDS]
PARAGRAPHS = [text[n : n + 600].strip() for text in SENTENCES for n in range(0, 1800, 600)]
PARAGRAPHS = [one for one in PARAGRAPHS if one]
BODY = "\n\n".join(textwrap.fill(one, 70) for one in PARAGRAPHS)
LICENCE = "\n".join(["This eBook is for the use of anyone anywhere at no cost."] * 40)
NOW = f"""\ufeffThe Project Gutenberg eBook of A Book

This eBook is for the use of anyone anywhere in the United States.

Title: A Book

*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***




Produced by David Nobody and the Online
Distributed Proofreading Team

{BODY}





*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***


{LICENCE}

*** START: FULL LICENSE ***
"""
OLD = f"""*******The Project Gutenberg Etext of A Book, by Nobody*******

Please take a look at the important information in this header.

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
{LICENCE}
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*


Scanned by Nobody

{BODY}


End of The Project Gutenberg Etext of A Book, by Nobody
{LICENCE}
"""
EARLIEST = f"""A BOOK

{BODY}

End of the Project Gutenberg Etext

***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
{LICENCE}
*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*
"""


def silent(*_: object) -> None:
    pass


def opened(folder: Path, text: str, **settings: object) -> Source:
    (folder / "book.txt").write_text(text, encoding="utf-8")
    made = DatasetSettings(source="book.txt", **settings)
    return open_dataset(made, folder, silent).source


def texts(source: Source) -> list[str]:
    table = source.table("train")
    return [row["text"] for row in table.read(0, table.count) if isinstance(row, dict)]


@pytest.mark.parametrize("book", [NOW, OLD, NOW.replace("\n", "\r\n")])
def test_a_gutenberg_book_is_read_without_its_header_and_licence(book: str, tmp_path: Path) -> None:
    source = opened(tmp_path, book)
    assert "\n\n".join(texts(source)) == "\n\n".join(PARAGRAPHS)
    assert len(texts(source)) > 3
    found = recognise_table(source.table("train"), DatasetSettings(), Prompt())
    assert found.format == "text"
    assert "Project Gutenberg's header and licence are left out" in found.why


def test_a_licence_behind_the_book_is_left_out_and_what_precedes_it_is_kept(
    tmp_path: Path,
) -> None:
    assert "\n\n".join(texts(opened(tmp_path, EARLIEST))) == "\n\n".join(["A BOOK", *PARAGRAPHS])


def test_the_rows_are_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    first = opened(tmp_path, NOW)
    again = open_source(DatasetSettings(source="book.txt"), tmp_path, silent)
    assert texts(again) == texts(first)
    running = again.table("train").running  # type: ignore[attr-defined]
    assert running == first.table("train").running  # type: ignore[attr-defined]
    assert running.joiner == "\n\n"


def test_only_a_licence_is_no_book(tmp_path: Path) -> None:
    from workbench.catalogue import SourceError

    book = NOW.replace(BODY, "")
    with pytest.raises(SourceError, match=r"header and licence and no text of a book; name"):
        opened(tmp_path, book)


def test_lines_that_were_meant_to_end_are_rows_as_they_were(tmp_path: Path) -> None:
    verses = "\n".join(PARAGRAPHS)
    source = opened(tmp_path, verses)
    assert texts(source) == PARAGRAPHS
    assert source.table("train").running.joiner == "\n"  # type: ignore[attr-defined]


def test_paragraphs_of_a_line_each_are_passages(tmp_path: Path) -> None:
    spaced = opened(tmp_path, "\n\n".join(PARAGRAPHS))
    assert "\n\n".join(texts(spaced)) == "\n\n".join(PARAGRAPHS)
    assert len(texts(spaced)) < len(PARAGRAPHS)
    assert spaced.table("train").running.joiner == "\n\n"  # type: ignore[attr-defined]


def test_what_a_row_of_a_text_is_can_be_said(tmp_path: Path) -> None:
    lines = texts(opened(tmp_path, NOW, text_rows="lines"))
    assert lines == NOW.removeprefix("\ufeff").rstrip("\n").split("\n")
    passages = texts(opened(tmp_path, "\n".join(PARAGRAPHS), text_rows="passages"))
    assert passages == ["\n".join(PARAGRAPHS)]


def test_verse_and_tables_keep_their_lines_and_hyphens_join(tmp_path: Path) -> None:
    verse = "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand"
    prose = f"{'word ' * 13}well-\nknown words, and so on; {'more ' * 9}dash--\nand the end."
    text = opened(tmp_path, f"{BODY}\n\n{verse}\n\n{prose}\n")
    whole = "\n\n".join(texts(text))
    assert verse in whole
    assert "well-known words" in whole
    assert "dash--and the end." in whole


def test_a_chapter_begins_a_row(tmp_path: Path) -> None:
    parts = [f"CHAPTER {n}\n\n{textwrap.fill(one, 70)}" for n, one in enumerate(PARAGRAPHS[:9], 1)]
    rows = texts(opened(tmp_path, "\n\n".join(parts)))
    assert [row.split("\n")[0] for row in rows] == [f"CHAPTER {n}" for n in range(1, 10)]


@pytest.mark.parametrize("text", ["", "\n\n", "one", "x" * 100_000, "日本語" * 5000])
def test_texts_of_every_kind_have_a_kind(text: str) -> None:
    assert not kind_of(text).width


def test_files_of_a_folder_are_texts_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    for name in "abc":
        (tmp_path / "books" / f"{name}.txt").write_text(NOW.replace("A Book", name))
    source = open_dataset(DatasetSettings(source="books"), tmp_path, silent).source
    running = source.table("train").running  # type: ignore[attr-defined]
    count = len(texts(source)) // 3
    assert running.starts == (0, count, 2 * count)
