"""What is exported answers in plain transformers and peft, by its card, as it did in memory."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from msgspec.structs import replace

from tests.encoders import make_bert
from tests.exporting.made import LABELS, made, trained, workspace, write_rows
from tests.tiny import reviews
from tests.training.by_trl import preferences
from tests.translating import ROWS as TRANSLATIONS
from tests.translating import make_t5
from tests.work import PROMPT, nobody_listens
from workbench.data.prompting import encode_prompt
from workbench.exporting.errors import ExportError
from workbench.exporting.export import export
from workbench.inference.generation import generate
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.inference.rewarding import RewardAnswerer
from workbench.inference.seq2seq import Seq2SeqAnswerer
from workbench.protocol import ExportRun
from workbench.session import GenerationSettings, Prompt

TEXT = "Smart, sharp and alive."
PLAIN = Prompt(name="plain")
WORDED = Prompt(name="worded", template="{{ text }} Good?", completion="{{ label }}")
VIRTUAL = {"learning_rate": 3e-2}
NEAR = 2e-5
Answer = Callable[[LoadedModel], str]


@dataclass(frozen=True)
class Case:
    """A run to export, what goes in the card's place for one's own text, and what to expect."""

    settings: dict[str, Any]
    answer: Answer
    what: str = "model"
    fill: str = TEXT
    change: tuple[str, str] = ("", "")  # of the card's code, to print more


def written(loaded: LoadedModel) -> str:
    ids = encode_prompt(loaded.tokenizer, PROMPT, {"text": TEXT})
    settings = GenerationSettings(max_new_tokens=8)
    never = threading.Event()
    return generate(loaded, ids, settings, "tuned", never, nobody_listens).text


def logits_of(text: str) -> Answer:
    def answer(loaded: LoadedModel) -> str:
        inputs = loaded.tokenizer(text, return_tensors="pt")
        with loaded.answering("tuned"):
            return json.dumps(loaded.model(**inputs).logits[0].tolist())

    return answer


def guessed(loaded: LoadedModel) -> str:
    mask = loaded.tokenizer.mask_token
    inputs = loaded.tokenizer(f"Paris is the {mask} of France.", return_tensors="pt")
    place = inputs["input_ids"][0].tolist().index(loaded.tokenizer.mask_token_id)
    with loaded.answering("tuned"):
        return json.dumps(loaded.model(**inputs).logits[0, place].tolist())


def translated(loaded: LoadedModel) -> str:
    answerer = Seq2SeqAnswerer(loaded, "tuned", Prefixes())
    turns = [{"role": "user", "content": "translate English to French: red house"}]
    settings = GenerationSettings(max_new_tokens=8, num_beams=3)
    found: dict[int, Any] = {}
    answerer.write([answerer.question(turns)], settings, found.__setitem__, threading.Event())
    return str(found[0].text)


def rewarded(loaded: LoadedModel) -> str:
    answerer = RewardAnswerer(loaded, "tuned", Prefixes())
    turns = [{"role": "user", "content": TEXT}, {"role": "assistant", "content": TEXT}]
    ids = answerer.question(turns).ids
    with loaded.answering("tuned"):
        return str(float(loaded.model(input_ids=torch.tensor([ids])).logits[0, 0]))


LOGITS = ("print(", "print([*map(float, logits)], ")
GIVEN = {**LABELS, "learning_rate": 3e-3}
CASES = {
    "lora": Case({}, written),
    "dora": Case({"method": "dora"}, written),
    "rslora": Case({"method": "rslora"}, written),
    "full": Case({"method": "full"}, written),
    "adapter": Case({}, written, "adapter"),
    "prompt": Case({"method": "prompt_tuning", **VIRTUAL}, written, "adapter"),
    "prefix": Case({"method": "prefix_tuning", **VIRTUAL}, written, "adapter"),
    "labels": Case({**GIVEN, "method": "full"}, logits_of(TEXT), change=LOGITS),
    "labels adapter": Case({**GIVEN}, logits_of(TEXT), "adapter", change=LOGITS),
    "labels worded": Case(
        {**GIVEN, "prompt": WORDED, "method": "full"}, logits_of(f"{TEXT} Good?"), change=LOGITS
    ),
    "hidden": Case(
        {"prompt": PLAIN, "model": "masked", "task": "masked_lm", "learning_rate": 3e-3},
        guessed,
        change=("print(", "print([*map(float, logits)], "),
    ),
    "pairs": Case(
        {
            "prompt": PLAIN,
            "model": "t5",
            "task": "seq2seq",
            "source": "pairs.jsonl",
            "learning_rate": 2e-2,
            "num_train_epochs": 4.0,
        },
        translated,
        fill="red house",
    ),
    "reward": Case(
        {"prompt": PLAIN, "task": "reward", "source": "preferences.jsonl"}, rewarded, "adapter"
    ),
    "reward of an encoder": Case(
        {
            "prompt": PLAIN,
            "model": "bert",
            "task": "reward",
            "source": "preferences.jsonl",
            "method": "full",
            "learning_rate": 3e-3,
        },
        rewarded,
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = workspace(tmp_path_factory.mktemp("same"), reviews(30))
    make_bert(folder / "bert")
    make_bert(folder / "masked", "BertForMaskedLM")
    make_t5(folder / "t5")
    write_rows(folder, TRANSLATIONS, "pairs.jsonl")
    write_rows(folder, preferences(20), "preferences.jsonl")
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, str]:
    """What each model answered in memory; it is exported to a folder of its name."""
    found: dict[str, str] = {}
    for name, case in CASES.items():
        session = made(**{"save_steps": 0, "eval_steps": 0, **case.settings})
        if name == "pairs":
            beams = GenerationSettings(max_new_tokens=8, num_beams=3)
            session = replace(session, generation=beams)
        _, loaded = trained(folder, name, session)
        found[name] = case.answer(loaded)
        asked = ExportRun(folder=str(folder), run=name, to=f"out/{name}", what=case.what)
        export(asked, nobody_listens)
    return found


@pytest.fixture(scope="module")
def said(folder: Path, expected: dict[str, str]) -> dict[str, str]:
    """What the card's code prints, each in its own folder, in one process without workbench."""
    snippets = []
    for name, case in CASES.items():
        card = (folder / "out" / name / "README.md").read_text()
        code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
        assert code
        text = code[1].replace('"…"', repr(case.fill)).replace(*case.change)
        base = re.search(r'BASE = "(\w+)"', text)
        if base:
            text = text.replace(base[0], f'BASE = "{folder / base[1]}"')
        snippets.append((str(folder / "out" / name), text))
    code = "import contextlib, gc, io, json, os, sys, warnings\nwarnings.simplefilter('ignore')\n"
    code += f"said = []\nfor folder, source in {snippets!r}:\n"
    code += "    os.chdir(folder)\n    out = io.StringIO()\n"
    code += "    with contextlib.redirect_stdout(out):\n        exec(source, {})\n"
    code += "    said.append(out.getvalue())\n    gc.freeze()\n"
    code += "assert not any(name.startswith('workbench') for name in sys.modules)\n"
    code += "print(json.dumps(said))\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.answer is written])
