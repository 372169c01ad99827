"""Classification: as a plain Trainer does it, on every kind of label, with every kind of model."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import scipy.stats
import sklearn.metrics
import sklearn.utils
import torch
from msgspec.structs import replace
from transformers import Trainer, TrainingArguments, set_seed
from typing_extensions import override

from tests.encoders import bert, load, make_bert, nothing
from tests.tiny import reviews
from tests.work import Listener, dataset, fine_tune, lines
from workbench import runs
from workbench.data.sources import Dataset
from workbench.inference.heads import Head
from workbench.inference.model import LoadedModel, load_model
from workbench.session import DatasetSettings, ModelSettings, Session, TrainingSettings
from workbench.settings.training import ClassificationSettings
from workbench.training.classification import balanced
from workbench.training.errors import TrainingError
from workbench.training.labels import settle
from workbench.training.loop import train
from workbench.training.methods import lay
from workbench.training.sampler import EpochSampler
from workbench.training.scores import scores

Row = dict[str, Any]
MAPPING = {"text": "text", "label": "label"}
TAGS = ["warm", "dull", "long"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("models")
    make_bert(where / "bert")
    make_bert(where / "still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return where


def labelled(kind: str, count: int = 24) -> list[Row]:
    """Reviews with one label, several, or a number."""
    made: list[Row] = []
    for row in reviews(count):
        good, long = row["label"] == "positive", len(row["text"]) > 30
        tags = [tag for tag, there in zip(TAGS, (good, not good, long), strict=True) if there]
        value = {"one": row["label"], "several": tags, "number": 1.25 if good else -1.5}[kind]
        made.append({"text": row["text"], "label": value})
    return made


def rows(kind: str = "one") -> Dataset:
    everything = labelled(kind, 32)
    return dataset(everything[:24], everything[24:])


def session(model: ModelSettings | None = None, **training: Any) -> Session:
    settings = {
        "task": "classification",
        "method": "full",
        "learning_rate": 1e-3,
        "per_device_train_batch_size": 4,
        "evaluation_rows": 0,
        "eval_steps": 0,
        "save_steps": 0,
        "pinned_count": 0,
        **training,
    }
    return Session(model=model or bert(), training=TrainingSettings(**settings))


def tune(made: Session, folder: Path, workspace: Path, data: Dataset, name: str = "run") -> Any:
    made, loaded = load(made, folder, data)
    return fine_tune(loaded, workspace, name, data=data, made=made), loaded


def plain_losses(made: Session, folder: Path, data: Dataset, output: Path) -> list[float]:
    """As transformers does it alone, with its own loss."""
    made, loaded = load(made, folder, data)
    settings, labels = made.training, list(made.training.classification.labels)
    examples = []
    for row in data.train:
        value = row["label"]
        if loaded.head.problem == "multi_label":
            value = [float(one in value) for one in labels]
        elif loaded.head.problem == "single_label":
            value = labels.index(value)
        ids = loaded.tokenizer(row["text"], truncation=True, max_length=64)["input_ids"]
        examples.append({"input_ids": ids, "label": value})

    class Plain(Trainer):
        @override
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            lengths = [len(one["input_ids"]) for one in examples]
            size = settings.per_device_train_batch_size
            return EpochSampler(len(examples), size, settings.seed, lengths)

    set_seed(settings.seed)
    lay(loaded, settings)
    trainer = Plain(
        model=loaded.model,
        args=TrainingArguments(
            output_dir=str(output),
            learning_rate=settings.learning_rate,
            num_train_epochs=settings.num_train_epochs,
            per_device_train_batch_size=settings.per_device_train_batch_size,
            warmup_steps=settings.warmup_steps,
            label_smoothing_factor=settings.label_smoothing_factor,
            logging_steps=1,
            seed=settings.seed,
            report_to="none",
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
        ),
        processing_class=loaded.tokenizer,
        train_dataset=examples,
    )
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("one", {}),
        ("one", {"method": "lora", "lora_r": 4}),
        ("one", {"label_smoothing_factor": 0.1}),
        ("several", {}),
        ("number", {}),
    ],
)
def test_losses_are_those_of_a_plain_trainer(
    folder: Path, tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    made, data = session(num_train_epochs=2.0, **settings), rows(kind)
    run, _ = tune(made, folder, tmp_path, data)
    expected = plain_losses(made, folder, data, tmp_path)
    assert lines(run, "metrics", "loss") == pytest.approx(expected, abs=1e-5)
    assert len(expected) == 12


@pytest.mark.parametrize("kind", ["one", "several", "number"])
def test_accumulated_batches_make_the_step_of_a_large_one(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    chosen = ClassificationSettings(class_weights="none" if kind == "number" else "balanced")
    found = []
    for size, accumulated in ((8, 1), (2, 4)):
        made = session(
            bert("still"),
            per_device_train_batch_size=size,
            gradient_accumulation_steps=accumulated,
            classification=chosen,
        )
        found.append(
            lines(tune(made, folder, tmp_path, rows(kind), f"{size}")[0], "metrics", "loss")
        )
    assert found[0] == pytest.approx(found[1], abs=1e-5)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_resumed_run_goes_on_to_the_last_bit(folder: Path, tmp_path: Path, method: str) -> None:
    made, data = session(method=method, lora_r=4), rows()
    whole, model = tune(made, folder, tmp_path, data, "whole")
    settled, first = load(made, folder, data)
    stop = Listener(stop=lambda step: step >= 2)
    part = fine_tune(first, tmp_path, "part", stop, data=data, made=settled)
    last = runs.last_checkpoint(part.folder)
    assert last is not None
    _, other = load(made, folder, data)
    again = runs.Run(part.folder)
    assert train(settled, other, data, again, Listener(), last[1]) == "finished"
    again.close()
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")
    for (name, one), two in zip(
        other.model.named_parameters(), model.model.parameters(), strict=True
    ):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("method", ["full", "lora", "prompt_tuning"])
def test_a_second_run_begins_from_the_head_that_the_first_began_from(
    folder: Path, tmp_path: Path, method: str
) -> None:
    made, loaded = load(session(method=method, max_steps=3), folder, rows())
    one, other = (
        fine_tune(loaded, tmp_path, name, data=rows(), made=made) for name in ("one", "other")
    )
    assert lines(one, "metrics", "loss") == lines(other, "metrics", "loss")


@pytest.mark.parametrize(
    ("kind", "metric"), [("one", "accuracy"), ("several", "micro_f1"), ("number", "pearson")]
)
def test_the_loss_falls_and_the_metric_rises(
    folder: Path, tmp_path: Path, kind: str, metric: str
) -> None:
    made = session(num_train_epochs=12.0, evaluation_rows=8, learning_rate=3e-3)
    run, _ = tune(made, folder, tmp_path, rows(kind))
    found, losses = (lines(run, "metrics", f"eval_{one}") for one in (metric, "loss"))
    assert losses[-1] < losses[0] * 0.6
    assert found[-1] > max(0.8, found[0])


def test_the_first_event_says_the_labels_and_their_weights(folder: Path, tmp_path: Path) -> None:
    data = dataset(labelled("one")[:9], reviews(1))
    made = session(classification=ClassificationSettings(class_weights="balanced"))
    run, _ = tune(made, folder, tmp_path, data)
    assert lines(run, "events", "labels") == [["negative", "positive"]]
    assert lines(run, "events", "class_weights") == [{"negative": 1.125, "positive": 0.9}]


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = [0, 0, 0, 1, 2, 2]
    expected = sklearn.utils.class_weight.compute_class_weight(
        "balanced", classes=numpy.array([0, 1, 2]), y=labels
    )
    found = balanced(Head("classifier", ("a", "b", "c")), labels)
    assert found is not None
    assert found.tolist() == pytest.approx(expected.tolist())


def test_figures_are_those_of_scikit_learn_and_scipy() -> None:
    random = torch.Generator().manual_seed(1)
    logits = torch.randn(60, 4, generator=random)
    right = torch.randint(0, 3, (60,), generator=random)
    answered = logits.argmax(-1)
    assert scores(Head("classifier", ("a", "b", "c", "d")), logits, right, 0.5) == pytest.approx(
        {
            "accuracy": sklearn.metrics.accuracy_score(right, answered),
            "macro_f1": sklearn.metrics.f1_score(right, answered, average="macro"),
            "matthews": sklearn.metrics.matthews_corrcoef(right, answered),
        }
    )
    wanted = (torch.rand(60, 4, generator=random) > 0.6).float()
    head = Head("classifier", ("a", "b", "c", "d"), "multi_label")
    given = (logits.sigmoid() >= 0.4).numpy()
    assert scores(head, logits, wanted, 0.4) == pytest.approx(
        {
            "micro_f1": sklearn.metrics.f1_score(wanted, given, average="micro"),
            "macro_f1": sklearn.metrics.f1_score(wanted, given, average="macro"),
            "subset_accuracy": sklearn.metrics.accuracy_score(wanted, given),
        }
    )
    numbers = torch.randn(60, generator=random).round(decimals=1)
    guessed = logits[:, :1].round(decimals=1)
    assert scores(Head("classifier", (), "regression"), guessed, numbers, 0.5) == pytest.approx(
        {
            "pearson": scipy.stats.pearsonr(guessed[:, 0], numbers).statistic,
            "spearman": scipy.stats.spearmanr(guessed[:, 0], numbers).statistic,
            "mae": sklearn.metrics.mean_absolute_error(numbers, guessed[:, 0]),
            "mse": sklearn.metrics.mean_squared_error(numbers, guessed[:, 0]),
            "rmse": sklearn.metrics.root_mean_squared_error(numbers, guessed[:, 0]),
        }
    )


# --- labels ---------------------------------------------------------------------------------


def settled(values: list[Any], **chosen: Any) -> ClassificationSettings:
    made = replace(
        session(classification=ClassificationSettings(**chosen)),
        dataset=DatasetSettings(format="classification", mapping=MAPPING),
    )
    data = dataset(
        [{"text": f"A film, number {n}", "label": v} for n, v in enumerate(values)], reviews(1)
    )

    class Bare:
        architectures: tuple[str, ...] = ()
        model_type = "bert"
        is_encoder_decoder = False

    return settle(made, data, Bare())[0].training.classification


@pytest.mark.parametrize(
    ("values", "kind", "labels"),
    [
        (["b", "a", "b", "a"], "single_label", ["a", "b"]),
        ([10, 9, 10, 9], "single_label", ["9", "10"]),
        ([True, False, True], "single_label", ["false", "true"]),
        ([0.5, 1.0, -2.25], "regression", []),
        ([["b", "a"], ["a"], []], "multi_label", ["a", "b"]),
        (["a, b", "b,c", "a;c", "c|a|b"], "multi_label", ["a", "b", "c"]),
        (["1,2", "1,3", "2,3", "2,1", "3,1"], "single_label", ["1,2", "1,3", "2,1", "2,3", "3,1"]),
        (["Paris, TX", "Rome, NY"], "single_label", ["Paris, TX", "Rome, NY"]),
    ],
)
def test_labels_are_those_of_the_rows(values: list[Any], kind: str, labels: list[str]) -> None:
    found = settled(values)
    assert (found.problem_type, found.labels) == (kind, labels)


def test_rows_without_a_label_column_are_refused(folder: Path) -> None:
    data = dataset([{"text": row["text"]} for row in reviews(8)], reviews(1))
    with pytest.raises(TrainingError, match=r"^The rows have no column that looks like a label"):
        load(session(), folder, data)


def test_several_labels_may_stand_in_one_text() -> None:
    found = settled(["a, b", "b|c", "c"], problem_type="multi_label")
    assert found.labels == ["a", "b", "c"]


def test_one_class_is_refused() -> None:
    with pytest.raises(TrainingError, match=r'^All rows .* have the label "a": there is nothing'):
        settled(["a", "a", "a"])


def test_hundreds_of_labels_are_asked_about() -> None:
    with pytest.raises(TrainingError, match=r"150 different labels in 150 rows .*sft or seq2seq"):
        settled([f"answer {n}" for n in range(150)])
    with pytest.raises(TrainingError, match=r"problem_type to regression"):
        settled([str(n) for n in range(150)])
    named = [f"answer {n}" for n in range(150)]
    assert settled(named, labels=named).labels == named


def test_a_label_that_is_not_in_the_mapping_is_named_with_its_row(
    folder: Path, tmp_path: Path
) -> None:
    odd = [{**row, "label": "so-so"} if n == 5 else row for n, row in enumerate(reviews(8))]
    data = dataset(odd, reviews(1))
    made = session(classification=ClassificationSettings(labels=["negative", "positive"]))
    with pytest.raises(
        TrainingError, match=r'^Row 6 .*"so-so", which is not among .*negative, pos'
    ):
        tune(made, folder, tmp_path, data)


def test_rows_without_text_or_label_are_left_out_and_counted(folder: Path, tmp_path: Path) -> None:
    data = dataset(
        [*reviews(6), {"text": " ", "label": "positive"}, {"text": "A film.", "label": None}],
        [{"text": "What a film.", "label": "so-so"}, *reviews(2)],
    )
    run, _ = tune(session(evaluation_rows=3), folder, tmp_path, data)
    assert lines(run, "events", "rows") == [6]
    assert lines(run, "events", "rows_left_out") == [2]
    assert lines(run, "events", "evaluation_rows_of_unknown_labels") == [1]


@pytest.mark.parametrize(
    ("label", "said"), [("low", 'this is "low"'), ("1e39", '"1e39" is too large a number')]
)
def test_what_is_no_number_to_learn_is_named(
    folder: Path, tmp_path: Path, label: str, said: str
) -> None:
    data = dataset(
        [{"text": "A film.", "label": "1.5"}, {"text": "A bore.", "label": label}], reviews(1)
    )
    made = session(classification=ClassificationSettings(problem_type="regression"))
    with pytest.raises(TrainingError, match=rf"^Row 2 .*{said}"):
        tune(made, folder, tmp_path, data)


# --- other kinds of models ------------------------------------------------------------------


def small(name: str, words: int) -> Any:
    """A tiny model's configuration, of an architecture by name."""
    import transformers

    made: dict[str, dict[str, Any]] = {
        "Bert": {},
        "Roberta": {"max_position_embeddings": 65, "pad_token_id": 0},
        "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
        "ModernBert": {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3},
        "DebertaV2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        "MPNet": {"max_position_embeddings": 65, "pad_token_id": 0},
        "Electra": {"embedding_size": 16},
        "Llama": {"num_key_value_heads": 1, "pad_token_id": None},
        "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "pad_token_id": None},
    }
    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    }
    own = {} if name in ("DistilBert", "GPT2") else sizes
    return getattr(transformers, f"{name}Config")(vocab_size=words, **{**own, **made[name]})


