"""Problems in rows, beside what plain Python finds in the same rows."""

import json
import random
import re
import threading
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows import Row, divided, silent, source
from tests.data.tables import table, write
from workbench.data import equal, inspection, problems, similar
from workbench.data.engine import Stopped
from workbench.data.problems import as_recognised, find_problems
from workbench.data.sources import Source
from workbench.data.splits import row_key
from workbench.data.table import Table
from workbench.protocol import Problem

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dogs",
    "while",
    "bright",
    "stars",
    "shine",
    "on",
    "quiet",
    "hills",
]


def looked(
    rows: list[Row] | Source | Table, **settings: Any
) -> tuple[dict[str, Problem], dict[str, list[int]], list[str]]:
    given = rows if isinstance(rows, Source) else source(train=rows)
    division = divided(given, **settings)
    found = as_recognised(division.table, division.settings)
    told, numbers, notes = find_problems(given, division, found, threading.Event(), silent)
    by_key = {problem.key: problem for problem in told}
    assert list(by_key) == [problem.key for problem in told] == list(numbers)
    for problem in told:
        rows_of = numbers[problem.key]
        assert problem.rows == len(rows_of) > 0
        assert problem.first == [int(number) for number in rows_of[:10]]
        assert problem.why.endswith(".")
        assert problem.title
        assert "{" not in problem.title + problem.why
    return by_key, {key: [int(n) for n in rows_of] for key, rows_of in numbers.items()}, notes


def sentences(count: int, seed: int = 0, words: int = 14) -> list[str]:
    chance = random.Random(seed)
    return [
        f"{' '.join(chance.choices(WORDS, k=words))} {chance.randrange(10**9)}"
        for _ in range(count)
    ]


def plain(text: str) -> str:
    """A wording without case, spaces and punctuation."""
    return "".join(one for one in text.lower() if unicodedata.category(one)[0] in "LNM")


def test_good_rows_have_no_problem() -> None:
    rows = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(sentences(300))]
    assert looked(rows) == ({}, {}, [])


def test_exact_duplicates_are_all_but_the_first() -> None:
    chance = random.Random(1)
    for _ in range(8):
        rows: list[Row] = [
            {
                "text": chance.choice(["a", "b", "", None]),
                "n": chance.choice([1, 2.5, None]),
                "turns": chance.choice([[], [1], None, ["1"]]),
            }
            for _ in range(60)
        ]
        seen: set[str] = set()
        expected = []
        for number, row in enumerate(rows):
            code = json.dumps(row)
            if code in seen:
                expected.append(number)
            seen.add(code)
        found = looked(rows)[1]
        assert found["duplicates"] == expected


def test_many_rows_are_compared_outside_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(2)
    rows = [{"text": f"text {chance.randrange(3000)}"} for _ in range(5000)]
    within = looked(rows)[1]
    monkeypatch.setattr(equal, "AT_ONCE", 500)
    assert looked(rows)[1] == within
    assert len(within["duplicates"]) == 5000 - len({row["text"] for row in rows})


def test_texts_that_differ_in_case_and_punctuation_are_nearly_the_same() -> None:
    chance = random.Random(3)
    base = sentences(40)
    rows = []
    for _ in range(150):
        text = chance.choice(base)
        text = chance.choice(
            [text, text.upper(), text + "!", text.replace(" ", ",  "), f"«{text}»"]
        )
        rows.append({"text": text})
    exact, said = set(), set()
    expected = []
    for number, row in enumerate(rows):
        if row["text"] not in exact and plain(row["text"]) in said:
            expected.append(number)
        exact.add(row["text"])
        said.add(plain(row["text"]))
    assert looked(rows)[1]["near_duplicates"] == expected


def test_numbers_make_a_difference() -> None:
    rows = [{"prompt": f"{n} + {n + 1} =", "completion": str(2 * n + 1)} for n in range(60)]
    assert looked(rows)[1] == {}