def test_models_write_the_same(name: str, said: dict[str, str], expected: dict[str, str]) -> None:
    assert said[name] == expected[name] + "\n"
    assert len({expected[one] for one in ("lora", "full", "prompt", "prefix")}) > 2


@pytest.mark.parametrize("name", ["labels", "labels adapter", "labels worded"])
def test_classifiers_give_the_same_labels(
    name: str, folder: Path, said: dict[str, str], expected: dict[str, str]
) -> None:
    given, _, label = said[name].strip().rpartition(" ")
    logits = json.loads(expected[name])
    assert json.loads(given) == pytest.approx(logits, abs=NEAR)
    assert label == ["negative", "positive"][logits.index(max(logits))]
    card = ModelCard((folder / "out" / name / "README.md").read_text())
    assert card.data.pipeline_tag == "text-classification"
    if "adapter" not in name:
        config = json.loads((folder / "out" / name / "config.json").read_text())
        assert config["id2label"] == {"0": "negative", "1": "positive"}


def test_masked_models_guess_the_same(said: dict[str, str], expected: dict[str, str]) -> None:
    given = said["hidden"].rpartition("]")[0] + "]"
    assert json.loads(given) == pytest.approx(json.loads(expected["hidden"]), abs=NEAR)


@pytest.mark.parametrize("name", ["reward", "reward of an encoder"])
def test_reward_models_give_the_same_number(
    name: str, said: dict[str, str], expected: dict[str, str]
) -> None:
    assert float(said[name]) == pytest.approx(float(expected[name]), abs=NEAR)


def test_encoder_decoders_write_the_same_by_the_sessions_beams(
    folder: Path, said: dict[str, str], expected: dict[str, str]
) -> None:
    assert said["pairs"] == expected["pairs"] + "\n"
    assert said["pairs"].strip()
    settings = json.loads((folder / "out" / "pairs" / "generation_config.json").read_text())
    assert settings["num_beams"] == 3
    assert settings["max_new_tokens"] == 8
    card = (folder / "out" / "pairs" / "README.md").read_text()
    assert 'TEMPLATE = "translate English to French: {{ en }}"' in card


@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_virtual_tokens_are_generated_with_without_a_cache(
    folder: Path, expected: dict[str, str], name: str
) -> None:
    """On SmolLM2 peft's generate answered as the base model where it kept a cache."""
    config = json.loads((folder / "out" / name / "generation_config.json").read_text())
    assert config["use_cache"] is False


def test_virtual_tokens_cannot_be_merged(folder: Path, expected: dict[str, str]) -> None:
    with pytest.raises(ExportError, match=r"virtual tokens, which cannot be merged.*export"):
        export(ExportRun(folder=str(folder), run="prompt", to="no"), nobody_listens)
    assert not (folder / "no").exists()
