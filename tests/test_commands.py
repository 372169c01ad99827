"""The commands: the same core without a screen."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.terminal.terminal import WORKBENCH
from workbench import __version__, runs
from workbench import session as sessions
from workbench.session import Session

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_version_and_help_answer(workbench: Run) -> None:
    assert workbench("--version").stdout == f"workbench {__version__}\n"
    text = workbench("--help").stdout
    for command in (
        "train",
        "generate",
        "eval",
        "optimize",
        "attach",
        "doctor",
        "schema",
        "new",
        "runs",
    ):
        assert f"workbench {command}" in text
        assert "usage" in workbench(command, "--help").stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from workbench.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('torch','transformers','textual','rich','msgspec','datasets')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_screen_without_a_terminal_names_the_headless_commands(
    workbench: Run, session: Session
) -> None:
    done = workbench("sessions/tiny.toml", check=2)
    assert done.stderr.count("\n") == 1
    assert "workbench train SESSION" in done.stderr


def test_the_schema_is_json(workbench: Run) -> None:
    assert "$defs" in json.loads(workbench("schema").stdout)


def test_a_new_session_is_worded_for_what_its_dataset_is(workbench: Run, tmp_path: Path) -> None:
    rows = [{"en": f"House {n}", "fr": f"Maison {n}"} for n in range(8)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = workbench("new", "sessions/pairs.toml", "--dataset", "pairs.jsonl").stderr
    assert "It is translation" in said
    prompt = sessions.load(tmp_path / "sessions" / "pairs.toml").prompt()
    assert "{{ en }}" in prompt.template
    assert prompt.completion == "{{ fr }}"


def test_a_new_session_has_what_is_set_and_a_wording_for_it(workbench: Run, tmp_path: Path) -> None:
    rows = [{"frage": f"Was kostet {n}?", "antwort": f"{n} Euro"} for n in range(40)]
    (tmp_path / "faq.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["new", "faq", "--dataset", "faq.jsonl", "--set", "dataset.format=prompt_completion"]
    named = ["--set", "dataset.mapping.prompt=frage", "--set", "dataset.mapping.completion=antwort"]
    wrong = workbench(*words, "--set", "dataset.mapping.prompt=question", check=1)
    assert "question" in wrong.stderr
    workbench(*words, *named)
    made = sessions.load(tmp_path / "faq.toml")
    assert (made.prompt().template, made.prompt().completion) == ("{{ frage }}", "{{ antwort }}")
    assert made.dataset.mapping == {"prompt": "frage", "completion": "antwort"}


@pytest.mark.parametrize("thumbs", [(1, 0), (True, False), ("good", "bad")])
def test_a_new_session_of_good_and_bad_answers_has_no_wording_that_learns_both(
    workbench: Run, tmp_path: Path, thumbs: tuple
) -> None:
    rows = [{"prompt": f"Say {n}", "completion": f"{n}", "label": thumbs[n % 2]} for n in range(8)]
    (tmp_path / "thumbs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "see kto" in workbench("new", "thumbs", "--dataset", "thumbs.jsonl").stderr
    made = sessions.load(tmp_path / "thumbs.toml")
    assert made.prompt().template == made.prompt().completion == ""
    assert "see kto" not in workbench("new", "other", "--dataset", "other.jsonl").stderr


def test_a_new_session_is_made_and_not_written_over(workbench: Run, tmp_path: Path) -> None:
    workbench("new", "sessions/mine", "--model", "some/model", "--dataset", "rows.jsonl")
    made = sessions.load(tmp_path / "sessions" / "mine.toml")
    assert (made.model.name, made.dataset.source) == ("some/model", "rows.jsonl")
    again = workbench("new", "sessions/mine.toml", check=1)
    assert "is there already" in again.stderr


@pytest.mark.parametrize("command", ["train", "generate", "eval", "optimize"])
def test_a_wrong_session_is_one_sentence(workbench: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.toml").write_text("[training]\nlora_rank = 4\n")
    done = workbench(command, "bad.toml", check=1)
    assert "bad.toml: training.lora_rank: there is no such key" in done.stderr
    missing = workbench(command, "gone.toml", check=1)
    assert "gone.toml: there is no such session" in missing.stderr
    assert done.stdout == missing.stdout == ""


@pytest.mark.parametrize("host", [[], ["--in-process"]])
def test_a_run_a_measure_and_an_answer_as_json(
    workbench: Run, forked: Run, session: Session, host: list[str]
) -> None:
    run = forked if host else workbench
    done = run("train", "sessions/tiny.toml", "--json", *host)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in events[:2]] == ["plan", "started"]
    assert events[0]["steps"] == events[-1]["total_steps"]
    assert events[-1]["event"] == "finished"
    losses = [event["loss"] for event in events if "loss" in event]
    assert len(losses) == events[-1]["total_steps"] == events[-1]["step"]
    assert losses[-1] < losses[0]

    answer = json.loads(
        run("generate", "tiny", "--row", "2", "--adapter", "tiny-1", "--json", *host).stdout
    )
    assert [one["weights"] for one in answer["answers"]] == ["base", "tuned"]
    assert answer["answers"][0]["text"] != answer["answers"][1]["text"]

    measured = json.loads(
        run("eval", "tiny", "--adapter", "tiny-1", "--rows", "2", "--json", *host).stdout
    )
    assert [one["weights"] for one in measured["results"]] == ["base", "tuned"]

    (compared,) = measured["comparisons"]
    assert compared["a"] == measured["results"][0]["measurement"]
    assert compared["difference"] == pytest.approx(
        measured["results"][1]["value"] - measured["results"][0]["value"]
    )

    (listed,) = json.loads(run("runs", "--json").stdout)
    assert (listed["name"], listed["state"]) == ("tiny-1", "finished")
    assert "tiny-1" in run("runs").stdout


def test_an_answer_alone_is_on_stdout(workbench: Run, session: Session) -> None:
    done = workbench("generate", "tiny", "--row", "1")
    answer = json.loads(workbench("generate", "tiny", "--row", "1", "--json").stdout)
    assert done.stdout == answer["answers"][0]["text"] + "\n"
    assert "tokens/s" in done.stderr


def test_variants_are_measured_compared_and_not_asked_twice(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    other = replace(session.prompt(), name="short", template="{{ text }}")
    sessions.save(
        replace(session, prompts=[*session.prompts, other]), tmp_path / "sessions" / "tiny.toml"
    )
    words = ["eval", "tiny", "--variant", "plain", "--variant", "short", "--in-process"]
    done = forked(*words, "--rows", "3")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("plain  base   accuracy ")
    assert any(line.startswith("short  base   accuracy ") for line in lines)
    assert lines[-1].startswith("short beside plain: ")
    again = forked(*words, "--rows", "3")
    assert again.stdout.count("3 known before") == 2
    named = forked("eval", "tiny", "--variant", "long", check=1)
    assert "no prompt long in the session; there is plain, short" in named.stderr


def test_a_variant_that_cannot_be_measured_leaves_the_others(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    plain = session.prompts[0]
    bad = replace(plain, name="bad", template="{{ text }")
    made = replace(session, prompts=[plain, bad, replace(plain, name="third")])
    sessions.save(made, tmp_path / "sessions" / "tiny.toml")
    words = ["eval", "tiny", "--in-process", "--json"]
    words += ["--variant", "plain", "--variant", "bad", "--variant", "third"]
    told = json.loads(forked(*words, check=1).stdout)
    assert [one["prompt"] for one in told["results"]] == ["plain", "third"]
    assert "error in line 1, column 1" in told["problems"]["bad"]
    assert len(told["comparisons"]) == 1


def test_what_has_no_figure_is_no_figure(forked: Run, session: Session, tmp_path: Path) -> None:
    evaluation = replace(session.evaluation, answer="write", metrics=["calibration"])
    made = replace(session, evaluation=evaluation)
    sessions.save(made, tmp_path / "sessions" / "tiny.toml")
    done = forked("eval", "tiny", "--in-process", check=1)
    assert "calibration: no figure" in done.stdout
    assert "accuracy" not in done.stdout


def test_several_answers_and_the_probabilities_of_their_tokens(
    forked: Run, session: Session
) -> None:
    done = forked(
        "generate", "tiny", "--row", "1", "--samples", "2", "--alternatives", "3", "--json",
        "--in-process",
    )  # fmt: skip
    answers = json.loads(done.stdout)["answers"]
    assert [one["sample"] for one in answers] == [0, 1]
    assert answers[0]["text"] != answers[1]["text"]
    for answer in answers:
        assert len(answer["detail"]) == answer["tokens"]
        for token in answer["detail"]:
            assert len(token["alternatives"]) == 3
            assert token["logprob"] <= 0


def test_a_search_adds_its_best_as_a_variant_and_ctrl_c_keeps_what_there_is(
    forked: Run, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "sessions" / "tiny.toml"
    words = ["optimize", "tiny", "--in-process", "--rows", "12"]
    done = forked(*words, "--candidates", "4", "--json")
    found = json.loads(done.stdout)
    names = [prompt.name for prompt in sessions.load(path).prompts]
    if found["variant"]:
        assert names == ["plain", found["variant"]]
        assert found["held_out"]["a"] != found["held_out"]["b"]
    else:
        assert names == ["plain"]
    before = path.read_text()
    search = subprocess.Popen(
        [*WORKBENCH, *words, "--candidates", "500", "--no-save"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert search.stderr is not None
    for line in search.stderr:
        if re.match(r"\d+/500 ", line):
            break
    search.send_signal(signal.SIGINT)
    out, _ = search.communicate(timeout=120)
    assert search.returncode == 0
    assert re.search(r"\d+ candidates in ", out)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate", "tiny", "--row", "900", "--in-process"], "no row 900"),
        (["generate", "tiny", "--row", "0", "--in-process"], "no row 0"),
        (["generate", "tiny", "--prompt", "x", "--in-process"], "no prompt x"),
        (["generate", "tiny", "--adapter", "nope", "--in-process"], "nope"),
        (["train", "tiny", "--resume", "nope", "--in-process"], "no run nope"),
        (["train", "tiny", "--detach", "--in-process"], "--detach needs a worker process"),
        (["fetch", "nope"], "no starter nope"),
    ],
)
def test_what_is_not_there_is_named(
    forked: Run, session: Session, words: list[str], said: str
) -> None:
    done = forked(*words, check=1)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()[-1]) < 300


def training(tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    """A long run, once it has done some steps."""
    path = tmp_path / "sessions" / "tiny.toml"
    text = path.read_text().replace("num_train_epochs = 1.0", "num_train_epochs = 200.0")
    path.write_text(text)
    child = subprocess.Popen(
        [*WORKBENCH, "train", "tiny", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: runs.status(tmp_path / "runs" / "tiny-1").step >= 3)
    return child


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("host", [[], ["--in-process"]])
def test_ctrl_c_stops_with_a_checkpoint_and_the_run_resumes(
    workbench: Run, forked: Run, session: Session, tmp_path: Path, host: list[str]
) -> None:
    child = training(tmp_path, *host)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert "stopped at step" in err
    folder = tmp_path / "runs" / "tiny-1"
    status = runs.status(folder)
    assert status.state == "stopped"
    assert (runs.last_checkpoint(folder) or (0,))[0] == status.step
    path = folder / "session.toml"
    path.write_text(path.read_text().replace("max_steps = -1", f"max_steps = {status.step + 3}"))
    run = forked if host else workbench
    run("train", "tiny", "--resume", "tiny-1", *host)
    assert runs.status(folder).step == status.step + 3
    assert runs.status(folder).state == "finished"


def test_a_detached_run_is_found_by_attach(
    workbench: Run, session: Session, tmp_path: Path
) -> None:
    child = training(tmp_path, "--detach")
    assert child.wait(timeout=120) == 0
    (host,) = json.loads(workbench("attach", "--json").stdout)
    assert host["run"] == "tiny-1"
    assert host["session"] == str(tmp_path / "sessions" / "tiny.toml")
    listed = workbench("attach", check=2)
    assert "training tiny-1" in listed.stdout
    os.kill(host["pid"], signal.SIGTERM)
    until(lambda: runs.status(tmp_path / "runs" / "tiny-1").state == "stopped")


def test_attach_with_nobody_up_says_so(workbench: Run) -> None:
    assert json.loads(workbench("attach", "--json").stdout) == []
    assert "No worker is up" in workbench("attach", check=1).stderr
