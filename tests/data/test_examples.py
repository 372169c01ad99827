"""What is learnt from a row, beside what TRL's trainers make of the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from tests.data.chats import (
    MARKED,
    ROWS,
    THINKS,
    TURNS,
    bare,
    encoder,
    learnt,
    prompt_of,
    tokenizer_with,
    trl_template,
)
from tests.tiny import reviews
from workbench.data.conversation import Conversation
from workbench.data.examples import prompt_ids
from workbench.data.prompting import PromptError, encode_example, encode_prompt
from workbench.session import Prompt

LONG = "a fairly long answer of many words to the question that was asked"


def tiny_model(tokenizer: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
        )
    )


def by_trl(tokenizer: Any, rows: list[dict[str, Any]], folder: Path, **settings: Any) -> Any:
    """The rows as TRL's SFTTrainer has them when it begins: input_ids and labels."""
    trainer = SFTTrainer(
        model=tiny_model(tokenizer),
        args=SFTConfig(output_dir=str(folder), use_cpu=True, report_to="none", **settings),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows),
    )
    return trainer.train_dataset


@pytest.mark.parametrize("template", ["chatml", "strips", trl_template("qwen2_5")])
def test_messages_are_those_of_trl_s_assistant_only_loss(template: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_with(MARKED.get(template, template))
    rows = [
        {"messages": TURNS},
        {"messages": [{"role": "system", "content": "Be brief. "}, *TURNS[:2]]},
        {"messages": [TURNS[0], {"role": "assistant", "content": LONG}]},
    ]
    for longest in (512, 40):
        expected = by_trl(tokenizer, rows, tmp_path, assistant_only_loss=True, max_length=longest)
        ours = encoder(tokenizer, rows, max_length=longest)
        made = [one for row in rows for one in ours.encode(row) if not one.answer_lost]
        assert len(made) == len(expected) > 0
        for example, reference in zip(made, expected, strict=True):
            assert example.input_ids == reference["input_ids"]
            assert example.labels[1:] == reference["labels"][1:]


def test_texts_are_those_of_trl(tmp_path: Path) -> None:
    tokenizer = tokenizer_with()
    rows = [{"text": row["text"]} for row in reviews(6)]
    rows.append({"text": "It ends by itself.<|im_end|>"})
    for longest in (512, 10):
        expected = by_trl(tokenizer, rows, tmp_path, max_length=longest)
        ours = encoder(tokenizer, rows, max_length=longest)
        made = [ours.encode(row)[0] for row in rows]
        for example, reference in zip(made, expected, strict=True):
            assert example.input_ids == reference["input_ids"]
            assert example.labels[1:] == reference["labels"][1:]


def test_turns_of_prompt_and_completion_are_those_of_trl_but_for_what_follows_the_end(
    tmp_path: Path,
) -> None:
    tokenizer = tokenizer_with()
    rows = [ROWS["prompt_completion of turns"], {"prompt": TURNS[:1], "completion": TURNS[1:2]}]
    expected = by_trl(tokenizer, rows, tmp_path, max_length=512)
    line_end = tokenizer.encode("\n", add_special_tokens=False)
    for row, reference in zip(rows, expected, strict=True):
        example = encoder(tokenizer, rows).encode(row)[0]
        assert example.input_ids == reference["input_ids"]
        assert example.labels[-1] == -100
        assert example.labels[:-1] + line_end == reference["labels"]


def test_plain_prompts_and_completions_are_those_of_trl(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(None)
    rows = [{"prompt": "The sky is", "completion": " blue."}, {"prompt": "And", "completion": " I"}]
    expected = by_trl(tokenizer, rows, tmp_path, max_length=512)
    for row, reference in zip(rows, expected, strict=True):
        example = encoder(tokenizer, rows).encode(row)[0]
        assert example.input_ids == reference["input_ids"]
        assert example.labels == reference["labels"]


@pytest.mark.parametrize("kind", ["texts", "turns"])
def test_preferences_are_those_of_trl_s_dpo(kind: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_with()
    given = {
        "prompt": [{"role": "user", "content": "What is in it?"}],
        "chosen": [{"role": "assistant", "content": "A hat."}],
        "rejected": [{"role": "assistant", "content": LONG}],
    }
    trainer = DPOTrainer(
        model=tiny_model(tokenizer),
        ref_model=tiny_model(tokenizer),
        args=DPOConfig(output_dir=str(tmp_path), use_cpu=True, report_to="none", max_length=512),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([given]),
    )
    reference = trainer.train_dataset[0]
    row = given
    if kind == "texts":
        row = {role: turns[0]["content"] for role, turns in given.items()}
    line_end = tokenizer.encode("\n", add_special_tokens=False)
    made = encoder(tokenizer, [row]).encode(row)
    assert [one.name for one in made] == ["chosen", "rejected"]
    for example in made:
        answer = reference[f"{example.name}_ids"]
        whole = [*reference["prompt_ids"], *answer]
        assert whole in (example.input_ids, example.input_ids + line_end)
        learnt_ids = [one for one in example.labels if one != -100]
        assert learnt_ids + line_end == answer
        first = next(n for n, one in enumerate(example.labels) if one != -100)
        assert first == len(reference["prompt_ids"])


@pytest.mark.parametrize("name", MARKED)
def test_without_marks_the_same_is_learnt_as_with_them(name: str) -> None:
    marked, unmarked = tokenizer_with(MARKED[name]), tokenizer_with(bare(MARKED[name]))
    assert Conversation(unmarked).marked is None
    texts = [turn["content"] for turn in TURNS]
    for turns in (TURNS, TURNS[:2], [TURNS[0], {"role": "assistant", "content": f" {LONG}\n"}]):
        expected, made = (Conversation(one).encode(turns) for one in (marked, unmarked))
        assert made.input_ids == expected.input_ids
        if name == "end before the next":  # marks that leave out the end, which is found here
            assert learnt(unmarked, made)[0].endswith("<|im_end|>") == (len(turns) > 2)
            continue
        said = learnt(unmarked, made)
        assert [one.strip() for one in said] == [one.strip() for one in learnt(marked, expected)]
        assert all(one.endswith("<|im_end|>") for one in said)
    assert texts[1] in learnt(marked, Conversation(marked).encode(TURNS))[0]


def test_answers_are_found_where_later_turns_change_what_is_written() -> None:
    tokenizer = tokenizer_with(THINKS)
    turns = [
        TURNS[0],
        {"role": "assistant", "content": "<think>\nA hat?\n</think>\n\nA hat."},
        TURNS[2],
        {"role": "assistant", "content": "<think>\nWarm?\n</think>\n\nYes."},
    ]
    said = learnt(tokenizer, Conversation(tokenizer).encode(turns))
    assert said == ["A hat.<|im_end|>", "Warm?\n</think>\n\nYes.<|im_end|>"]


def test_an_assistant_s_turn_of_weight_0_is_context() -> None:
    turns = [TURNS[0], {**TURNS[1], "weight": 0}, *TURNS[2:]]
    for template in (MARKED["chatml"], bare(MARKED["chatml"]), None):
        tokenizer = tokenizer_with(template)
        said = learnt(tokenizer, Conversation(tokenizer).encode(turns))
        assert [one.strip() for one in said] == ["Yes: a very warm one.<|im_end|>"]


def test_a_call_of_a_tool_is_learnt_and_what_the_tool_says_is_not() -> None:
    tokenizer = tokenizer_with(trl_template("qwen2_5"))
    call = {"type": "function", "function": {"name": "look", "arguments": {"box": 1}}}
    turns = [
        TURNS[0],
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "a hat"},
        TURNS[1],
    ]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    for template in (trl_template("qwen2_5"), trl_template("qwen2_5") + " "):  # known, and not
        tokenizer.chat_template = template
        conversation = Conversation(tokenizer)
        assert (conversation.marked is None) == template.endswith(" ")
        said = learnt(tokenizer, conversation.encode(turns, tools))
        assert len(said) == 2
        assert '{"name": "look", "arguments": {"box": 1}}' in said[0]
        assert TURNS[1]["content"] in said[1]
        assert "tool_response" not in "".join(said)


@pytest.mark.parametrize("template", [None, "chatml"])
@pytest.mark.parametrize("kind", ROWS)
def test_the_prompt_that_is_sent_begins_the_example(kind: str, template: str | None) -> None:
    tokenizer = tokenizer_with(MARKED[template] if template else None)
    row, prompt = ROWS[kind], prompt_of(kind)
    made = encoder(tokenizer, [row], prompt)
    sent = prompt_ids(tokenizer, prompt, made.found, row)
    assert sent
    for example in made.encode(row):
        assert example.input_ids[: len(sent)] == sent
        assert example.full_length == len(example.input_ids) == len(example.labels)
        assert example.labels[0] == -100
        assert example.answer_length > 1


def test_a_wording_is_encoded_as_ever() -> None:
    tokenizer = tokenizer_with()
    row, prompt = ROWS["wording"], prompt_of("wording")
    made = encoder(tokenizer, [row], prompt).encode(row)
    assert made == [encode_example(tokenizer, prompt, row, 512)]
    assert prompt_ids(tokenizer, prompt, encoder(tokenizer, [row], prompt).found, row) == (
        encode_prompt(tokenizer, prompt, row)
    )
    with pytest.raises(PromptError, match="no completion to learn; set it to the right answer"):
        encoder(tokenizer, [{"a": 1}], Prompt(template="{{ a }}"))


def test_what_is_overlong_is_cut_dropped_or_split() -> None:
    tokenizer = tokenizer_with()
    row = {"text": " ".join(one["text"] for one in reviews(8))}
    whole = encoder(tokenizer, [row], max_length=4096).encode(row)[0]
    size = len(whole.input_ids)
    cut = encoder(tokenizer, [row], max_length=20).encode(row)
    assert [len(one.input_ids) for one in cut] == [20]
    assert (cut[0].cut, cut[0].full_length) == (True, size)
    assert encoder(tokenizer, [row], max_length=20, overlong="drop").encode(row) == []
    parts = encoder(tokenizer, [row], max_length=20, overlong="split").encode(row)
    assert [token for one in parts for token in one.input_ids] == whole.input_ids
    assert {len(one.input_ids) for one in parts[:-1]} == {20}
    assert all(one.labels == [-100, *one.input_ids[1:]] and not one.cut for one in parts)
    chat = ROWS["messages"]
    made = encoder(tokenizer, [chat], max_length=20, overlong="split").encode(chat)
    assert [(one.cut, len(one.input_ids)) for one in made] == [(True, 20)]


def test_the_prompt_pane_s_system_text_comes_first_where_rows_have_none() -> None:
    tokenizer = tokenizer_with()
    prompt = Prompt(system="Be kind.")
    for kind in ("sharegpt", "preference", "preference of turns", "prompt_completion of turns"):
        for example in encoder(tokenizer, [ROWS[kind]], prompt).encode(ROWS[kind]):
            text = tokenizer.decode(example.input_ids)
            assert text.startswith("<|im_start|>system\nBe kind.<|im_end|>"), kind
    own = encoder(tokenizer, [ROWS["messages"]], prompt).encode(ROWS["messages"])[0]
    assert "kind" not in tokenizer.decode(own.input_ids)


def test_a_conversation_without_an_answer_is_no_prompt() -> None:
    row = {"messages": TURNS[:1]}
    made = encoder(tokenizer_with(), [row])
    assert made.encode(row)[0].answer_lost
    with pytest.raises(PromptError, match="holds no answer of the assistant"):
        prompt_ids(made.tokenizer, Prompt(), made.found, row)