def test_another_label_makes_no_difference_to_a_wording() -> None:
    rows = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(sentences(60))]
    rows.append({"text": rows[4]["text"], "label": "b"})
    assert looked(rows)[1]["near_duplicates"] == [60]


def changed(text: str, chance: random.Random) -> str:
    signs = list(text)
    for _ in range(chance.randrange(1, 9)):
        signs[chance.randrange(len(signs))] = chance.choice("abcxyz")
    return "".join(signs)


def test_near_duplicates_are_those_of_a_brute_force_jaccard() -> None:
    chance = random.Random(4)
    rows = []
    for text in sentences(120, words=20):
        rows.append({"text": text})
        rows += [{"text": changed(text, chance)} for _ in range(chance.randrange(3))]
    chance.shuffle(rows)
    sets = [similar.shingles(plain(row["text"])) for row in rows]
    expected: list[int] = []
    for later in range(len(rows)):
        kept = (one for one in range(later) if one not in expected)
        if any(similar.jaccard(sets[later], sets[one]) >= 0.8 for one in kept):
            expected.append(later)
    assert len(expected) > 15
    assert looked(rows)[1]["near_duplicates"] == expected


def test_what_turns_say_is_compared_without_who_says_it() -> None:
    def chat(one: str, other: str) -> Row:
        return {
            "messages": [
                {"role": "user", "content": one},
                {"role": "assistant", "content": other},
            ]
        }

    rows = [chat("Hi", "Yo"), chat("Go", "No"), chat("hi!", "yo."), chat("Oh", "My")]
    assert looked(rows)[1]["near_duplicates"] == [2]


def test_of_very_many_rows_some_are_compared_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = sentences(600, words=30)
    rows = [{"text": text} for text in texts]
    rows += [{"text": text.upper()} for text in texts[:50]]
    monkeypatch.setattr(inspection, "COMPARED_ROWS", 150)
    _, found, notes = looked(rows)
    assert found["near_duplicates"] == list(range(600, 650))
    [note] = notes
    [compared] = re.findall(r"looked for in (\d+) of the 650 rows", note)
    assert 60 < int(compared) < 200
    monkeypatch.setattr(inspection, "COMPARED_ROWS", 1000)
    monkeypatch.setattr(inspection, "COMPARED_TEXT", 5000)
    assert "of the 650 rows" in looked(rows)[2][0]


def test_rows_on_both_sides_are_found_whatever_their_case() -> None:
    texts = sentences(80)
    rows = [{"text": text, "label": "a"} for text in texts]
    other = [{"text": texts[3], "label": "a"}, {"text": texts[9].upper() + "?", "label": "b"}]
    told, found, _ = looked(source(train=rows, validation=other))
    assert found["overlap"] == [3, 9]
    assert "split validation" in told["overlap"].why


def test_rows_held_out_overlap_by_their_wording() -> None:
    texts = sentences(200)
    rows = [{"text": text} for text in texts] + [{"text": text.upper()} for text in texts]
    division = divided(rows, evaluation_share=0.3)
    out = set(division.evaluation.tolist())
    expected = [n for n in range(400) if n not in out and (n + 200) % 400 in out]
    assert looked(rows, evaluation_share=0.3)[1]["overlap"] == expected


def test_a_row_that_is_left_out_overlaps_with_nothing() -> None:
    texts = sentences(100)
    rows = [{"text": text} for text in texts] + [{"text": text.upper()} for text in texts]
    before = looked(rows, evaluation_share=0.3)[1]["overlap"]
    gone = before[0]
    key = row_key(gone, rows[gone])
    after = looked(rows, evaluation_share=0.3, leave_out_rows=[key])[1]["overlap"]
    assert after == before[1:]


def test_rows_measured_on_are_not_blamed_for_being_trained_on_where_the_session_says_so() -> None:
    rows = [{"text": text} for text in sentences(30)]
    assert "overlap" not in looked(rows, evaluation_split="train")[1]


