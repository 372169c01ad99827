"""What leaves the workbench is whole, and answers the same in plain transformers."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from huggingface_hub import ModelCard
from peft import PeftModel
from safetensors.torch import load_file, save_file

from tests.exporting.made import made, trained, workspace
from tests.work import nobody_listens
from workbench import journal, runs
from workbench import session as sessions
from workbench.exporting import target
from workbench.exporting.errors import ExportError
from workbench.exporting.export import export
from workbench.exporting.measured import of_its_weights
from workbench.inference.model import LoadedModel
from workbench.protocol import ExportRun

METHODS = ("lora", "dora", "full")


def ask(folder: Path, run: str, to: str, **more: Any) -> ExportRun:
    return ExportRun(folder=str(folder), run=run, to=to, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def tuned(folder: Path) -> dict[str, LoadedModel]:
    """A run of each method by its name, and the model as it is in memory after it."""
    return {
        method: trained(folder, method, made(method=method, num_train_epochs=2.0))[1]
        for method in METHODS
    }


def test_the_weights_are_those_in_memory(folder: Path, tuned: dict[str, LoadedModel]) -> None:
    for method in METHODS:
        told = export(ask(folder, method, "weights", overwrite=True), nobody_listens)
        found = load_file(told.path / "model.safetensors")
        model = tuned[method].model
        if isinstance(model, PeftModel):
            model.merge_adapter()
            expected = {
                name.replace("base_model.model.", "").replace(".base_layer", ""): one
                for name, one in model.state_dict().items()
                if "lora_" not in name
            }
        else:
            expected = model.state_dict()
        for name, one in found.items():
            assert torch.equal(one, expected[name]), name
        if isinstance(model, PeftModel):
            model.unmerge_adapter()


def test_in_bfloat16_the_sum_is_rounded_once(folder: Path, tuned: dict[str, LoadedModel]) -> None:
    trained(folder, "half", made(dtype="bfloat16"))
    told = export(ask(folder, "half", "half-model"), nobody_listens)
    assert any("rounded to bfloat16" in note for note in told.notes)
    assert json.loads((told.path / "config.json").read_text())["dtype"] == "bfloat16"
    base = load_file(folder / "tiny" / "model.safetensors")
    checkpoint = runs.best_checkpoint(folder / "runs" / "half")
    assert checkpoint is not None
    adapter = load_file(checkpoint[1] / "adapter_model.safetensors")
    found = load_file(told.path / "model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    a, b = (adapter[f"base_model.model.{name}.lora_{one}.weight"] for one in "AB")
    expected = base[f"{name}.weight"] + (b @ a) * (32 / 4)
    assert torch.equal(found[f"{name}.weight"], expected.bfloat16())


def test_an_adapter_names_no_path_of_this_machine(
    folder: Path, tuned: dict[str, LoadedModel]
) -> None:
    told = export(ask(folder, "lora", "named", what="adapter"), nobody_listens)
    config = json.loads((told.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    for file in told.path.iterdir():
        assert str(folder).encode() not in file.read_bytes(), file.name
    settings = json.loads((told.path / "generation_config.json").read_text())
    assert settings["max_new_tokens"] == 8
    assert settings["do_sample"] is False
    assert settings["eos_token_id"] == 2
    assert sorted(name for name, _ in told.files) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_the_card_tells_what_was_done(folder: Path, tuned: dict[str, LoadedModel]) -> None:
    told = export(ask(folder, "dora", "card"), nobody_listens)
    text = (told.path / "README.md").read_text()
    card = ModelCard(text)
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-generation"
    assert {"sft", "dora"} <= set(card.data.tags)
    assert card.data.base_model is None  # a folder is nothing that the hub knows
    assert "DoRA" in text
    assert "| rows trained on | 35 |" in text
    assert "35 rows" not in text
    lines = journal.read(folder / "runs" / "dora" / "metrics.jsonl")
    losses = [one["loss"] for one in lines if "loss" in one]
    assert f"Training loss: {losses[0]:.4f} at step 1, {losses[-1]:.4f}" in text
    assert f"{next(one for one in lines if 'eval_loss' in one)['eval_loss']:.4f}" in text
    assert "{{ text }} Is it positive or negative?" in text
    assert not any(row in text for row in ("A warm and funny film", "A brisk hack job"))


def test_markup_in_names_and_prompts_stays_what_it_is(folder: Path) -> None:
    prompt = sessions.Prompt(
        name="odd",
        system="Say ```` and [@click=app.quit]x[/] | <b>.",
        template="{{ text }}\n```python\nimport os\n```",
        completion="{{ label }}",
    )
    trained(folder, "odd `name` | --- <b>", made(prompt, num_train_epochs=0.2, save_steps=0))
    told = export(ask(folder, "odd `name` | --- <b>", "Söme folder/x y"), nobody_listens)
    text = (told.path / "README.md").read_text()
    assert "`````" in text  # a fence that the prompt's own cannot end
    assert ModelCard(text).data.library_name == "transformers"


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_target_that_exists_is_asked_for(folder: Path, tuned: dict[str, LoadedModel]) -> None:
    there = folder / "there"
    export(ask(folder, "lora", "there"), nobody_listens)
    with pytest.raises(ExportError, match="is there already; choose another folder, or overwrite"):
        export(ask(folder, "lora", "there"), nobody_listens)
    export(ask(folder, "full", "there", overwrite=True), nobody_listens)
    assert "all weights" in (there / "README.md").read_text()
    (there / "thesis.docx").write_text("years of work")
    with pytest.raises(ExportError, match=r"holds thesis\.docx, which no export makes"):
        export(ask(folder, "lora", "there", overwrite=True), nobody_listens)
    (folder / "a file").write_text("x")
    with pytest.raises(ExportError, match="is a file; name a folder"):
        export(ask(folder, "lora", "a file", overwrite=True), nobody_listens)
    assert (there / "thesis.docx").read_text() == "years of work"


def test_the_base_model_is_never_replaced(folder: Path, tuned: dict[str, LoadedModel]) -> None:
    before = (folder / "tiny" / "model.safetensors").read_bytes()
    for run in ("lora", "full"):
        with pytest.raises(ExportError, match=f"holds the model that {run} was trained from"):
            export(ask(folder, run, "tiny", overwrite=True), nobody_listens)
    assert (folder / "tiny" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("when", ["loading the base model", "writing the weights"])
def test_an_export_that_is_given_up_leaves_nothing(
    folder: Path, tuned: dict[str, LoadedModel], when: str
) -> None:
    before = sorted(folder.iterdir())

    def report(what: str, *_: Any) -> None:
        if what == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(ask(folder, "lora", "given up"), report)
    assert sorted(folder.iterdir()) == before


def test_what_an_export_was_to_replace_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """Between the two renames nothing has the target's name."""
    here, gone = str(os.getpid()), "99999999"
    old, new = tmp_path / f".out.{gone}.abcdefgh.old", tmp_path / f".out.{gone}.abcdefgh"
    other = tmp_path / f".out.{gone}.{here}.abcdefgh"  # of a target named out.99999999
    for folder in (old, new, other):
        folder.mkdir()
        (folder / "README.md").write_text(folder.name)
    with pytest.raises(ValueError, match="given up"), target.made(tmp_path / "out"):
        raise ValueError("given up")
    assert sorted(one.name for one in tmp_path.iterdir()) == [other.name, "out"]
    assert (tmp_path / "out" / "README.md").read_text() == old.name


