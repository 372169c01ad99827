"""What is left to the program, and why; and what keeps a run from beginning."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from transformers import BertConfig, LlamaConfig

from workbench.protocol import FormatFound
from workbench.session import Prompt, Session, TrainingSettings
from workbench.training.choices import Facts, Resolved, resolve
from workbench.training.errors import TrainingError

LLAMA = LlamaConfig(architectures=["LlamaForCausalLM"], num_hidden_layers=4)
BERT = BertConfig(architectures=["BertModel"], num_hidden_layers=6)
OPEN = TrainingSettings(learning_rate=0, per_device_train_batch_size=0, metric_for_best_model="")


def found(kind: str, **mapping: str) -> FormatFound:
    return FormatFound(format=kind, recognised=kind, mapping=mapping, roles=[], why="")  # type: ignore[arg-type]


def chosen(training: TrainingSettings = OPEN, kind: str = "messages", **facts: object) -> Resolved:
    known = {"config": LLAMA, "found": found(kind), "rows": 1000, "dtype": "bfloat16", **facts}
    known.setdefault("dtype_reason", "the processor has amx_bf16")
    return resolve(replace(Session(), training=training), Facts(**known))  # type: ignore[arg-type]


def test_nothing_is_left_open_and_every_choice_has_a_reason() -> None:
    made = chosen()
    training = made.session.training
    assert training.task == "sft"
    assert training.learning_rate == 2e-4
    assert training.per_device_train_batch_size == 4
    assert training.attn_implementation != "auto"
    assert training.packing != "auto"
    assert training.threads >= 1
    assert training.metric_for_best_model == "eval_loss"
    assert all(one.why for one in made.choices)
    named = {one.setting for one in made.choices}
    assert {"training.task", "training.learning_rate", "model.dtype"} <= named
    again = resolve(made.session, Facts(LLAMA, found("messages"), 1000))
    assert again.session == made.session
    assert again.choices == []


def test_choices_go_by_task_method_rows_and_device() -> None:
    full = replace(OPEN, method="full")
    encoder = chosen(full, "classification", config=BERT).session.training
    assert (encoder.task, encoder.learning_rate) == ("classification", 5e-5)
    assert chosen(replace(OPEN, method="prompt_tuning")).session.training.learning_rate >= 1e-3
    assert chosen(replace(OPEN, task="dpo")).session.training.learning_rate < 1e-4
    assert chosen(rows=50_000).session.training.per_device_train_batch_size == 16
    assert chosen(replace(OPEN, rows=100), rows=50_000).session.training.rows == 100
    few = chosen(replace(OPEN, rows=100), rows=50_000).session.training
    assert few.per_device_train_batch_size == 4
    assert chosen(kind="text").session.training.packing == "on"
    assert chosen(device="cuda").session.training.packing == "on"


def task_and_why(rows: FormatFound, completion: str = "") -> tuple[str, str]:
    session = replace(
        Session(), training=OPEN, prompts=[Prompt(template="{{ text }}", completion=completion)]
    )
    made = resolve(session, Facts(BERT, rows, 1000))
    return made.choices[0].value, made.choices[0].why


def test_an_encoder_learns_labels_wherever_an_answer_is_said() -> None:
    task, why = task_and_why(found("text", text="text"), "{{ intent }}")
    assert task == "classification"
    assert "{{ intent }}" in why
    task, why = task_and_why(found("wording"), "{{ intent }}")
    assert task == "classification"
    task, why = task_and_why(found("classification", text="text", label="intent"))
    assert task == "classification"
    assert "the column intent says the answer" in why
    task, why = task_and_why(found("prompt_completion", prompt="utterance", completion="intent"))
    assert task == "classification"
    task, why = task_and_why(found("text", text="text"))
    assert task == "masked_lm"
    assert "no answer" in why
    assert task_and_why(found("wording"))[0] == "masked_lm"


def test_a_batch_that_does_not_fit_is_made_up_by_accumulation() -> None:
    asked = []

    def fits(session: Session, rows: int) -> int:
        asked.append((session.training.per_device_train_batch_size, rows))
        return 2

    made = chosen(fits=fits, rows=50_000)
    training = made.session.training
    assert asked == [(16, 16)]
    assert training.per_device_train_batch_size == 2
    assert training.gradient_accumulation_steps == 8
    assert "2 of 16 fit" in next(
        one.why for one in made.choices if one.setting.endswith("train_batch_size")
    )


@pytest.mark.parametrize(
    ("settings", "facts", "words"),
    [
        ({"task": "sft"}, {"config": BERT}, "set it to"),
        ({"task": "masked_lm"}, {}, "set it to"),
        ({}, {"rows": 0}, "no rows to train on"),
        ({"method": "qlora"}, {}, "training.method lora"),
        ({"method": "full", "freeze_layers": 4}, {}, "set it below 4"),
        ({"attn_implementation": "flash_attention_2"}, {}, "set it to sdpa"),
    ],
)
def test_what_cannot_begin_says_what_to_do(
    settings: dict[str, object], facts: dict[str, object], words: str
) -> None:
    with pytest.raises(TrainingError, match=words) as failed:
        chosen(TrainingSettings(**settings), **facts)  # type: ignore[arg-type]
    assert "\n" not in str(failed.value)
    assert str(Path.cwd()) not in str(failed.value)


def test_layers_are_compiled_where_it_is_asked_for_and_a_gpu_user_hears_of_it() -> None:
    for device, hint in (("cuda", "steps are a third faster"), ("cpu", "NVIDIA")):
        made = chosen(OPEN, device=device)
        assert made.session.training.torch_compile == "off"
        assert hint in {one.setting: one.why for one in made.choices}["training.torch_compile"]
    asked = chosen(replace(OPEN, torch_compile="on"), device="cuda")
    assert asked.session.training.torch_compile == "on"
