"""What each method of fine-tuning moves, and that it moves nothing else."""

import threading
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.inference.kinds import load_kind
from tests.training.plain import plain_losses
from tests.translating import load_pairs_model
from tests.work import Listener, fine_tune, lines, load_tiny, nobody_listens, rows, session
from workbench import journal, runs
from workbench.inference.adapters import misfit
from workbench.inference.errors import ModelError
from workbench.inference.fingerprints import fingerprint
from workbench.inference.generation import generate
from workbench.inference.loaded import LoadedModel
from workbench.session import GenerationSettings, TrainingSettings
from workbench.training.errors import TrainingError
from workbench.training.loop import train
from workbench.training.methods import check_method, lay

METHODS = ["full", "lora", "dora", "rslora", "prompt_tuning", "prefix_tuning"]
RATES = {"full": 1e-3, "prompt_tuning": 3e-2, "prefix_tuning": 1e-2}
IDS = [1, *range(40, 60)]
NEVER = threading.Event()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> LoadedModel:
    """One for tests that lay something of their own over it."""
    return load_tiny(folder)


def settings(method: str, **more) -> dict:
    rate = RATES.get(method, 5e-3)
    return {"method": method, "max_steps": 3, "learning_rate": rate, "pinned_count": 0, **more}


def logits(loaded: LoadedModel, which: str) -> torch.Tensor:
    with loaded.answering(which):  # type: ignore[arg-type]
        return loaded.model(input_ids=torch.tensor([IDS])).logits[:, -len(IDS) :]


@pytest.mark.parametrize("method", METHODS)
def test_losses_are_those_of_plain_peft_and_the_base_stays_as_it_was(
    folder: Path, tmp_path: Path, method: str
) -> None:
    loaded = load_tiny(folder)
    before, named = logits(loaded, "base"), fingerprint(loaded, "base")
    names: list[str] = []

    def look(step: int) -> None:
        if step or names:
            assert torch.equal(logits(loaded, "base"), before)
            assert fingerprint(loaded, "base") == named
        if loaded.has_tuned:
            names.append(fingerprint(loaded, "tuned"))

    run = fine_tune(loaded, tmp_path, "ours", Listener(look), **settings(method))
    ours = lines(run, "metrics", "loss")
    assert len(set(names)) >= 3, "another name after each step"
    assert torch.equal(logits(loaded, "base"), before)
    assert not torch.equal(logits(loaded, "tuned"), before)
    expected = plain_losses(load_tiny(folder), session(**settings(method)), rows(), tmp_path)
    assert ours == pytest.approx(expected, abs=2e-5)
    event = journal.read(run.folder / "events.jsonl")[0]
    assert event["trainable"] == loaded.status().trainable or not loaded.status().trainable
    assert event["parameters"] == load_tiny(folder).status().parameters
    loaded.drop_tuned()
    assert torch.equal(logits(loaded, "base"), before)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_goes_on_to_the_last_bit(folder: Path, tmp_path: Path, method: str) -> None:
    made = session(**settings(method, lora_dropout=0.1))
    model = load_tiny(folder)
    whole = fine_tune(model, tmp_path, "whole", made=made)
    part = fine_tune(
        load_tiny(folder), tmp_path, "part", Listener(stop=lambda step: step >= 2), made=made
    )
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    assert last[0] == 2
    other = load_tiny(folder)
    again = runs.Run(part.folder)
    assert train(made, other, rows(), again, Listener(), last[1]) == "finished"
    again.close()
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")
    assert fingerprint(other, "tuned") == fingerprint(model, "tuned")


@pytest.mark.parametrize("method", ["full", "dora", "prompt_tuning", "prefix_tuning"])
def test_what_is_saved_says_the_same_in_plain_transformers_and_peft(
    folder: Path, tmp_path: Path, method: str
) -> None:
    loaded = load_tiny(folder)
    run = fine_tune(loaded, tmp_path, "run", **settings(method))
    last = runs.last_checkpoint(run.folder)
    assert last is not None
    if method == "full":
        model = AutoModelForCausalLM.from_pretrained(last[1])
        assert model.generation_config.eos_token_id == 2
        assert not (last[1] / "adapter_config.json").exists()
    else:
        model = AutoModelForCausalLM.from_pretrained(folder / "tiny", dtype=torch.float32)
        model = PeftModel.from_pretrained(model, last[1])
    assert (last[1] / "tokenizer.json").exists()
    with torch.no_grad():
        found = model.eval()(input_ids=torch.tensor([IDS])).logits[:, -len(IDS) :]
    assert torch.equal(found, logits(loaded, "tuned"))