def test_empty_fields_are_found_in_the_columns_that_the_format_needs() -> None:
    rows: list[Row] = [
        {"instruction": text, "input": "", "output": text[::-1]} for text in sentences(50)
    ]
    rows[4]["output"] = " \n\t\u3000"
    rows[7]["output"] = None
    del rows[9]["instruction"]
    _, found, _ = looked(rows)
    empty = {key: numbers for key, numbers in found.items() if key.startswith("empty")}
    assert empty == {"empty:output": [4, 7], "empty:instruction": [9]}


def test_a_turn_that_says_nothing_is_an_empty_field() -> None:
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]}
        for text in sentences(30)
    ]
    rows[3]["messages"][1]["content"] = ""
    rows[5]["messages"] = []
    rows[6]["messages"][1]["content"] = " \n"
    rows[8]["messages"][1]["content"] = 'say "content": ""'
    assert looked(rows)[1]["empty:messages"] == [3, 5, 6]


def test_without_a_format_any_text_counts() -> None:
    rows: list[Row] = [
        {"x1": text, "x2": text[::-1], "x3": n} for n, text in enumerate(sentences(20))
    ]
    rows[3]["x2"] = ""
    assert list(looked(rows)[1].items()) == [("empty:x2", [3])]


def test_lost_signs_are_found_also_in_nested_values(folder: Path) -> None:
    lines = [json.dumps({"text": text, "turns": [text]}) for text in sentences(20)]
    lines[2] = '{"text": "caf\\ufffd and more of it", "turns": ["one"]}'
    lines[3] = '{"text": "x", "turns": ["caf\ufffd"]}'
    lines[4] = '{"text": "y", "turns": ["caf\\uFFFD"]}'
    lines[5] = '{"text": "z", "turns": ["a text about \\\\ufffd"]}'
    write(folder / "a.jsonl", "\n".join(lines))
    assert looked(table("a.jsonl", folder))[1]["encoding"] == [2, 3, 4]


CONTROL = [0, 7, 8, 11, 12, 27, 31, 127, 0x85, 0x9F, 0x200B, 0x200E, 0x202E, 0x2066, 0xFEFF, 0xE000]
HARMLESS = [9, 10, 0x200C, 0x200D, 0xA0, 0x1F600, 0xE9, 0x3000, 0xD7FF, 0xF900]


def test_control_characters_are_found_and_what_scripts_need_is_not(folder: Path) -> None:
    rows: list[Row] = [
        {"text": f"{text} a{chr(code)}b", "n": [1]}
        for text, code in zip(sentences(26), [*CONTROL, *HARMLESS], strict=True)
    ]
    rows += [
        {"text": text, "n": [f"a{chr(code)}b"]}
        for text, code in zip(sentences(26, 1), [*CONTROL, *HARMLESS], strict=True)
    ]
    rows += [
        {"text": "line one\r\nline two", "n": [2]},
        {"text": "an old line\rend", "n": [3]},
        {"text": "one more of them\r", "n": [4]},
        {"text": "code", "n": ["\\u0007 is written so, and \\b, and \\\\f"]},
    ]
    expected = [*range(16), *range(26, 42), 53, 54]
    for ascii_only in (True, False):
        lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
        write(folder / f"{ascii_only}.jsonl", "\n".join(lines))
        found = looked(table(f"{ascii_only}.jsonl", folder))[1]
        assert found["control_characters"] == expected


def test_mixed_types_name_the_rows_of_the_fewer() -> None:
    chance = random.Random(6)
    texts = sentences(100)
    rows: list[Row] = [
        {"text": text, "score": chance.choice(["a", "b", "c", None])} for text in texts
    ]
    for number, value in ((5, 1), (50, [1]), (60, 2.5), (99, {"x": 1})):
        rows[number]["score"] = value
    told, found, _ = looked(rows)
    assert found["mixed_types:score"] == [5, 50, 60, 99]
    assert "text 9" in told["mixed_types:score"].title


