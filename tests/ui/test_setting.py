"""Settings one by one: those of sections within sections, and of sections that may be missing."""

from typing import Any

import msgspec
import pytest

from tests.ui.conftest import Bench, film_session, ready, screen_text, until
from workbench import session as sessions
from workbench.session import Session, SessionError
from workbench.settings import Section
from workbench.ui.setting import Descriptions, change, keys, put, shown, turn, value


def every_setting(section: Any, before: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The settings that a session's tables have, but for the prompts and the layout."""
    found = set()
    for field in msgspec.structs.fields(section):
        name = (*before, field.name)
        inner = getattr(section, field.name)
        if isinstance(inner, Section):
            found |= every_setting(inner, name)
        elif field.name not in ("version", "prompts", "active_prompt", "description"):
            found.add(name)
    return found


def test_there_is_every_setting_of_a_session() -> None:
    wanted = {key for key in every_setting(Session()) if key[0] != "layout"}
    assert wanted <= set(keys(Session()))
    assert ("evaluation", "judge", "rubric") in keys(Session())


def test_each_can_be_typed_as_it_is_shown_and_is_described() -> None:
    session, about = film_session(), Descriptions()
    for key in keys(session):
        found = value(session, key)
        if found is not None and not isinstance(found, Section):
            assert change(session, key, shown(found)) == session, key
        assert isinstance(about.of(key), str)
    assert about.of(("evaluation", "judge", "rubric")).startswith("What makes a good answer")
    assert "matthews" in about.of(("evaluation", "metrics"))
    assert "At least 1 and at most 256." in about.of(("model", "concurrency"))


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        (("evaluation", "judge", "model"), ("model",)),
        (("optimize", "reflection_model"), ("model",)),
        (("prompt", "model"), ("model",)),
        (("prompt", "generation"), ("generation",)),
    ],
)
def test_a_section_that_is_missing_is_made_from_the_sessions_and_given_up(
    key: tuple[str, ...], origin: tuple[str, ...]
) -> None:
    session = change(film_session(), ("model", "name"), "mine")
    roots = (key,) if key[0] == "prompt" else ()
    assert value(session, key) is None
    assert not [one for one in keys(session, roots) if one[:-1] == key]
    own = turn(session, key)
    assert own
    assert value(own, key) == value(own, origin)
    assert [one for one in keys(own, roots) if one[:-1] == key]
    field = "seed" if key[-1] == "generation" else "concurrency"
    typed = change(own, (*key, field), "7")
    assert value(typed, (*key, field)) == 7
    assert value(typed, (*origin, field)) != 7
    assert sessions.loads(sessions.dumps(typed)) == typed
    assert turn(typed, key) == session


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        (("evaluation", "metrics"), "accuracy, f2", "expected one of accuracy, macro_f1"),
        (("evaluation", "judge", "lowest"), "low", "evaluation.judge.lowest: expected int"),
        (("model", "concurrency"), "0", "model.concurrency: expected int >= 1"),
        (("prompt", "name"), "critic", 'two are named "critic"'),
        (("model", "api_key_env"), "sk-abc", "expected the name of an environment variable"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_expected(
    key: tuple[str, ...], text: str, words: str
) -> None:
    with pytest.raises(SessionError) as error:
        change(film_session(), key, text)
    assert words in str(error.value)
    assert "sk-abc" not in str(error.value)


def test_a_few_values_are_turned_through() -> None:
    session = film_session()
    for wanted in ("labels", "regex", "json_schema", "none"):
        turned = turn(session, ("generation", "constraint"))
        assert turned
        session = turned
        assert session.generation.constraint == wanted
    assert turn(session, ("generation", "do_sample")) == put(
        session, ("generation", "do_sample"), True
    )
    assert turn(session, ("generation", "seed")) is None
    assert turn(session, ("evaluation", "metrics")) is None


async def test_settings_within_settings_are_changed_on_the_screen(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f12")
        screen: Any = app.screen

        def go(*key: str) -> None:
            choices = screen.query_one("#settings")
            choices.highlighted = choices.get_option_index(str(screen.keys.index(key)))

        go("optimize", "method")
        await pilot.press("right")
        go("evaluation", "metrics")
        await pilot.press("enter", *"accuracy, macro_f1", "enter")
        go("evaluation", "judge", "model")
        await pilot.press("enter")
        assert "Evaluation · judge · model" in screen_text(app)
        go("evaluation", "judge", "model", "name")
        await pilot.press("enter", "ctrl+u", *"big-judge", "enter", "escape")
        await until(pilot, lambda: app.session.optimize.method == "gepa")
        assert app.session.evaluation.metrics == ["accuracy", "macro_f1"]
        judge = app.session.evaluation.judge.model
        assert judge
        assert judge.name == "big-judge"
        await pilot.press("f10")
    assert bench.saved() == app.session
