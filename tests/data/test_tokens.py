"""The token view: what it shows of a row, and the badges that say what is amiss."""

from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from tests.data.chats import (
    MARKED,
    ROWS,
    THINKS,
    TURNS,
    bare,
    encoder,
    prompt_of,
    tokenizer_with,
    trl_template,
)
from tests.tiny import CHAT_TEMPLATE, reviews
from workbench.data.prompting import PromptError
from workbench.data.tokens import inspect
from workbench.protocol import Badge, TokensInspected
from workbench.session import Prompt


def seen(
    row: dict[str, Any], tokenizer: Any = None, prompt: Prompt | None = None, **training: Any
) -> TokensInspected:
    tokenizer = tokenizer or tokenizer_with()
    return inspect(tokenizer, encoder(tokenizer, [row], prompt, **training), row)


def badge(kind: str, found: TokensInspected) -> Badge | None:
    return next((one for one in found.badges if one.kind == kind), None)


def with_bos(template: str | None) -> Any:
    """A tokenizer that writes <|im_start|> before every text, as `add_bos_token` does."""
    made = tokenizer_with(template)
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", made.bos_token_id)]
    )
    return made


@pytest.mark.parametrize("template", [None, "chatml"])
@pytest.mark.parametrize("kind", ROWS)
def test_roles_are_the_labels_of_the_example(kind: str, template: str | None) -> None:
    tokenizer = tokenizer_with(MARKED[template] if template else None)
    row, prompt = ROWS[kind], prompt_of(kind)
    made = encoder(tokenizer, [row], prompt)
    found = inspect(tokenizer, made, row)
    examples = made.encode(row)
    assert len(found.sequences) == len(examples)
    special = set(tokenizer.all_special_ids)
    for sequence, example in zip(found.sequences, examples, strict=True):
        assert sequence.ids == example.input_ids
        assert "".join(sequence.pieces) == tokenizer.decode(example.input_ids)
        assert sequence.trained == example.answer_length
        assert sequence.kept == len(example.input_ids)
        for token, label, role in zip(sequence.ids, example.labels, sequence.roles, strict=True):
            assert role.endswith("trained") == (label != -100)
            assert role.startswith("special") == (token in special)
    assert found.how.endswith(".")
    assert not [one for one in found.badges if one.severity == "bad"]


def test_what_is_cut_is_shown_as_truncated() -> None:
    row = ROWS["messages"]
    size = len(seen(row).sequences[0].ids)
    found = seen(row, max_length=size - 10)
    sequence = found.sequences[0]
    assert (len(sequence.ids), sequence.kept) == (size, size - 10)
    assert sequence.roles[-10:] == ["truncated"] * 10
    assert "truncated" not in sequence.roles[:-10]
    cut = badge("truncated", found)
    assert cut is not None
    assert f"last 10 of {size} tokens" in cut.words
    stop = badge("stop_not_trained", found)
    assert stop is not None
    assert stop.severity == "warn"


def test_a_row_that_is_dropped_has_nothing_kept() -> None:
    found = seen(ROWS["messages"], max_length=20, overlong="drop")
    assert {*found.sequences[0].roles} == {"truncated"}
    assert (found.sequences[0].kept, found.sequences[0].trained) == (0, 0)
    assert badge("dropped", found) is not None
    assert badge("truncated", found) is None


def test_a_text_is_split_and_a_conversation_only_cut() -> None:
    row = {"text": " ".join(one["text"] for one in reviews(8))}
    found = seen(row, max_length=20, overlong="split")
    assert len(found.sequences) > 3
    assert found.sequences[0].name == f"part 1 of {len(found.sequences)}"
    assert badge("split", found) is not None
    cut = badge("truncated", seen(ROWS["messages"], max_length=20, overlong="split"))
    assert cut is not None
    assert cut.words.endswith("Only a text can be split.")


