import copy
import threading
from pathlib import Path

import pytest
import torch
from peft import get_peft_model_state_dict

from tests.training.plain import plain_losses
from tests.work import PROMPT, Listener, fine_tune, lines, load_tiny, nobody_listens, rows, session
from workbench import journal, runs
from workbench.data.prompting import encode_example, encode_prompt
from workbench.inference.generation import generate
from workbench.inference.model import LoadedModel
from workbench.session import GenerationSettings, Prompt
from workbench.training.errors import TrainingError
from workbench.training.loop import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def tiny(folder: Path) -> LoadedModel:
    return load_tiny(folder)


def losses(run: runs.Run) -> list[float]:
    return lines(run, "metrics", "loss")


def weights(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: one.clone() for name, one in get_peft_model_state_dict(loaded.model).items()}


@pytest.mark.parametrize("accumulation", [1, 2])
def test_losses_are_those_of_a_plain_trainer(
    tiny: LoadedModel, folder: Path, tmp_path: Path, accumulation: int
) -> None:
    settings = {"num_train_epochs": 2.0, "gradient_accumulation_steps": accumulation}
    run = fine_tune(tiny, tmp_path, "ours", **settings)
    expected = plain_losses(load_tiny(folder), session(**settings), rows(), tmp_path)
    assert len(expected) == 24 // accumulation
    assert losses(run) == pytest.approx(expected, abs=1e-5)
    assert expected[-1] < expected[0]


@pytest.mark.parametrize("stop_at", [3, 15])
def test_a_resumed_run_goes_on_to_the_last_bit(folder: Path, tmp_path: Path, stop_at: int) -> None:
    made = session(num_train_epochs=2.0, lora_dropout=0.2)
    whole_model = load_tiny(folder)
    whole = fine_tune(whole_model, tmp_path, "whole", made=made)
    first = load_tiny(folder)
    part = fine_tune(
        first, tmp_path, "part", Listener(stop=lambda step: step >= stop_at), made=made
    )
    assert runs.status(part.folder).state == "stopped"
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    assert last[0] == stop_at
    other = load_tiny(folder)  # as another process would
    again = runs.Run(part.folder)
    assert train(made, other, rows(), again, Listener(), last[1]) == "finished"
    again.close()
    assert losses(again) == losses(whole)
    for name, one in weights(other).items():
        assert torch.equal(one, weights(whole_model)[name]), name
    assert lines(again, "metrics", "tokens") == lines(whole, "metrics", "tokens")
    seconds = lines(again, "metrics", "seconds")
    assert seconds == sorted(seconds)
    assert [one for one in lines(again, "events", "event") if one != "checkpoint"] == [
        "started",
        "stopped",
        "resumed",
        "finished",
    ]


def test_prompts_answered_in_between_change_nothing_of_the_training(
    folder: Path, tmp_path: Path
) -> None:
    quiet = fine_tune(load_tiny(folder), tmp_path, "quiet", lora_dropout=0.2)
    loaded = load_tiny(folder)
    ids = encode_prompt(loaded.tokenizer, PROMPT, rows().train[0])
    settings = GenerationSettings(max_new_tokens=5, do_sample=True, temperature=2.0)
    never = threading.Event()
    answers: dict[str, list[str]] = {"base": [], "tuned": []}

    def serve(step: int) -> None:
        if step:
            for which, found in answers.items():
                found.append(generate(loaded, ids, settings, which, never, nobody_listens).text)

    before = generate(loaded, ids, settings, "base", never, nobody_listens).text
    busy = fine_tune(loaded, tmp_path, "busy", Listener(serve), lora_dropout=0.2)
    assert losses(busy) == losses(quiet)
    assert set(answers["base"]) == {before}
    assert len(set(answers["tuned"])) > 1


def test_base_and_tuned_answer_at_once_after_a_run_and_a_second_begins_afresh(
    folder: Path, tmp_path: Path
) -> None:
    loaded = load_tiny(folder)
    base = copy.deepcopy({name: p.clone() for name, p in loaded.model.named_parameters()})
    first = fine_tune(loaded, tmp_path, "first")
    assert loaded.has_adapter
    assert loaded.adapter == "first"
    assert all(parameter.grad is None for parameter in loaded.model.parameters())
    second = fine_tune(loaded, tmp_path, "second")
    assert losses(second) == losses(first)
    loaded.drop_tuned()
    assert not loaded.has_adapter
    now = dict(loaded.model.named_parameters())
    assert set(now) == set(base)
    assert all(torch.equal(now[name], one) for name, one in base.items())


def test_an_adapter_read_from_a_run_answers_as_the_one_that_was_trained(
    folder: Path, tmp_path: Path
) -> None:
    loaded = load_tiny(folder)
    fine_tune(loaded, tmp_path, "first")
    trained = weights(loaded)
    other = load_tiny(folder)
    other.load_tuned("first", tmp_path)
    assert all(torch.equal(one, trained[name]) for name, one in weights(other).items())
    assert other.status().adapter == other.settings.adapter == "first"


