"""Encoder-decoders learn to translate, measured by what they write."""

from pathlib import Path
from typing import Any

import pytest
from transformers import (
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    set_seed,
)
from typing_extensions import override

from tests.translating import ROWS, load_pairs_model
from tests.work import Listener, dataset, fine_tune, lines, session
from workbench import journal, runs
from workbench.data.pairing import Pairing
from workbench.data.reading import encoder_of
from workbench.data.tokens import inspect
from workbench.inference.loaded import LoadedModel
from workbench.session import GenerationSettings, Prompt, Session
from workbench.training.errors import TrainingError
from workbench.training.loop import train
from workbench.training.methods import lay
from workbench.training.recipe import Work
from workbench.training.sampler import EpochSampler
from workbench.training.seq2seq import SequenceToSequence


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def made(prompt: Prompt | None = None, **training: Any) -> Session:
    from msgspec.structs import replace

    chosen = session(
        prompt or Prompt(),
        **{"task": "seq2seq", "pinned_count": 0, "max_length": 16, **training},
    )
    return replace(chosen, generation=GenerationSettings(max_new_tokens=6))


DATA = dataset(ROWS, ROWS[:10])


def prepared(
    loaded: LoadedModel, chosen: Session, folder: Path, rows: list[dict[str, Any]] | None = None
) -> SequenceToSequence:
    data = dataset(rows, rows[:1]) if rows else DATA
    recipe = SequenceToSequence(Work(chosen, loaded, data, folder))
    recipe.prepare()
    return recipe


@pytest.mark.parametrize("kind", ["t5", "marian"])
def test_a_tiny_model_learns_to_translate(kind: str, folder: Path, tmp_path: Path) -> None:
    loaded = load_pairs_model(folder, kind)
    chosen = made(
        method="full",
        num_train_epochs=20.0,
        learning_rate=1e-2 if kind == "t5" else 5e-3,
        per_device_train_batch_size=12,
        evaluation_rows=10,
        metric_rows=10,
        keep_base=False,
    )
    run = fine_tune(loaded, tmp_path, "a", data=DATA, made=chosen)
    told = [one for one in journal.read(run.folder / "metrics.jsonl") if "eval_loss" in one]
    assert told[-1]["eval_loss"] < told[0]["eval_loss"] / 3
    assert told[-1]["eval_chrf"] > told[0]["eval_chrf"] + 20
    assert {"eval_chrf", "eval_bleu"} <= set(told[-1])
    measured = lines(run, "metrics", "loss")
    assert measured[-1] < measured[0] / 3


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["t5", "marian"])
def test_losses_are_those_of_seq2seq_trainer(
    kind: str, smoothing: float, folder: Path, tmp_path: Path
) -> None:
    chosen = made(
        num_train_epochs=2.0, label_smoothing_factor=smoothing, per_device_train_batch_size=12
    )
    run = fine_tune(load_pairs_model(folder, kind), tmp_path, "a", data=DATA, made=chosen)
    loaded = load_pairs_model(folder, kind)
    prefix = "translate English to French: " if kind == "t5" else ""
    rows = [dict(loaded.tokenizer(prefix + row["en"], text_target=row["fr"])) for row in ROWS]
    lengths = [len(row["input_ids"]) + len(row["labels"]) for row in rows]
    settings = chosen.training

    class Plain(Seq2SeqTrainer):
        @override
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return EpochSampler(len(rows), 12, settings.seed, lengths)

    set_seed(settings.seed)
    lay(loaded, settings)
    trainer = Plain(
        model=loaded.model,
        args=Seq2SeqTrainingArguments(
            output_dir=str(tmp_path / "plain"),
            learning_rate=settings.learning_rate,
            num_train_epochs=2.0,
            per_device_train_batch_size=12,
            warmup_steps=settings.warmup_steps,
            label_smoothing_factor=smoothing,
            seed=settings.seed,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
        ),
        data_collator=DataCollatorForSeq2Seq(loaded.tokenizer, model=loaded.base),
        train_dataset=rows,
    )
    trainer.train()
    expected = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert lines(run, "metrics", "loss") == pytest.approx(expected, abs=2e-5)
    assert len(expected) == 6


