"""Patterns, schemas and functions that are wrong, hostile or never end."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.measuring.made import figures_of
from workbench.data.prompting import PromptError
from workbench.measuring.metrics import check, score
from workbench.measuring.metrics.function import Own
from workbench.measuring.metrics.patterns import Matches
from workbench.measuring.metrics.schema import OfSchema
from workbench.measuring.replies import Reply
from workbench.session import EvaluationSettings, JudgeSettings

DEEP = 100_000


def reply(answer: str, **values: Any) -> Reply:
    return Reply(number=0, expected="x", answer=answer, values=values)


# --- patterns


@pytest.mark.parametrize(
    ("pattern", "answer", "right"),
    [
        (r"^\d+$", "42\n", True),
        (r"^\d+$", "about 42", False),
        (r"\d", "about 42", True),
        (r"^{{ name }}$", "C++ (2)", True),
        (r"^{{ name }}$", "CCC 2", False),
        (r"^{{ name | lower }}$", "c++ (2)", True),
        (r'^{{ row["a name"] }}', "yes.", True),
        (r"^{{ own | pattern }}$", "aab", True),
        (r"^(?:{% for one in many %}{{ one }}{% if not loop.last %}|{% endif %}{% endfor %})$",
         "b.", True),
        (r"^(?:{% for one in many %}{{ one }}{% if not loop.last %}|{% endif %}{% endfor %})$",
         "bx", False),
        (r"\d{2}", "12", True),
        (r"^.{1,3}$", "\x00\ud800", True),
    ],
)  # fmt: skip
def test_a_pattern_is_filled_from_the_row_literally(pattern: str, answer: str, right: bool) -> None:
    values = {"name": "C++ (2)", "a name": "yes", "own": "a+b", "many": ["a+", "b."]}
    assert Matches(pattern).score(reply(answer, **values)) == right


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("", "has no pattern"),
        ("a(b", "no regular expression: missing \\) at position 4"),
        ("({{ label }}", "missing \\) at position"),
        ("{{ label", "error in line 1"),
        ("{{ lable }}", 'no column "lable"; perhaps "label" is meant'),
        ("x" * 30_000, "more than 20,000"),
        ("(" * 5_000 + ")" * 5_000, "nested too deeply"),
    ],
)
def test_a_wrong_pattern_is_told_before_the_first_row(pattern: str, sentence: str) -> None:
    settings = EvaluationSettings(metrics=["regex"], pattern=pattern)
    with pytest.raises(PromptError, match=sentence):
        check(settings, ["label", "text"])


def test_a_pattern_that_would_run_for_ever_is_stopped() -> None:
    metric = Matches(r"^(a|a)*$")
    begun = time.monotonic()
    values, problem = score([metric], reply("a" * 40 + "b"))
    assert time.monotonic() - begun < 60  # it would take 2 ** 40 steps
    assert not values
    assert "takes more than 1 second" in problem


@pytest.mark.parametrize(
    "pattern",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ value | nosuch }}",
        "{{ value / 0 }}",
    ],
)
def test_a_hostile_template_of_a_pattern_fails_its_row_only(pattern: str) -> None:
    try:
        _, problem = score([Matches(pattern)], reply("x", value=1))
    except PromptError as error:
        problem = str(error)
    assert problem.endswith(".")


# --- schemas

PERSON = json.dumps(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
        "required": ["name"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('{"name": "Ada", "age": 36}', True),
        (' \n{"name": "Ada"}\n', True),
        ('{"name": "Ada", "age": -1}', False),
        ('{"name": "Ada", "age": NaN}', False),
        ('{"age": 3}', False),
        ("Ada", False),
        ("", False),
        ('```json\n{"name": "Ada"}\n```', False),
        ('{"name": "Ada"} and more', False),
        ('{"name": "\x00"}', False),
        ('{"name": "\\ud800"}', True),
        ("[" * DEEP, False),
        ("[" * DEEP + "]" * DEEP, False),
        ("9" * 10_000, False),
    ],
)
def test_an_answer_is_json_of_the_schema_or_not(answer: str, right: bool) -> None:
    assert OfSchema(PERSON, Path()).score(reply(answer)) == right


def test_a_schema_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "person.json").write_text(PERSON)
    metric = OfSchema("person.json", tmp_path)
    assert metric.score(reply('{"name": "Ada"}')) == 1


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ("", "has no schema"),
        ("missing.json", "cannot be read: No such file"),
        ('{"type": ', "not JSON: .* line 1, column"),
        ('{"type": "nonsense"}', r"not valid at \$.type"),
        ('{"$ref": "https://example.org/x.json"}', "nothing is fetched"),
        ('{"$id": "https://example.org/", "$ref": "x.json"}', "not in it"),
        ('{"properties": {"a": {"$ref": "file:///etc/passwd"}}}', "nothing is fetched"),
        ('{"$ref": "#/$defs/none"}', "not in it"),
        ('{"$ref": "#"}', "itself without end"),
        ('{"pattern": "(a"}', r"not valid at \$.pattern"),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "no schema that can be read"),
    ],
)
def test_a_wrong_schema_is_told_before_the_first_row(
    schema: str, sentence: str, tmp_path: Path
) -> None:
    settings = EvaluationSettings(metrics=["json_schema"], json_schema=schema)
    with pytest.raises(PromptError, match=sentence):
        check(settings, [], tmp_path)


def test_a_reference_within_the_schema_is_followed() -> None:
    schema = '{"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}'
    metric = OfSchema(schema, Path())
    assert metric.score(reply("[1, 2]")) == 1
    assert metric.score(reply('[1, "2"]')) == 0


def test_a_pattern_in_a_schema_that_would_run_for_ever_is_stopped() -> None:
    metric = OfSchema('{"type": "string", "pattern": "^(a|a)*$"}', Path())
    values, problem = score([metric], reply(json.dumps("a" * 40 + "b")))
    assert not values
    assert "takes more than 1 second" in problem
    assert metric.score(reply('"aaa"')) == 1


def test_an_answer_of_many_megabytes_is_not_read() -> None:
    _, problem = score([OfSchema(PERSON, Path())], reply("[" + "1," * 5_000_000 + "1]"))
    assert "longer than 1,000,000 characters" in problem


# --- functions


def alive(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(process: int) -> bool:
    """Whether the process ends within a while."""
    return any(not alive(process) or time.sleep(0.1) for _ in range(200))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Any]:
    made: list[Own] = []

    def make(text: str, seconds: float = 60.0, name: str = "metric") -> Own:
        (tmp_path / "own.py").write_text(text)
        made.append(Own(f"own.py:{name}", tmp_path, seconds))
        return made[-1]

    yield make
    for metric in made:
        metric.close()


def test_a_function_gets_answer_expected_answer_and_row(own: Any) -> None:
    metric = own(
        "def metric(answer, expected, row):\n"
        "    return (answer, expected, row['n']) == ('A\\x00\\ud800', 'x', [1, None])\n"
    )
    assert metric.score(reply("A\x00\ud800", n=[1, None])) == 1.0
    assert metric.score(reply("B", n=[1, None])) == 0.0
    assert metric.binary


def test_a_function_keeps_what_it_loaded_and_its_neighbours(own: Any, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("LIMIT = 3")
    metric = own(
        "import os\nfrom beside import LIMIT\ncalls = 0\n"
        "def metric(answer, expected, row):\n"
        "    global calls\n    calls += 1\n    return calls + LIMIT\n"
    )
    assert [metric.score(reply("")) for _ in range(3)] == [4, 5, 6]
    assert (metric.unit, metric.binary) == ("score", False)


def test_what_a_function_prints_and_reads_reaches_nobody(
    own: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    metric = own(
        "import os, sys\nprint('loaded')\n"
        "def metric(answer, expected, row):\n"
        "    print('{\"value\": 7}'); print('no', file=sys.stderr)\n"
        "    os.write(1, b'raw'); os.system('echo out; echo err >&2')\n"
        "    return len(sys.stdin.read())\n"
    )
    assert metric.score(reply("")) == 0.0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("return row['missing']", "raised KeyError: 'missing' \\(own.py, line 2\\)"),
        ("raise SystemExit(3)", "raised SystemExit: 3 \\(own.py, line 2\\)"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt \\(own.py, line 2\\)"),
        ("return '1'", "returned str instead of a number, .* line 1"),
        ("return None", "returned NoneType instead"),
        ("return float('nan')", "returned nan instead"),
        ("return [1]", "returned list instead"),
        ("return metric(answer, expected, row)", "raised RecursionError"),
        ("import os; os._exit(0)", "ended its process"),
        ("import os; os.kill(os.getpid(), 9)", "ended its process"),
        ("import os; os.closerange(3, 99); return 1", "ended its process"),
    ],
)
def test_a_function_that_fails_costs_its_row(own: Any, body: str, sentence: str) -> None:
    metric = own(
        f"def metric(answer, expected, row):\n    if answer == 'bad': {body}\n    return 1\n"
    )
    _, problem = score([metric], reply("bad"))
    assert re.search(sentence, problem), problem
    assert problem.endswith(".")
    assert metric.score(reply("good")) == 1.0


@pytest.mark.parametrize("body", ["while 1: 1", "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')"])
def test_a_function_that_never_ends_is_ended(own: Any, body: str) -> None:
    metric = own(
        f"def metric(answer, expected, row):\n    if not answer: return 1\n    {body}\n",
        seconds=0.3,
    )
    _, problem = score([metric], reply("bad"))
    assert "did not answer within 0.3 seconds" in problem
    metric.seconds = 60.0
    assert metric.score(reply("")) == 1.0


def test_a_function_that_hangs_on_every_row_is_given_up(own: Any) -> None:
    metric = own(
        "import time\ndef metric(answer, expected, row):\n    time.sleep(60)\n", seconds=0.1
    )
    problems = [score([metric], reply(""))[1] for _ in range(50)]
    assert "given up after 3 rows" in problems[-1]


def test_a_process_whose_measurement_was_killed_ends_by_itself(own: Any) -> None:
    metric = own("def metric(answer, expected, row):\n    return 1\n")
    metric.score(reply(""))
    process = metric.process
    process.stdin.close()  # what the kernel does for a parent that was killed
    assert process.wait(60) == 0


def test_a_function_does_not_outlive_a_measurement_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import os, re\ndef metric(answer, expected, row):\n"
        "    open('pid', 'w').write(str(os.getpid()))\n"
        "    re.match(r'(a+)+$', 'a' * 60 + 'b')\n"  # it holds the interpreter and never ends
    )
    script = (
        "import sys; from pathlib import Path\n"
        "from workbench.measuring.metrics.function import Own\n"
        "from workbench.measuring.replies import Reply\n"
        "Own('own.py:metric', Path(sys.argv[1]), 2.0).score(Reply(number=0, expected=''))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    noted = tmp_path / "pid"
    while not (noted.exists() and noted.read_text()):
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    child = int(noted.read_text())
    assert alive(child)
    assert gone(child)


def test_closing_ends_what_the_function_started(own: Any, tmp_path: Path) -> None:
    metric = own(
        "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
        "def metric(answer, expected, row):\n    return child.pid\n"
    )
    child = int(metric.score(reply("")))
    metric.close()
    assert gone(child)


@pytest.mark.parametrize(
    ("text", "function", "sentence"),
    [
        ("", "", "has no function; set evaluation.function"),
        ("", "own.py", "write file.py:name"),
        ("", "missing.py:metric", "There is no file"),
        ("def other(): ...\n", "own.py:metric", "has no function metric; it has other"),
        ("x = 1\ndef metric(:\n", "own.py:metric", r"SyntaxError.*\(own.py, line 2\)"),
        ("import nosuchmodule\n", "own.py:metric", r"ModuleNotFoundError.*line 1\)"),
        ("import sys; sys.exit()\n", "own.py:metric", "cannot be loaded: SystemExit"),
        ("import os; os._exit(1)\n", "own.py:metric", "ends the process while it loads"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_told_before_the_first_row(
    text: str, function: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(text)
    settings = EvaluationSettings(metrics=["function"], function=function)
    with pytest.raises(PromptError, match=sentence):
        check(settings, [], tmp_path)


def test_a_long_answer_reaches_the_function(own: Any) -> None:
    metric = own("def metric(answer, expected, row):\n    return len(answer)\n")
    assert metric.score(reply("ü" * 5_000_000)) == 5_000_000


def test_a_function_of_true_and_false_has_the_interval_of_a_share(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def metric(answer, expected, row):\n    return answer > expected\n"
    )
    replies = [Reply(number=n, expected="m", answer=one) for n, one in enumerate("axyzb")]
    found = figures_of(replies, ["function"], folder=tmp_path, function="own.py:metric")
    assert (found["function"].value, found["function"].interval) == (0.6, "Wilson")


def test_an_unusable_scale_of_the_judge_is_told() -> None:
    settings = EvaluationSettings(metrics=["judge"])
    check(settings, [])
    settings = EvaluationSettings(metrics=["judge"], judge=JudgeSettings(lowest=5, highest=1))
    with pytest.raises(PromptError, match="scale goes from 5 to 1"):
        check(settings, [])