def test_the_evaluation_loss_comes_at_step_0_at_every_eval_steps_and_at_the_end(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    hooks = Listener()
    run = fine_tune(tiny, tmp_path, "a", hooks, eval_steps=5, evaluation_rows=10)
    steps = [
        line["step"] for line in journal.read(run.folder / "metrics.jsonl") if "eval_loss" in line
    ]
    assert steps == [0, 5, 10, 12]
    measured = lines(run, "metrics", "eval_loss")
    assert measured[-1] < measured[0]
    examples = [encode_example(tiny.tokenizer, PROMPT, row, 512) for row in rows().evaluation[:10]]
    total, count = 0.0, 0
    for one in examples:
        with torch.no_grad():
            logits = tiny.model(torch.tensor([one.input_ids])).logits[0, :-1]
        labels = torch.tensor(one.labels[1:])
        total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        count += int((labels != -100).sum())
    assert measured[-1] == pytest.approx(total / count, abs=1e-5)
    assert {"preparing", "training", "evaluating", "saving"} == {what for _, _, what in hooks.news}


def test_a_stop_in_the_middle_of_an_evaluation_leaves_a_checkpoint(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    served: list[int] = []

    def stop(step: int) -> bool:
        return served.count(5) >= 3  # the end of step 5, then two batches of its evaluation

    hooks = Listener(serve=served.append, stop=stop)
    run = fine_tune(tiny, tmp_path, "a", hooks, eval_steps=5, evaluation_rows=16)
    assert runs.status(run.folder).state == "stopped"
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [5]


def test_a_stop_while_rows_are_prepared_ends_the_run_at_once(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    run = fine_tune(tiny, tmp_path, "a", Listener(stop=lambda _step: True))
    assert runs.status(run.folder).state == "stopped"
    assert losses(run) == []


def test_only_the_newest_checkpoints_are_kept(tiny: LoadedModel, tmp_path: Path) -> None:
    run = fine_tune(tiny, tmp_path, "a", save_steps=3, save_total_limit=2)
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [9, 12]
    assert len(list(run.checkpoints.iterdir())) == 2
    assert not list(run.checkpoints.glob("*/training_args.bin"))


def test_a_full_disk_ends_the_run_and_leaves_the_checkpoints_before_it(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = torch.save, []

    def full(what, file, *rest, **named):
        saved.append(file)
        if "checkpoint-6" in str(file):
            Path(file).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return save(what, file, *rest, **named)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"checkpoint of step 6 cannot be written .*make room"):
        fine_tune(tiny, tmp_path, "a", save_steps=3)
    assert saved
    folder = tmp_path / "runs" / "a"
    assert [step for step, _ in runs.finished_checkpoints(folder)] == [3]
    assert [one.name for one in (folder / "checkpoints").iterdir()] == ["checkpoint-3"]


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    def break_weights(step: int) -> None:
        if step == 4:
            with torch.no_grad():
                next(p for p in tiny.model.parameters() if p.requires_grad).fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"no number any more after step 4.*learning_rate"):
        fine_tune(tiny, tmp_path, "a", Listener(break_weights), save_steps=3)
    assert [s for s, _ in runs.finished_checkpoints(tmp_path / "runs" / "a")] == [3]


@pytest.mark.parametrize(
    ("prompt", "settings", "sentence"),
    [
        (Prompt(template="{{ text }}"), {}, "no completion to learn; set it"),
        (Prompt(template="{{ txt }}", completion="x"), {}, 'Row .*no column "txt"; perhaps "text"'),
        (PROMPT, {"max_length": 8}, "raise training.max_length"),
        (
            PROMPT,
            {"target_modules": ["nothing"]},
            "set training.target_modules to some of: .*q_proj",
        ),
    ],
)
def test_what_cannot_be_learnt_says_what_to_set(
    tiny: LoadedModel, tmp_path: Path, prompt: Prompt, settings: dict, sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        fine_tune(tiny, tmp_path, "a", made=session(prompt, **settings))


def test_tokens_count_text_without_padding(tiny: LoadedModel, tmp_path: Path) -> None:
    run = fine_tune(tiny, tmp_path, "a")
    examples = [encode_example(tiny.tokenizer, PROMPT, row, 512) for row in rows().train]
    assert lines(run, "metrics", "tokens")[-1] == sum(len(one.input_ids) for one in examples)
    for line in journal.read(run.folder / "metrics.jsonl"):
        assert set(line) <= set(runs.METRICS)
        assert line["memory_peak"] >= line["memory"] > 0


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_threads_and_attention_are_the_settings_while_it_trains(
    folder: Path, tmp_path: Path, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.computing.cores", lambda: 3)
    loaded = load_tiny(folder)
    threads, before = torch.get_num_threads(), loaded.model.config._attn_implementation
    seen = []

    def serve(_step: int) -> None:
        seen.append((torch.get_num_threads(), loaded.base.config._attn_implementation))

    fine_tune(
        loaded,
        tmp_path,
        "a",
        Listener(serve),
        max_steps=1,
        threads=2,
        attn_implementation=attention,
        packing="off",
    )
    assert set(seen) == {(2, attention)}
    assert torch.get_num_threads() == threads
    assert loaded.base.config._attn_implementation == before
