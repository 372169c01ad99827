"""Reading Jinja as it is typed, and what may come at the cursor."""

import pytest

from workbench.data.prompting import ENVIRONMENT
from workbench.ui import completing, jinja

COLUMNS = ["id", "text", "label", "the title"]


def kinds(text: str, columns: list[str] | None = COLUMNS) -> list[tuple[str, str]]:
    names = None if columns is None else frozenset(columns)
    return [
        (text[span.start : span.end], span.kind)
        for span in jinja.read(text, names)
        if span.kind != "delimiter"
    ]


def test_every_filter_of_the_sandbox_is_known_and_no_other() -> None:
    assert set(jinja.FILTERS) == set(ENVIRONMENT.filters)


def test_columns_are_told_from_names_that_are_none() -> None:
    assert kinds("{{ text }} {{ txt }}") == [("text", "variable"), ("txt", "unknown")]
    assert kinds('{{ row["the title"] }} {{ row["titel"] }} {{ row.label }} {{ row.lable }}') == [
        ("row", "variable"),
        ('"the title"', "variable"),
        ("row", "variable"),
        ('"titel"', "unknown"),
        ("row", "variable"),
        ("row", "variable"),
        ("lable", "unknown"),
    ]
    assert kinds("{{ txt }}", None) == [("txt", "variable")]  # the columns are not known yet


def test_names_that_the_template_gives_are_known() -> None:
    text = "{% set n = 3 %}{% for a, b in text %}{{ a }}{{ loop.index }}{{ n }}{% endfor %}"
    assert not [one for one in kinds(text) if one[1] in ("unknown", "error")]


def test_filters_tests_strings_and_comments_are_told_apart() -> None:
    assert kinds("{{ text | upper }}{{ text|shout }}") == [
        ("text", "variable"),
        ("upper", "filter"),
        ("text", "variable"),
        ("shout", "unknown"),
    ]
    assert ("defined", "filter") in kinds("{% if text is not defined %}{% endif %}")
    assert kinds("{{ 'a' ~ text }}")[0] == ("'a'", "string")
    assert kinds("{# a\nb {{ c }} #}") == [("{# a\nb {{ c }} #}", "comment")]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a {{ text", "{{ text"),
        ("a {% if text %} b", "{% if text %}"),
        ("{% endif %}", "{% endif %}"),
        ("{% if text %}{% endfor %}", "{% endfor %}"),
        ("{% fi %}", "{% fi %}"),
        ("{% else %}", "{% else %}"),
        ("{# never closed", "{# never closed"),
    ],
)
def test_what_is_not_closed_or_fits_nothing_is_an_error_at_once(text: str, wrong: str) -> None:
    with pytest.raises(Exception, match=r".+"):  # so it is for the sandbox
        ENVIRONMENT.from_string(text)
    assert (wrong, "error") in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "{% raw %}{{ nothing {% endraw %}",
        "{% for a in text %}{{ a }}{% else %}none{% endfor %}",
        "{% set a %}x{% endset %}{{ a }}",
        "{%- if text -%}a{%- elif label -%}b{%- else -%}c{%- endif -%}",
        "a { b } }} %}",
    ],
)
def test_what_the_sandbox_takes_is_no_error(text: str) -> None:
    ENVIRONMENT.from_string(text)
    assert not [one for one in kinds(text) if one[1] == "error"]


def offered(before: str, after: str = "") -> list[str]:
    found = completing.choices_at(before + after, len(before), COLUMNS)
    return [one.shown for one in found.choices] if found else []


def taken(before: str, after: str = "", name: str = "") -> str:
    """The text once the first choice, or the one of this name, is taken."""
    found = completing.choices_at(before + after, len(before), COLUMNS)
    assert found
    chosen = next(one for one in found.choices if not name or one.shown == name)
    return before[: len(before) - found.typed] + chosen.insert + after


def test_columns_come_after_two_braces_and_are_closed() -> None:
    assert offered("Review: {{") == COLUMNS
    assert taken("Review: {{", name="text") == "Review: {{ text }}"
    assert taken("{{ te") == "{{ text }}"
    assert taken("{{ la", " }}") == "{{ label }}"
    assert taken("{{ la", " and {{ text }}") == "{{ label }} and {{ text }}"
    assert taken("{{ ti") == '{{ row["the title"] }}'
    assert taken('{{ row["', '"] }}', name="the title") == '{{ row["the title"] }}'


def test_filters_come_after_a_bar_and_tags_after_a_percent_sign() -> None:
    assert offered("{{ text | up")[0] == "upper"
    assert "upper" in offered("{{ text |")
    assert taken("{% i", name="if") == "{% if "
    assert offered("{% if text %}a{% ")[:2] == ["endif", "else"]
    assert taken("{% if text %}a{% end") == "{% if text %}a{% endif %}"
    assert offered("{% if te") == ["text"]
    assert offered("{% for a in ")[: len(COLUMNS)] == COLUMNS


@pytest.mark.parametrize(
    "before", ["", "text", "{{ text }}", "{{ text ", '{{ "te', "{% for te", "{# te", "{{ text.te"]
)
def test_nothing_is_offered_where_nothing_fits(before: str) -> None:
    assert offered(before) == []
