"""A variant, taken away: a script that runs and asks the same, JSON, a report."""

import json
import re
import runpy
import threading
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.servers import FakeServer
from workbench.catalogue import starter_folder
from workbench.data.prompting import PromptError, messages
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import load_model
from workbench.inference.prefixes import Prefixes
from workbench.prompting.literals import literal
from workbench.prompting.takeaway import take_away
from workbench.protocol import (
    Changed,
    Compared,
    Evaluated,
    Figure,
    MeasurementShown,
    MetricValue,
    TakeAway,
)
from workbench.session import (
    ExampleSettings,
    GenerationSettings,
    ModelSettings,
    Prompt,
    Session,
    Turn,
)

HOSTILE = (
    "a | b `c` ```d``` \"\"\" ''' \\ \\n {{ e }} {% raw %} <script>x</script> [l](http://x) "
    "![i](y) *s* _u_ # h\n```\n- - -\r\u2028\u202e\x1b[31m\x00 $x$ & &lt; |\n| --- |\n\ud83d"
)
ROW = {"text": "A brisk hack job.", "odd name": HOSTILE, "none": None, "label": "negative"}
EXAMPLE = {"text": "A warm and funny film.", "odd name": "?", "none": "", "label": "positive"}
PROMPT = Prompt(
    name="plain",
    system="You judge films.",
    turns=[Turn(role="user", content="Ready for {{ text }}?"), Turn(role="assistant", content="Y")],
    template='Review: {{ text }}\n{% if row["odd name"] %}Good or bad?{% endif %}{{ none }}',
    completion="{{ label }}",
    examples=ExampleSettings(choose="picked", count=1),
)


def taken(what: Any, prompt: Prompt = PROMPT, session: Session | None = None, **more: Any) -> str:
    """The text for ROW; it is UTF-8."""
    session = session or Session(prompts=[prompt], generation=GenerationSettings(max_new_tokens=8))
    values = more.pop("values", ROW)
    request = TakeAway(session=session, folder="", name=prompt.name, what=what, values=values)
    text = take_away(request, more.pop("examples", [EXAMPLE]), **more)
    text.encode("utf-8")
    return text


def loaded_script(text: str, folder: Path) -> dict[str, Any]:
    path = folder / "script.py"
    path.write_text(text, encoding="utf-8")
    return runpy.run_path(str(path))


@pytest.mark.parametrize(
    "value",
    [
        HOSTILE,
        HOSTILE * 30,
        "",
        "'",
        '"',
        "'\"",
        "\n",
        "x" * 500,
        [1, -2.5, True, None, {"a\n'": [HOSTILE, {}]}, []],
        {HOSTILE: HOSTILE},
    ],
)
def test_a_literal_evaluates_to_what_it_was_made_of(value: Any) -> None:
    assert eval(literal(value)) == value
    assert eval(f"[{literal(value, 8)}]") == [value]


def test_numbers_that_python_cannot_write_are_written_all_the_same() -> None:
    assert str(eval(literal([float("nan"), float("-inf")]))) == "[nan, -inf]"


@pytest.mark.parametrize("what", ["python_openai", "python_transformers"])
def test_a_script_asks_the_same_of_every_row(what: str, tmp_path: Path) -> None:
    script = loaded_script(taken(what), tmp_path)
    assert script["ROW"] == ROW
    for row in (ROW, {**ROW, "text": HOSTILE, "odd name": ""}):
        assert script["messages"](row) == messages(PROMPT, row, [EXAMPLE])


