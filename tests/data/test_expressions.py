"""The filter language: what it finds, and what it says of what it does not understand."""

import random
from typing import Any

import pytest

from tests.data.rows import Row, found
from workbench.data.expressions import FUNCTIONS, QueryError, condition
from workbench.data.memory import memory_table
from workbench.data.table import Column, ColumnType

ROWS: list[Row] = [
    {"text": "A good film", "rating": 3.5, "n": 3, "label": "positive", "ok": True,
     "messages": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}],
     "meta": {"source": {"name": "web/1"}, "a.b": 1}, "mixed": "7", "a name": "x", "tags": ["u"]},
    {"text": 'He said "no"', "rating": -1.0, "n": 0, "label": "negative", "ok": False,
     "messages": [{"role": "user", "content": "50%"}], "meta": {"source": None}, "mixed": 7,
     "a name": "y", "tags": ["u", "v"]},
    {"text": "", "rating": None, "n": -2, "label": None, "ok": None,
     "messages": [], "meta": {}, "mixed": None, "a name": None, "tags": []},
    {"text": "été 100% _x_", "rating": 0.5, "n": 10**15, "label": "Positive", "ok": True,
     "messages": None, "meta": None, "mixed": "abc", "a name": "x y", "tags": None},
    {"text": "3.50", "rating": 2.0, "n": 3, "label": "neutral", "ok": False,
     "messages": [{"role": "user", "content": "x"}], "meta": {"source": {"name": "book"}},
     "mixed": True, "a name": "z", "tags": ["100%"]},
]  # fmt: skip
TABLE = memory_table(ROWS)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('rating > 1 and label == "positive"', [0]),
        ("rating > 1 AND label = 'positive'", [0]),
        ('rating > 1 && label == "positive" || n == 0', [0, 1]),
        ("not rating > 1", [1, 2, 3]),
        ("not not rating > 1", [0, 4]),
        ('label != "positive"', [1, 2, 3, 4]),
        ('label <> "positive" and label is not null', [1, 3, 4]),
        ('label in ("positive", "neutral")', [0, 4]),
        ('label in ["positive", "neutral",]', [0, 4]),
        ('label not in ("positive", "neutral")', [1, 2, 3]),
        ('lower(label) == "positive"', [0, 3]),
        ("label.lower() == 'positive'", [0, 3]),
        ("label like 'p%'", [0]),
        ("label ilike 'p%'", [0, 3]),
        ("label not like 'p%'", [1, 2, 3, 4]),
        ("label is null", [2]),
        ("label == null", [2]),
        ("label != None", [0, 1, 3, 4]),
        ('contains(text, "film")', [0]),
        ('"film" in text', [0]),
        ('"film" not in text and n > 0', [3, 4]),
        ("text.startswith('A ') or text.ends_with('50')", [0, 4]),
        (r'contains(text, "\"no\"")', [1]),
        ("contains(text, '%')", [3]),
        ("contains(text, '_')", [3]),
        ("matches(text, '^[A-Z]')", [0, 1]),
        ("len(text) > 11", [1, 3]),
        ("length(text) == 12", [1, 3]),
        ("len(tags) == 2", [1]),
        ("len(messages) >= 1", [0, 1, 4]),
        ("len(meta) == 1", [1, 4]),
        ("empty(text)", [2]),
        ("empty(tags)", [2, 3]),
        ("n == 3", [0, 4]),
        ("n >= 1_000_000", [3]),
        ("n == 1e15", [3]),
        ("n / 2 > 1 and n < 10", [0, 4]),
        ("n % 2 == 1", [0, 4]),
        ("n // 2 == -1", [2]),
        ("-n > 1", [2]),
        ("1 < n < 5", [0, 4]),
        ("n between 0 and 3", [0, 1, 4]),
        ("n not between 0 and 3", [2, 3]),
        ("1 + 2 * 3 == 7 and n == 0", [1]),
        ("(1 + 2) * 3 == 9 and n == 0", [1]),
        ("abs(rating) == 1", [1]),
        ("round(rating) == 2 and ceil(rating) == 2", [4]),
        ("text == 3.5", [4]),
        ("text > 3", [4]),
        ("rating == '3.5'", [0]),
        ("ok", [0, 3]),
        ("not ok", [1, 2, 4]),
        ("ok == false", [1, 4]),
        ("ok == 'true'", [0, 3]),
        ("ok == 1", [0, 3]),
        ("mixed == 7", [0, 1]),
        ("mixed == '7'", [0, 1]),
        ("mixed > 6", [0, 1]),
        ("mixed == 'abc'", [3]),
        ("mixed is null", [2]),
        ("mixed", [4]),
        ("messages[0].role == 'system'", [0]),
        ("messages[-1].content == 'Hi'", [0]),
        ("messages[0]['content'] like '%d'", [0]),
        ("contains(messages[0].content, '%')", [1]),
        ("messages[5].role is null", [0, 1, 2, 3, 4]),
        ("meta.source.name == 'book'", [4]),
        ("meta['source']['name'] == 'web/1'", [0]),
        ("meta['a.b'] == 1", [0]),
        ("meta.source is null", [1, 2, 3]),
        ("'u' in tags", [0, 1]),
        ("'100%' in tags", [4]),
        ("`a name` == 'x y'", [3]),
        ("`a name` in ('x', 'z')", [0, 4]),
        ("LABEL == 'positive'", [0]),
        ("coalesce(label, 'none') == 'none'", [2]),
        ("number(text) + 1 == 4.5", [4]),
        ("'<' + label + '>' == '<neutral>'", [4]),
        ("replace(label, 'neu', '') == 'tral'", [4]),
        ("n / 0 > 1 or n == 0", [0, 1, 3, 4]),
        ("9223372036854775807 * n > 0", [0, 3, 4]),
        ("text == 'été 100% _x_'", [3]),
        (" \n rating\t>\n1 ", [0, 4]),
    ],
)
def test_rows_are_found_as_a_person_means_it(where: str, expected: list[int]) -> None:
    assert found(TABLE, where=where) == expected


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("ratng > 1", 'At character 1: there is no column "ratng"; did you mean rating?'),
        ("`a nme` == 'x'", "did you mean `a name`?"),
        ("label == positive", 'no column "positive" (a text stands in quotes)'),
        ("rating >", "At character 9: expected a column, a number or a text, not the end"),
        ("rating > 1 label", 'At character 12: expected "and", "or" or the end, not "label"'),
        ("rating > 1 and", "At character 15: expected a column"),
        ("(rating > 1", "expected ) to close the bracket at character 1"),
        ("label == 'x", "At character 10: the ' that begins here is not closed"),
        ("label == `x", "the ` that begins here is not closed"),
        ("rating > 1; drop table x", '";" means nothing here'),
        ("rating ! 1", '"!" means nothing here'),
        ("rating", "expected something that is true or false"),
        ("text", "this is a text"),
        ("rating == 'good'", 'expected a number; "good" is none'),
        ("ok == 'maybe'", 'expected true or false, not "maybe"'),
        ("len(text, 1) > 2", "len takes 1 value."),
        ("contain(text, 'x')", 'no function "contain"; did you mean contains?'),
        ("label in ()", "expected at least one value"),
        ("label is 3", 'expected "null" after "is"'),
        ("label not 3", 'expected "in", "like" or "between"'),
        ("text.role == 'x'", "this has no parts, because it is a text"),
        ("messages[x] == 1", "expected a number or a text in the brackets"),
        ("messages.3 == 1", "expected"),
        ("n < null", "nothing is less or more than null"),
        ("1e999 > n", "too large"),
        ("('a', 'b') == label", "expected )"),
        ("'a' in n", "expected values in brackets or a text"),
        ("matches(text, '(')", "cannot be computed"),
        ("", "expected a column"),
        ("(" * 500 + "ok" + ")" * 500, "too many parts within parts"),
        ("ok or " * 5000 + "ok", "longer than 20,000 characters"),
        ("text == '\0'", "NUL"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(where: str, words: str) -> None:
    with pytest.raises(QueryError) as error:
        found(TABLE, where=where or " ") if where else condition(where, TABLE.columns)
    assert words in str(error.value)
    assert str(error.value).endswith((".", "?"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "where",
    [
        "read_text('/etc/passwd') == ''",
        "getenv('HOME') == ''",
        "(select 1) == 1",
        "exists(select 1)",
        "label == (select content from read_text('/etc/passwd'))",
        "text == current_setting('memory_limit')",
        "1 == 1) or (select count(*) from read_csv('/etc/passwd')",
        "label == 'x' union select 1",
        'label == "x" -- comment',
        "label == $1",
        "text::int == 1",
        "cast(text as int) == 1",
        "query('select 1') == 1",
    ],
)
def test_a_strangers_session_reaches_no_file_and_no_setting(where: str) -> None:
    with pytest.raises(QueryError):
        found(TABLE, where=where)


def test_a_text_is_only_ever_a_text() -> None:
    hostile = ["'; drop table x; --", '" or 1=1 --', "\\", "''", "%", "`", "\n\t", "⟨row⟩", "$$a$$"]
    rows = [{"text": one} for one in hostile]
    for number, one in enumerate(hostile):
        typed = one.replace("\\", "\\\\").replace('"', '\\"')
        assert found(memory_table(rows), where=f'text == "{typed}"') == [number]


def test_a_column_may_be_called_anything() -> None:
    names = ["select", "a b", 'q"uote', "back`tick", "dot.ted", "⟨row⟩x", "🎬", "'", "Text", "text"]
    table = memory_table([{name: number for number, name in enumerate(names)}])
    for number, name in enumerate(names):
        quoted = "`" + name.replace("`", "``") + "`"
        assert found(table, where=f"{quoted} == {number}") == [0]
        assert found(table, where=f"{quoted} == {number + 1}") == []
    assert found(table, where="dot.ted == 4") == [0]


def test_a_column_that_is_a_word_of_the_language_stands_in_backticks() -> None:
    table = memory_table([{"in": 1, "and": 2}])
    assert found(table, where="`in` == 1 and `and` == 2") == [0]


def test_times_are_compared_with_texts() -> None:
    when = [Column("when", "time")]
    sql = condition("when >= '2024-05-31' and year(when) == 2024", when).sql
    assert "TIMESTAMP" in sql
    with pytest.raises(QueryError, match="expected a time"):
        condition("when > 'yesterday'", when)
    with pytest.raises(QueryError, match="expected a number; this is a time"):
        condition("when > 3 and when == ok", [*when, Column("ok", "boolean")])


def test_every_function_takes_every_kind_of_value() -> None:
    kinds: tuple[ColumnType, ...] = ("text", "number", "boolean", "list", "mixed", "empty")
    columns = [Column(kind, kind) for kind in kinds]
    rows = memory_table([{"text": "a", "number": 1.5, "boolean": True, "list": [1], "mixed": 1}])
    rows.columns = columns
    for name, (least, most, _) in FUNCTIONS.items():
        if name in ("year", "month", "day"):
            continue
        for count in {least, most}:
            for kind in kinds:
                given = ", ".join([kind, *["'1'"] * (count - 1)])
                assert found(rows, where=f"{name}({given}) is null or true") == [0]


def test_conditions_agree_with_python_on_random_rows() -> None:
    chance = random.Random(7)
    rows: list[Row] = [
        {
            "a": chance.choice([None, -1, 0, 1, 2, 7]),
            "b": chance.choice([None, -0.5, 0.0, 1.0, 2.25]),
            "t": chance.choice([None, "", "x", "X", "xy", "7"]),
        }
        for _ in range(120)
    ]
    table = memory_table(rows)

    def tested(depth: int) -> tuple[str, Any]:  # noqa: PLR0911 - a kind a return
        turn = chance.randrange(6 if depth else 4)
        if turn == 0:
            value, sign = chance.choice([-1, 0, 1, 2]), chance.choice(["<", "<=", ">", ">="])
            name = chance.choice("ab")
            return (
                f"{name} {sign} {value}",
                lambda row: row[name] is not None and eval(f"{row[name]} {sign} {value}"),
            )
        if turn == 1:
            word, sign = chance.choice(["", "x", "X"]), chance.choice(["==", "!="])
            return f't {sign} "{word}"', lambda row: (row["t"] == word) == (sign == "==")
        if turn == 2:
            name = chance.choice("abt")
            return f"{name} is null", lambda row: row[name] is None
        if turn == 3:
            return (
                "a + b > 1",
                lambda row: None not in (row["a"], row["b"]) and row["a"] + row["b"] > 1,
            )
        one, first = tested(depth - 1)
        if turn == 4:
            return f"not ({one})", lambda row: not first(row)
        two, second = tested(depth - 1)
        if chance.random() < 0.5:
            return f"({one}) and ({two})", lambda row: first(row) and second(row)
        return f"({one}) or ({two})", lambda row: first(row) or second(row)

    for _ in range(60):
        where, true_of = tested(3)
        assert found(table, where=where) == [n for n, row in enumerate(rows) if true_of(row)], where