def test_an_imbalance_names_the_rows_of_the_smallest_class() -> None:
    rows = [{"text": text, "label": "common"} for text in sentences(90)]
    rows += [{"text": text, "label": "rare"} for text in sentences(10, 1)]
    told, found, _ = looked(rows)
    assert found["imbalance"] == list(range(90, 100))
    assert told["imbalance"].title == ('Of 2 classes "common" has 90 % of the rows, "rare" 10 %')
    assert not told["imbalance"].can_leave_out
    even = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(sentences(50))]
    assert "imbalance" not in looked(even)[1]


def test_broken_lines_are_a_problem_and_have_no_other(folder: Path) -> None:
    lines = [json.dumps({"text": text}) for text in sentences(20)]
    lines[4] = lines[9] = "{broken"
    write(folder / "a.jsonl", "\n".join(lines))
    told, found, _ = looked(table("a.jsonl", folder))
    assert found == {"broken": [4, 9]}
    assert not told["broken"].can_leave_out


def test_what_is_left_out_is_what_was_shown(folder: Path) -> None:
    chance = random.Random(8)
    base = sentences(30, words=24)
    rows: list[Row] = []
    for _ in range(300):
        text = chance.choice(base)
        text = chance.choice(
            [text, changed(text, chance), text.upper(), "", f"{text}\x07", f"\ufffd{text}"]
        )
        rows.append({"text": text, "label": chance.choice(["a", "b", 3])})
    write(folder / "a.jsonl", "\n".join(map(json.dumps, rows)))
    shown = table("a.jsonl", folder)
    _, found, _ = looked(shown)
    kinds = ["duplicates", "near_duplicates", "empty", "encoding", "mixed_types"]
    for kind in [*kinds, "control_characters"]:
        told = sorted(n for key, numbers in found.items() if key.split(":")[0] == kind
                      for n in numbers)  # fmt: skip
        assert told
        division = divided(shown, leave_out=[kind], evaluation_share=0)
        assert division.left_out.tolist() == told
    told_again, again, _ = looked(shown, leave_out=kinds)
    assert {key: again[key] for key in found if key != "overlap"} == {
        key: found[key] for key in found if key != "overlap"
    }
    assert told_again["duplicates"].left_out
    assert not told_again["control_characters"].left_out


def test_leaving_out_the_overlap_leaves_out_the_rows_shown() -> None:
    texts = sentences(100)
    rows = [{"text": text} for text in texts] + [{"text": text.upper()} for text in texts]
    _, found, _ = looked(rows, evaluation_share=0.3)
    division = divided(rows, evaluation_share=0.3, leave_out=["overlap"])
    assert division.left_out.tolist() == found["overlap"]
    other = source(train=rows, test=[{"text": texts[5]}])
    assert looked(other)[1]["overlap"] == [5, 105]
    assert divided(other, leave_out=["overlap"]).left_out.tolist() == [5, 105]


def test_a_look_that_is_given_up_stops() -> None:
    rows = source(train=[{"text": text} for text in sentences(20)])
    division, stopped = divided(rows), threading.Event()
    stopped.set()
    found = as_recognised(division.table, division.settings)
    with pytest.raises(Stopped):
        find_problems(rows, division, found, stopped, silent)


def test_a_source_without_texts_has_its_problems_too() -> None:
    rows = [{"a": n % 5, "b": n / 2} for n in range(10)]
    rows.append(dict(rows[3]))
    assert looked(rows)[1] == {"duplicates": [10]}


def test_the_class_of_a_label_is_asked_only_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "CLASSES", 3)
    rows = [{"text": text, "label": "abcd"[min(n % 40, 3)]} for n, text in enumerate(sentences(99))]
    assert "imbalance" not in looked(rows)[1]