def test_a_full_fine_tune_keeps_float32_beside_a_bfloat16_model(
    folder: Path, tmp_path: Path
) -> None:
    """Steps that 16 bits would round away add up; answers and checkpoints are the same numbers."""
    loaded = load_tiny(folder, dtype="bfloat16")
    before = {name: one.clone() for name, one in loaded.model.named_parameters()}
    run = fine_tune(loaded, tmp_path, "run", **settings("full", learning_rate=1e-5))
    moved = loaded.moved
    assert moved is not None
    now = moved.parameters
    assert all(one.dtype == torch.float32 for one in now.values())
    share = {n: float((one != before[n].float()).float().mean()) for n, one in now.items()}
    rounded = {
        name: float((one != before[name]).float().mean())
        for name, one in zip(now, moved.answering(), strict=True)
    }
    name = "model.layers.0.mlp.down_proj.weight"
    assert share[name] > 0.99
    assert rounded[name] < 0.5
    assert "in 16 bits most small steps are rounded away" in str(lines(run, "events", "reasons")[0])
    with loaded.answering("tuned"):
        assert loaded.model.dtype == torch.bfloat16
    assert loaded.model.dtype == torch.float32


def test_without_keep_base_only_the_tuned_weights_answer_and_a_second_run_begins_from_the_base(
    folder: Path, tmp_path: Path
) -> None:
    loaded = load_tiny(folder)
    before = logits(loaded, "base")
    first = fine_tune(loaded, tmp_path, "first", **settings("full", keep_base=False))
    assert not loaded.has_base
    with pytest.raises(ModelError, match="without keeping its weights from before; load it again"):
        logits(loaded, "base")
    second = fine_tune(loaded, tmp_path, "second", **settings("full", keep_base=False))
    assert lines(second, "metrics", "loss") == lines(first, "metrics", "loss")
    loaded.drop_tuned()
    assert torch.equal(logits(loaded, "base"), before)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_frozen_layers_stay_as_they_are(tiny: LoadedModel, tmp_path: Path, method: str) -> None:
    tiny.drop_tuned()
    before = {name: one.clone() for name, one in tiny.base.named_parameters()}
    fine_tune(tiny, tmp_path, "a", **settings(method, freeze_layers=1, freeze_embeddings=True))
    moving = {name for name, one in tiny.model.named_parameters() if one.requires_grad}
    assert moving
    assert not [name for name in moving if ".layers.0." in name or "embed" in name]
    if method == "full":
        now = dict(tiny.model.named_parameters())
        changed = {name for name, one in before.items() if not torch.equal(now[name], one)}
        assert changed == moving
        # The head shares the embedding's weights, so it stays, too.
        assert tiny.model.lm_head.weight is tiny.model.model.embed_tokens.weight
    tiny.drop_tuned()


def test_a_head_tied_to_frozen_embeddings_is_said_to_stay(tiny: LoadedModel) -> None:
    laid = lay(tiny, TrainingSettings(method="full", freeze_embeddings=True))
    assert "so does the head, which shares its weights" in laid.reasons[0]


def test_an_error_in_the_middle_of_an_answer_leaves_the_tuned_weights_in_training(
    tiny: LoadedModel,
) -> None:
    lay(tiny, TrainingSettings(method="full"))
    weight = tiny.model.lm_head.weight
    weight.grad = torch.ones_like(weight)
    with torch.no_grad():
        weight.add_(1.0)
    where = weight.data_ptr()
    with suppress(KeyError), tiny.answering("base"):
        assert weight.data_ptr() != where
        with tiny.answering("tuned"):
            assert weight.data_ptr() == where
        assert weight.data_ptr() != where
        raise KeyError
    assert weight.data_ptr() == where
    assert weight.grad is not None
    assert tiny.model.model.embed_tokens.weight is weight


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"method": "full", "freeze_layers": 2}, "freeze_layers is 2 and tiny has 2 layers"),
        ({"target_modules": ["q_proj", "nope"]}, r"no layers nope .* some of: down_proj, .*q_proj"),
        (
            {"method": "prompt_tuning", "virtual_tokens": {"num_virtual_tokens": 400}},
            "400 virtual tokens are more than half of the 512",
        ),
        (
            {"method": "prompt_tuning", "virtual_tokens": {"init": "text"}},
            r"virtual_tokens.text is empty: write the words",
        ),
        ({"method": "prefix_tuning", "packing": "on"}, "set training.packing to off"),
        (
            {"method": "prefix_tuning", "activation_checkpointing": True},
            "activation_checkpointing cannot keep a tuned prefix",
        ),
        ({"method": "qlora"}, "needs a CUDA GPU, and the model is on cpu; use .* lora"),
    ],
)
def test_what_does_not_fit_says_what_to_set(tiny: LoadedModel, made: dict, sentence: str) -> None:
    import msgspec

    with pytest.raises(TrainingError, match=sentence):
        lay(tiny, msgspec.convert(made, TrainingSettings))
    assert not tiny.has_tuned
    assert not hasattr(tiny.model, "peft_config")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_four_bits_without_a_gpu_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(TrainingError, match="needs a CUDA GPU, and there is none here"):
        check_method(TrainingSettings(method="qlora"))