def test_accumulated_batches_are_one_large_one(folder: Path, tmp_path: Path) -> None:
    found = []
    for name, size, accumulation in (("large", 12, 1), ("small", 3, 4)):
        chosen = made(
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulation,
            train_sampling_strategy="random",
        )
        loaded = load_pairs_model(folder, "marian")
        for module in loaded.model.modules():  # its random numbers are drawn batch by batch
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0
        run = fine_tune(loaded, tmp_path, name, data=DATA, made=chosen)
        found.append(lines(run, "metrics", "loss"))
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_resuming_is_exact_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    chosen = made(per_device_train_batch_size=4, lora_dropout=0.2)
    whole = fine_tune(load_pairs_model(folder, "t5"), tmp_path, "whole", data=DATA, made=chosen)
    hooks = Listener(stop=lambda step: step >= 4)
    part = fine_tune(
        load_pairs_model(folder, "t5"), tmp_path, "part", hooks, data=DATA, made=chosen
    )
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    again = runs.Run(part.folder)
    loaded = load_pairs_model(folder, "t5")
    assert train(chosen, loaded, DATA, again, Listener(), last[1]) == "finished"
    again.close()
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")


@pytest.mark.parametrize("kind", ["t5", "marian"])
def test_the_token_view_is_what_the_trainer_gets(kind: str, folder: Path, tmp_path: Path) -> None:
    loaded = load_pairs_model(folder, kind)
    chosen = made()
    recipe = prepared(loaded, chosen, tmp_path)
    encoder = encoder_of(
        loaded.tokenizer, Prompt(), recipe.encoder().found, chosen.training, None, reads=False
    )
    assert isinstance(encoder, Pairing)
    for number in (0, 20):
        seen = inspect(loaded.tokenizer, encoder, ROWS[number])
        source, target = seen.sequences
        assert (source.name, target.name) == ("source", "target")
        assert source.ids == list(recipe.examples.sources[number])
        assert target.ids == list(recipe.examples.targets[number])
        assert source.trained == 0
        assert target.trained == len(target.ids)
        assert seen.badges == []
        assert "the target" in seen.how


def test_sides_that_are_too_long_are_cut_or_dropped(folder: Path, tmp_path: Path) -> None:
    loaded = load_pairs_model(folder, "t5")
    long = " ".join(["one"] * 20)
    rows = [{"en": "one", "fr": long.replace("one", "un")}, {"en": long, "fr": "un"}, ROWS[1]]
    recipe = prepared(loaded, made(max_length=8), tmp_path, rows)
    end = loaded.tokenizer.eos_token_id
    sides = [(list(row["source"]), list(row["target"])) for row in recipe.examples]
    assert [len(target) for _, target in sides] == [8, 2, 2]
    assert [len(source) for source, _ in sides] == [6, 8, 6]
    assert all(source[-1] == end for source, _ in sides)
    assert end not in sides[0][1]
    assert recipe.examples.cut == 2
    dropped = prepared(loaded, made(max_length=8, overlong="drop"), tmp_path, rows)
    assert (len(dropped.examples), dropped.examples.left_out) == (1, 2)
    encoder = dropped.encoder()
    seen = inspect(loaded.tokenizer, encoder, rows[0])
    assert [badge.kind for badge in seen.badges] == ["dropped"]
    seen = inspect(loaded.tokenizer, recipe.encoder(), rows[0])
    assert [badge.kind for badge in seen.badges] == ["truncated"]
    assert "13 of 21 tokens of the target" in seen.badges[0].words


def test_rows_without_a_target_are_left_out_and_counted(folder: Path, tmp_path: Path) -> None:
    loaded = load_pairs_model(folder, "t5")
    plain = Prompt(template="{{ en }}", completion="{{ fr }}")
    rows = [*ROWS[:3], {"en": "one", "fr": ""}, {"en": " ", "fr": "un"}, {"en": "two", "fr": None}]
    recipe = prepared(loaded, made(plain), tmp_path, rows)
    assert (len(recipe.examples), recipe.examples.left_out) == (3, 3)
    with pytest.raises(TrainingError, match="none has a source and a target within 16 tokens"):
        prepared(loaded, made(plain), tmp_path, rows[3:])


@pytest.mark.parametrize(
    ("rows", "prompt", "training", "sentence"),
    [
        ([{"text": "one"}] * 3, Prompt(), {}, "A text has no target to learn; write a template"),
        (ROWS[:3], Prompt(template="{{ en }}"), {}, "no completion to learn; set it"),
        (ROWS[:3], Prompt(), {"method": "prompt_tuning"}, "set it to lora or full"),
    ],
)
def test_what_cannot_be_learnt_says_what_to_set(  # noqa: PLR0917
    rows: list[dict[str, Any]],
    prompt: Prompt,
    training: dict[str, Any],
    sentence: str,
    folder: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        prepared(load_pairs_model(folder, "t5"), made(prompt, **training), tmp_path, rows)