def test_a_full_disk_and_a_lack_of_memory_are_said_before(
    folder: Path, tuned: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
        with pytest.raises(ExportError, match=r"needs 0\.1 GB and 0\.0 GB are free on the disk"):
            export(ask(folder, "lora", "full disk"), nobody_listens)
    with monkeypatch.context() as patch:
        patch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
        with pytest.raises(ExportError, match=r"of memory .* are free; close other programs"):
            export(ask(folder, "lora", "no memory"), nobody_listens)
    assert not (folder / "full disk").exists()
    assert not (folder / "no memory").exists()


@pytest.mark.parametrize("name", ["", "x" * 300, "a\0b"])
def test_a_target_that_can_be_no_folder(
    folder: Path, tuned: dict[str, LoadedModel], name: str
) -> None:
    with pytest.raises(ExportError):
        export(ask(folder, "lora", name), nobody_listens)


def test_runs_that_cannot_be_exported_say_why(
    folder: Path, tuned: dict[str, LoadedModel], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"There is no run 'gone' in .*; there is .*lora"):
        export(ask(folder, "gone", "x"), nobody_listens)
    with pytest.raises(ExportError, match=r"no checkpoint of step 3; there is .*\d"):
        export(ask(folder, "lora", "x", checkpoint=3), nobody_listens)
    with pytest.raises(ExportError, match="trained all weights, so there is no adapter"):
        export(ask(folder, "full", "x", what="adapter"), nobody_listens)
    runs.Run.create(tmp_path, "new", made(), {}).close()
    with pytest.raises(ExportError, match="new has no whole checkpoint to export"):
        export(ask(tmp_path, "new", "x"), nobody_listens)
    assert not (folder / "x").exists()


@pytest.fixture
def copy(folder: Path, tuned: dict[str, LoadedModel], tmp_path: Path) -> Path:
    """The workspace, to break things in."""
    shutil.copytree(folder / "tiny", tmp_path / "tiny")
    shutil.copytree(folder / "runs" / "lora", tmp_path / "runs" / "lora")
    return tmp_path


def test_a_base_model_that_is_gone_or_another(copy: Path) -> None:
    weights = load_file(copy / "tiny" / "model.safetensors")
    weights = {name: one + 1 for name, one in weights.items()}
    save_file(weights, copy / "tiny" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ExportError, match="tiny is not what it was when lora was trained"):
        export(ask(copy, "lora", "x"), nobody_listens)
    assert export(ask(copy, "lora", "alone", what="adapter"), nobody_listens).files
    shutil.rmtree(copy / "tiny")
    with pytest.raises(ExportError, match="The base model of lora cannot be had"):
        export(ask(copy, "lora", "x"), nobody_listens)
    assert export(ask(copy, "lora", "alone-2", what="adapter"), nobody_listens).files
    assert not (copy / "x").exists()


@pytest.mark.parametrize("how", ["torn", "foreign", "not a number"])
def test_an_adapter_that_does_not_fit(copy: Path, how: str) -> None:
    checkpoint = runs.best_checkpoint(copy / "runs" / "lora")
    assert checkpoint is not None
    path = checkpoint[1] / "adapter_model.safetensors"
    weights = load_file(path)
    if how == "torn":
        path.write_bytes(path.read_bytes()[:2000])
    elif how == "foreign":
        save_file(
            {name.replace("layers.1", "layers.7"): one for name, one in weights.items()}, path
        )
    else:
        save_file({name: one * float("nan") for name, one in weights.items()}, path)
    with pytest.raises(ExportError, match=r"does not fit tiny|cannot be merged|cannot be read"):
        export(ask(copy, "lora", "x"), nobody_listens)
    assert not (copy / "x").exists()


def test_a_card_tells_what_was_measured_of_its_own_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [(step, tmp_path) for step in (40, 80, 120)]
    monkeypatch.setattr(runs, "best_checkpoint", lambda _: there[1])
    monkeypatch.setattr(runs, "finished_checkpoints", lambda _: there)

    def told(measured: int, exported: int, begun: float = 9.0) -> bool:
        about = SimpleNamespace(about=SimpleNamespace(step=measured), begun=begun)
        events = [{"event": "best", "time": 5.0}, {"event": "finished", "time": 10.0}]
        trained = SimpleNamespace(folder=tmp_path, step=exported, events=events)
        return of_its_weights(cast(Any, about), cast(Any, trained))

    assert told(40, 40)  # in the middle of the run
    assert not told(40, 80)
    assert told(-1, 80)  # after it, when the best is in memory
    assert not told(-1, 120)
    assert not told(-1, 80, begun=3.0)  # before it was resumed
    monkeypatch.setattr(runs, "best_checkpoint", lambda _: None)
    assert told(-1, 120)