def test_lora_needs_linear_layers_and_says_so() -> None:
    from torch import nn

    loaded = load_kind("llama")
    for name, module in list(loaded.model.named_modules()):
        if isinstance(module, nn.Linear) and "layers" in name:
            parent, _, last = name.rpartition(".")
            setattr(loaded.model.get_submodule(parent), last, nn.Identity())
    with pytest.raises(TrainingError, match="no linear layers that LoRA can be laid over"):
        lay(loaded, TrainingSettings())


def test_an_adapter_of_another_model_is_refused_and_leaves_the_model_as_it_was(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    for method in ("lora", "prompt_tuning", "prefix_tuning", "full"):
        other = load_kind("qwen3")  # 4 layers, not 2
        lay(other, TrainingSettings(method=method))
        other.save_tuned(tmp_path / method)
        tiny.drop_tuned()
        before = logits(tiny, "base")
        if method == "prompt_tuning":  # of the same width, it fits
            continue
        others = r"does not fit tiny \((its layers are others, model\.|it has 4 layers, not 2)"
        said = "of the kind qwen3" if method == "full" else others
        with pytest.raises(ModelError, match=said):
            tiny.load_tuned(str(tmp_path / method), tmp_path)
        assert not tiny.has_tuned
        assert torch.equal(logits(tiny, "base"), before)


def test_why_an_adapter_does_not_fit_is_said_in_our_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.nn.Linear(2, 3).load_state_dict(torch.nn.Linear(4, 3).state_dict())
    assert misfit(caught.value) == "weight is of size 3 x 4 in it and 3 x 2 over this model"
    missing = ValueError("Target modules {'v', 'q.a'} not found in the base model. Please check …")
    assert misfit(missing) == "this model has no layers named q.a, v"
    assert misfit(ValueError("torn.\nand more")) == "torn"


def test_adapters_that_cannot_be_read_say_why(tiny: LoadedModel, tmp_path: Path) -> None:
    config = tmp_path / "adapter_config.json"
    config.write_text('{"peft_type": "LORA"}')
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="only as a pickle, which can run code"):
        tiny.load_tuned(str(tmp_path), tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="does not fit tiny"):
        tiny.load_tuned(str(tmp_path), tmp_path)
    config.write_text('{"peft_type": "IA3"}')
    with pytest.raises(ModelError, match="of kind IA3; use a LoRA adapter, a tuned prompt"):
        tiny.load_tuned(str(tmp_path), tmp_path)


def test_answers_from_a_full_fine_tune_are_those_of_its_step(folder: Path, tmp_path: Path) -> None:
    loaded = load_tiny(folder, dtype="bfloat16")
    greedy = GenerationSettings(max_new_tokens=4)
    said: dict[str, list[str]] = {"base": [], "tuned": []}

    def ask(step: int) -> None:
        for which, answers in said.items() if step else ():
            made = generate(loaded, IDS, greedy, which, NEVER, nobody_listens)  # type: ignore[arg-type]
            answers.append(made.text)

    fast = settings("full", learning_rate=2e-2)
    busy = fine_tune(loaded, tmp_path, "busy", Listener(ask), **fast)
    quiet = fine_tune(load_tiny(folder, dtype="bfloat16"), tmp_path, "quiet", **fast)
    assert lines(busy, "metrics", "loss") == lines(quiet, "metrics", "loss")
    assert len(set(said["base"])) == 1
    assert len(set(said["tuned"])) > 1


def test_a_prefix_that_begins_at_random_does_not_claim_to_begin_from_words(tmp_path: Path) -> None:
    loaded = load_pairs_model(tmp_path, "t5")
    chosen = session(method="prefix_tuning", task="seq2seq")
    laid = lay(loaded, chosen.training, chosen)
    said = "small random numbers: only a model that writes on can begin a prefix from words"
    assert laid.about["virtual_tokens_from"] == said
    assert f"{laid.about['virtual_tokens']} virtual tokens begin from {said}" in laid.reasons
    prefix = loaded.model.prompt_encoder["default"].embedding.weight
    assert 0.01 < float(prefix.std()) < 0.03