def test_nothing_is_left_to_train_on() -> None:
    found = seen(ROWS["classification"], max_length=8)
    lost = badge("nothing_trained", found)
    assert lost is not None
    assert lost.severity == "bad"
    assert "all of the answer lies beyond max_length" in lost.words
    asked = badge("nothing_trained", seen({"messages": TURNS[:1]}))
    assert asked is not None
    assert "no turn of it is the assistant's" in asked.words


def test_a_bos_token_comes_once_where_template_and_tokenizer_both_write_it() -> None:
    tokenizer = with_bos(bare(MARKED["strips"]))
    found = seen({"messages": TURNS}, tokenizer)
    assert found.sequences[0].ids[:2].count(tokenizer.bos_token_id) == 1
    assert badge("double_bos", found) is None


def test_a_bos_token_that_comes_twice_is_said() -> None:
    tokenizer = with_bos(None)
    assert badge("double_bos", seen({"text": "In the beginning"}, tokenizer)) is None
    twice = badge("double_bos", seen({"text": "<|im_start|>In the beginning"}, tokenizer))
    assert twice is not None
    assert twice.severity == "bad"
    doubled = tokenizer_with("{{ bos_token }}" + bare(MARKED["strips"]))
    assert badge("double_bos", seen({"messages": TURNS}, doubled)) is not None


def test_an_end_without_a_loss_is_said() -> None:
    open_end = MARKED["chatml"].replace(
        "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}",
        "{{ message['content'] }}{% endgeneration %}{{ '<|im_end|>' }}",
    )
    row = {"messages": TURNS}
    stop = badge("stop_not_trained", seen(row, tokenizer_with(open_end)))
    assert stop is not None
    assert stop.severity == "bad"
    assert badge("stop_not_trained", seen(row, tokenizer_with(bare(open_end)))) is None
    endless = tokenizer_with(None)
    endless.eos_token = None
    assert badge("stop_not_trained", seen({"text": "In the beginning"}, endless)) is not None


def test_a_prompt_that_is_no_beginning_of_the_whole_is_said() -> None:
    thinks = tokenizer_with(THINKS)
    prefix = badge("prefix", seen({"messages": TURNS}, thinks))
    assert prefix is not None
    assert prefix.severity == "bad"
    asked = badge("prefix", seen(ROWS["classification"], thinks))
    assert asked is not None
    assert asked.severity == "warn"
    other = badge("prefix", seen({"messages": TURNS}, prompt=Prompt(template="{{ messages }}")))
    assert other is not None
    assert "the prompt pane's wording" in other.words
    assert badge("prefix", seen({"messages": TURNS})) is None


def test_a_template_that_changes_the_text_is_said() -> None:
    turns = [{"role": "user", "content": "  def f():\n"}, TURNS[1]]
    stripped = badge(
        "template_changes", seen({"messages": turns}, tokenizer_with(bare(MARKED["strips"])))
    )
    assert stripped is not None
    assert "takes the spaces around the content of turn 1 (user)" in stripped.words
    loud = tokenizer_with(CHAT_TEMPLATE.replace("message['content']", "message['content']|upper"))
    changed = badge("template_changes", seen({"messages": TURNS}, loud))
    assert changed is not None
    assert (changed.severity, "leaves out or changes" in changed.words) == ("warn", True)
    assert badge("template_changes", seen({"messages": turns})) is None


def test_a_text_of_the_template_s_own_is_shown() -> None:
    own = badge("template_adds", seen({"messages": TURNS}, tokenizer_with(trl_template("qwen2_5"))))
    assert own is not None
    assert "created by Alibaba Cloud" in own.words
    assert badge("template_adds", seen({"messages": TURNS})) is None


def test_a_system_turn_that_is_refused_is_said() -> None:
    tokenizer = tokenizer_with(bare(MARKED["no system"]))
    for row, prompt in (
        (ROWS["messages"], Prompt()),
        (ROWS["wording"], prompt_of("wording")),
    ):
        found = seen(row, tokenizer, prompt)
        assert found.sequences == []
        assert [one.kind for one in found.badges] == ["system_refused"]
    assert badge("system_refused", seen({"messages": TURNS}, tokenizer)) is None