@pytest.mark.parametrize("what", ["python_openai", "python_transformers"])
def test_hostile_text_does_not_get_out_of_its_quotes(what: str, tmp_path: Path) -> None:
    raw = HOSTILE.replace("{{", "{ {").replace("{%", "{ %")
    prompt = Prompt(
        name=HOSTILE,
        system=raw,
        turns=[Turn(role="user", content=raw)],
        template=raw + "{{ text }}",
        answer_start=raw,
        completion="{{ label }}",
        generation=GenerationSettings(constraint="regex", pattern=HOSTILE),
        model=ModelSettings(name=HOSTILE, api_key_env=HOSTILE[:-1], url="http://u:pw@host/v1?k=pw"),
    )
    text = taken(what, prompt, examples=[{**EXAMPLE, "label": HOSTILE}], weights=HOSTILE)
    script = loaded_script(text, tmp_path)
    assert script["PROMPT"] == HOSTILE
    assert script["ANSWER_START"] == raw
    assert script["messages"](ROW) == messages(prompt, ROW, [{**EXAMPLE, "label": HOSTILE}])
    assert "pw" not in text


def test_the_script_with_transformers_gives_the_same_tokens_as_the_workbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = starter_folder("smollm2-135m-instruct").resolve()
    settings = GenerationSettings(max_new_tokens=12, repetition_penalty=1.1)
    prompt = Prompt(
        name="p", system=PROMPT.system, template=PROMPT.template, answer_start="The film is"
    )
    session = Session(prompts=[prompt], generation=settings)
    text = taken(
        "python_transformers", prompt, session, examples=[], weights=str(folder), dtype="float32"
    )
    assert not re.search(r"(import|from) workbench", text)  # it stands alone
    path, given = tmp_path / "script.py", tmp_path / "row.json"
    path.write_text(text)
    row = {**ROW, "text": "Dull, slow and far too long."}
    given.write_text(json.dumps(row))
    monkeypatch.setattr("sys.argv", [str(path), str(given)])
    runpy.run_path(str(path), run_name="__main__")
    loaded = load_model(
        ModelSettings(name=str(folder), dtype="float32", device="cpu"), tmp_path, lambda *_: None
    )
    answerer = LocalAnswerer(loaded, "base", Prefixes())
    question = answerer.question(messages(prompt, row), prompt.answer_start)
    answer = answerer.stream(question, settings, lambda *_: None, threading.Event())
    assert answer.text.strip()
    assert capsys.readouterr().out == answer.text + "\n"


def test_the_script_with_openai_asks_the_server_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = Prompt(name="p", template="{{ text }}", answer_start="So:")
    settings = GenerationSettings(max_new_tokens=9, do_sample=True, top_k=4, constraint="labels")
    session = Session(
        prompts=[prompt], generation=settings, model=ModelSettings(name="model", url="http://x/v1")
    )
    text = taken("python_openai", prompt, session, examples=[], labels=["good", "bad"])
    with FakeServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
        script = loaded_script(text, tmp_path)
        server.answer = lambda _body: "good"
        assert script["answer"]({"text": "a film"}) == "good"
        body = server.requests[-1]
        assert server.headers[-1]["Authorization"] == "Bearer sk-of-the-environment"
    assert "sk-of-the-environment" not in text
    assert [turn["content"] for turn in body["messages"]] == ["a film", "So:"]
    assert (body["max_tokens"], body["top_k"], body["temperature"]) == (9, 4, 0.7)
    assert body["structured_outputs"] == {"choice": ["good", "bad"]}
    assert body["continue_final_message"]


def test_json_holds_turns_and_settings() -> None:
    document = json.loads(taken("json"))
    assert document["turns"] == messages(PROMPT, ROW, [EXAMPLE])
    assert document["generation"]["max_new_tokens"] == 8
    assert document["prompt"]["template"] == PROMPT.template
    assert document["row"] == ROW
    bare = json.loads(taken("json", values={}))
    assert bare["turns"] is None
    assert json.loads(taken("json", values={**ROW, "n": float("nan")}))["row"]["n"] is None


