"""A session file: written whole, read strictly, errors that name the key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from workbench import session as sessions
from workbench.session import Prompt, Session, SessionError

ROOT = Path(__file__).parents[1]


def test_a_session_comes_back_as_it_was(tmp_path: Path) -> None:
    tricky = 'Say "hi" \\ to {{ text }}\n\n\'\'\' """ [/i] \x1b[31m \u202e tab\there\r\nend  '
    session = Session(
        prompts=[Prompt(name="a [b]", template=tricky, system=tricky), Prompt(name="ü")],
        active_prompt="ü",
    )
    path = tmp_path / "sessions" / "x.toml"
    sessions.save(session, path)
    assert sessions.load(path) == session


def test_every_key_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    sessions.save(Session(), path)
    text = path.read_text()
    for key in ("learning_rate", "max_new_tokens", "lora_alpha", "trust_remote_code", "template"):
        assert f"{key} = " in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[training]\nlerning_rate = 1", "training.lerning_rate: there is no such key; did you"),
        ("modle = 1", 'modle: there is no such key; did you mean "model"?'),
        ("[training]\nlora_r = 0", "training.lora_r: expected int >= 1; it is 0."),
        ("[training]\nnum_train_epochs = 'x'", "training.num_train_epochs: expected float, got"),
        ("[[prompts]]\nname = 'a'\nfoo = 1", "prompts[0].foo: there is no such key"),
        ("[[prompts]]\nname='a'\n[[prompts]]\nname='a'", 'prompts: two are named "a"'),
        ("active_prompt = 'z'", 'active_prompt: there is no prompt "z"; there is first.'),
        ("prompts = []", "prompts: expected array of length >= 1"),
        ("[training]\nnum_train_epochs = inf", "num_train_epochs: expected a finite number; it is"),
        ("[training]\nseed = 4294967296", "training.seed: expected int <= 4294967295; it is"),
        ("[training]\nthreads = 100000", "training.threads: expected int <= 1024; it is 100000."),
        ("[generation]\ntop_p = 1.5", "generation.top_p: expected float <= 1.0; it is 1.5."),
        (
            "[layout]\nfocus = 'left'",
            "layout.focus: expected one of dataset, prompt, output, monitor; it is 'left'.",
        ),
        ("[model]\ndtype = 'x'", "model.dtype: expected one of auto, bfloat16, float16, float32;"),
        ("version = 2", "version: expected one of 1; it is 2."),
        ("a = [", "is not valid TOML"),
        ("model = 1", "model: expected object, got int"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_what_was_expected(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SessionError) as caught:
        sessions.load(path)
    assert str(caught.value).startswith(f"{path}")
    assert expected in str(caught.value)
    assert path.read_text() == text


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"gone\.toml: there is no such session"):
        sessions.load(tmp_path / "gone.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SessionError, match="not UTF-8"):
        sessions.load(tmp_path / "binary.toml")
    with pytest.raises(SessionError, match="cannot be read"):
        sessions.load(tmp_path)


def test_no_disk_left_keeps_the_old_file_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    before = sessions.save(Session(), path)
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from workbench import session as s\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: s.save(s.Session(description='new'), Path(sys.argv[1]))\n"
        "except s.SessionError as error: print(error)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "cannot be saved" in out.stdout
    assert "old file is as it was" in out.stdout
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["x.toml"]


def test_a_link_stays_a_link_and_the_mode_is_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "real.toml", tmp_path / "link.toml"
    sessions.save(Session(), target)
    target.chmod(0o600)
    link.symlink_to(target)
    sessions.save(Session(description="new"), link)
    assert link.is_symlink()
    assert sessions.load(target).description == "new"
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_workspace_is_the_folder_that_holds_sessions(tmp_path: Path) -> None:
    assert sessions.workspace(tmp_path / "sessions" / "a.toml") == tmp_path
    assert sessions.workspace(tmp_path / "a.toml") == tmp_path


def test_the_prompt_in_use_is_replaced_in_its_place() -> None:
    session = Session(prompts=[Prompt(name="a"), Prompt(name="b")], active_prompt="b")
    changed = session.with_prompt(replace(session.prompt(), name="c", template="x"))
    assert [prompt.name for prompt in changed.prompts] == ["a", "c"]
    assert changed.prompt().template == "x"


def test_the_shipped_sessions_are_valid_and_complete() -> None:
    names = {path.stem for path in (ROOT / "sessions").glob("*.toml")}
    assert {"film-reviews", "story"} <= names
    for name in names:
        sessions.load(ROOT / "sessions" / f"{name}.toml")


def test_the_schema_describes_every_section() -> None:
    text = json.dumps(sessions.schema())
    for key in ("ModelSettings", "lora_r", "exclusiveMinimum", "additionalProperties"):
        assert key in text


def test_what_earlier_versions_wrote_is_read() -> None:
    for before, now in ((True, "on"), (False, "off")):
        made = sessions.read({"version": 1, "training": {"torch_compile": before}})
        assert made.training.torch_compile == now