KINDS = ["Bert", "Roberta", "DistilBert", "ModernBert", "DebertaV2", "MPNet", "Electra"]


@pytest.mark.parametrize("kind", [*KINDS, "Llama", "GPT2"])
def test_rows_in_a_batch_are_answered_as_each_alone(kind: str, tmp_path: Path) -> None:
    import transformers

    from tests.encoders import make_tokenizer
    from workbench.inference.answerers import answerer_for
    from workbench.inference.prefixes import Prefixes

    tokenizer = make_tokenizer()
    writes = kind in ("Llama", "GPT2")
    if writes:
        tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / kind)
    tail = {"Llama": "ForCausalLM", "GPT2": "LMHeadModel"}.get(kind, "Model")
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}{tail}")(small(kind, len(tokenizer)))
    model.save_pretrained(tmp_path / kind)
    head = Head("classifier", ("a", "b", "c"), fresh=True)
    settings = ModelSettings(name=kind, dtype="float32", device="cpu")
    loaded: LoadedModel = load_model(settings, tmp_path, nothing, head)
    assert loaded.context_length == 64 or kind == "DistilBert"
    answerer: Any = answerer_for(loaded, "base", Prefixes(), tmp_path)
    rows = [answerer.question([{"content": row["text"]}]).ids for row in reviews(8)]
    together = answerer.logits(rows)
    alone = torch.cat([answerer.logits([row]) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.std(0).min() > 1e-6  # rows differ