def test_a_row_that_is_its_own_prompt_is_taken_with_its_turns(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": HOSTILE}]
    empty = Prompt(name="empty")
    script = loaded_script(taken("python_openai", empty, turns=turns), tmp_path)
    assert script["messages"](ROW) == turns
    with pytest.raises(PromptError, match="no template to take away"):
        taken("python_openai", empty)


# --- the report -----------------------------------------------------------------------------------


def measured(name: str, answer: str = "positive") -> MeasurementShown:
    metrics = [
        MetricValue(name="accuracy", value=0.789, low=0.739, high=0.832, interval="Wilson"),
        MetricValue(
            name="bleu", value=31.42, low=28.0, high=35.5, unit="score", interval="bootstrap"
        ),
        MetricValue(name="perplexity", value=12.3456, low=11.0, high=14.0, unit="ratio"),
    ]
    evaluated = Evaluated(
        weights="base",
        rows=300,
        metric="accuracy",
        value=0.789,
        low=0.739,
        high=0.832,
        seconds=9.0,
        labels=["positive", answer],
        confusion=[[120, 30], [33, 117]],
        measurement="m1",
        prompt=name,
        model="smollm2",
        metrics=metrics,
        failed=2,
        notes=["Examples are among the rows | measured."],
    )
    figure = Figure(
        measurement="m1",
        time=0.0,
        weights="base",
        model="smollm2",
        metric="accuracy",
        value=0.789,
        low=0.739,
        high=0.832,
        rows=300,
    )
    return MeasurementShown(figure=figure, prompt=PROMPT, evaluated=evaluated, rows=[])


def compared(name: str, answer: str) -> Compared:
    changed = Changed(number=41, expected="positive", a=answer, b="positive", value_a=0, value_b=1)
    return Compared(
        a="m1",
        b="m2",
        name_a="plain",
        name_b=name,
        metric="accuracy",
        rows=300,
        value_a=0.66,
        value_b=0.789,
        difference=0.129,
        low=0.07,
        high=0.188,
        p_value=0.00012,
        test="McNemar's exact test",
        verdict="B is better.",
        gained=[changed],
    )


def tables(markdown: str) -> list[list[list[str]]]:
    """The cells of each table, as a reader of Markdown sees them."""
    found: list[list[list[str]]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        inside = (inside or token.type == "table_open") and token.type != "table_close"
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            assert all(child.type == "text" for child in token.children or []), token
            found[-1][-1].append("".join(child.content for child in token.children or []))
    return found


def test_a_report_holds_figures_with_intervals_and_what_changed() -> None:
    text = taken("report", measurements=[measured("plain")], comparisons=[compared("b", "neg")])
    _, figures, confusion, difference, changed = tables(text)
    assert figures[1] == ["plain", "smollm2", "accuracy", "78.9 %", "73.9 % to 83.2 %", "300"]
    assert figures[2][3:5] == ["31.4", "28.0 to 35.5"]
    assert figures[3][3:5] == ["12.35", "11 to 14"]
    assert confusion == [
        ["", "positive", "positive"],
        ["expected positive", "120", "30"],
        ["expected positive", "33", "117"],
    ]
    assert difference[1][3:6] == ["+0.129", "+0.07 to +0.188", "0.00012"]
    assert changed == [["row", "expected", "plain", "b"], ["41", "positive", "neg", "positive"]]
    assert "Wilson" in text
    assert "2 rows without an answer" in text
    assert "## b against plain" in text


def test_hostile_text_is_shown_in_a_report_and_read_as_nothing() -> None:
    raw = HOSTILE.replace("{{", "{ {").replace("{%", "{ %")
    prompt = Prompt(name=HOSTILE, system=raw, template=raw)
    text = taken(
        "report",
        prompt,
        measurements=[measured(HOSTILE, HOSTILE)],
        comparisons=[compared(HOSTILE, HOSTILE)],
    )
    kinds = set()
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        kinds |= {token.type} | {child.type for child in token.children or []}
    assert not kinds & {
        "html_block", "html_inline", "link_open", "image", "em_open", "strong_open", "code_inline",
        "code_block", "blockquote_open", "hr",
    }  # fmt: skip
    assert len(tables(text)) == 5
    assert all(len(row) == len(table[0]) for table in tables(text) for row in table)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    fences = [token for token in MarkdownIt().parse(text) if token.type == "fence"]
    assert fences[0].content.startswith("a | b `c` ```d```")
    assert "```\n- - -" in fences[0].content