def test_another_refusal_is_said_in_the_template_s_words() -> None:
    strict = tokenizer_with("{{ raise_exception('Roles must alternate') }}")
    found = seen({"messages": TURNS}, strict)
    assert [(one.kind, one.severity) for one in found.badges] == [("refused", "bad")]
    assert "Roles must alternate" in found.badges[0].words


def test_no_chat_template_is_said() -> None:
    plain = tokenizer_with(None)
    turns = badge("no_chat_template", seen({"messages": TURNS}, plain))
    assert turns is not None
    assert turns.severity == "warn"
    one = badge("no_chat_template", seen(ROWS["classification"], plain))
    assert one is not None
    assert one.severity == "note"
    assert badge("no_chat_template", seen(ROWS["text"], plain)) is None


def test_a_pad_token_that_is_the_end_token_is_explained_and_does_no_harm() -> None:
    tokenizer = tokenizer_with()
    note = badge("pad_is_end", seen(ROWS["text"], tokenizer))
    assert note is not None
    assert note.severity == "note"
    tokenizer.pad_token = "<|endoftext|>"
    assert badge("pad_is_end", seen(ROWS["text"], tokenizer)) is None


def test_unknown_tokens_are_counted() -> None:
    tokenizer = tokenizer_with()
    row = {"text": "one <|endoftext|> two"}
    tokenizer.backend_tokenizer.normalizer = None
    held = seen(row, tokenizer)
    assert badge("special_in_text", held) is not None
    assert badge("unknown", held) is None
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "one": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    small = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", eos_token="<s>", pad_token="<unk>"
    )
    unknown = badge("unknown", seen({"text": "one two three"}, small))
    assert unknown is not None
    assert unknown.words.startswith("2 tokens are unknown")


def test_an_empty_answer_is_said() -> None:
    for row in (
        {"text": "A film of some length.", "label": ""},
        {"messages": [TURNS[0], {"role": "assistant", "content": " "}]},
        {"prompt": "Q", "chosen": "", "rejected": "B"},
    ):
        kinds = [{"text": "A film of some length.", "label": "x"}] if "label" in row else []
        tokenizer = tokenizer_with()
        made = encoder(tokenizer, [row, *kinds, {"prompt": "", "chosen": "b", "rejected": ""}][:2])
        empty = badge("empty_answer", inspect(tokenizer, made, row))
        assert empty is not None
        assert empty.severity == "bad"


def test_a_label_of_several_tokens_is_noted() -> None:
    row = {"text": "A warm and funny film.", "label": "a bit funny"}
    note = badge("label_tokens", seen(row))
    assert note is not None
    assert "tokens long" in note.words


def test_badges_come_with_the_worst_first_and_once_each() -> None:
    found = seen({"prompt": "Q", "chosen": "<|im_end|>", "rejected": "B"}, max_length=12)
    severities = [one.severity for one in found.badges]
    assert severities == sorted(severities, key=("bad", "warn", "note").index)
    assert len({(one.kind, one.words) for one in found.badges}) == len(found.badges)


def test_how_a_row_became_tokens_is_said() -> None:
    assert "TRL's variant of the model's chat template" in (
        seen({"messages": TURNS}, tokenizer_with(trl_template("qwen2_5"))).how
    )
    assert "what it marks" in seen({"messages": TURNS}, tokenizer_with(MARKED["chatml"])).how
    assert "up to the token that ends it" in seen({"messages": TURNS}).how
    assert seen(ROWS["text"]).how.startswith("The text's tokens and the end token")


def test_a_wording_that_cannot_be_filled_is_an_error() -> None:
    with pytest.raises(PromptError, match=r'no column "txt"; perhaps "text" is meant'):
        seen(ROWS["wording"], prompt=Prompt(template="{{ txt }}", completion="x"))
