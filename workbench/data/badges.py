"""What is amiss with an example, before a run starts: one badge a fault, in a sentence each.

Knows examples and tokenizers; knows nothing of how they are shown.
"""

from collections.abc import Iterator
from typing import Any, Literal

from workbench.data.conversation import runs_of
from workbench.data.examples import Encoder, Example, Said, prompt_ids
from workbench.data.prompting import (
    IGNORED,
    PromptError,
    added_special,
    end_of_turn,
)
from workbench.data.reading import Reading
from workbench.protocol import Badge
from workbench.text import one_line

Severity = Literal["bad", "warn", "note"]
LABEL_TOKENS = 8  # a longer answer is no label
OWN_WORDS = 12  # letters before the first turn's content that a role's name does not make


def of_example(encoder: Encoder, said: Said, whole: Example, values: dict[str, Any]) -> list[Badge]:
    """The badges of one example of a row; `whole` has all its tokens."""
    return [
        *of_length(encoder, whole),
        *of_loss(encoder, said, whole),
        *of_special(encoder, said, whole),
        *of_prompt(encoder, said, whole, values),
        *of_template(encoder, said),
    ]


def badge(kind: str, severity: Severity, words: str) -> Badge:
    return Badge(kind=kind, severity=severity, words=words)


def of_length(encoder: Encoder, whole: Example) -> Iterator[Badge]:
    """What max_length does to it."""
    longest, count = encoder.training.max_length, len(whole.input_ids)
    beyond = count - longest
    if beyond <= 0:
        return
    overlong = encoder.training.overlong
    if overlong == "drop":
        yield badge(
            "dropped",
            "bad",
            f"The row is left out: its {count:,} tokens are {beyond:,} more than max_length "
            f"({longest:,}), and overlong is drop; raise max_length to use it.",
        )
    elif overlong == "split" and len(parts := encoder.fit(whole)) > 1:
        yield badge(
            "split",
            "note",
            f"The text of {count:,} tokens is split into {len(parts)} parts of at "
            f"most max_length ({longest:,}).",
        )
    else:
        instead = " Only a text can be split." if overlong == "split" else ""
        yield badge(
            "truncated",
            "warn",
            f"Its last {beyond:,} of {count:,} tokens lie beyond max_length ({longest:,}) and are "
            f"cut off; raise max_length, or set overlong to drop.{instead}",
        )


def of_loss(encoder: Encoder, said: Said, whole: Example) -> Iterator[Badge]:
    """What is learnt from it, and what is not."""
    if isinstance(encoder, Reading):
        if not words(encoder, whole.input_ids):
            yield badge("nothing_trained", "bad", "There is nothing to learn: the row has no text.")
        return
    kept = encoder.fit(whole)
    labels = [label for one in kept for label in one.labels] if kept else whole.labels
    if all(label == IGNORED for label in labels):
        cut = any(label != IGNORED for label in whole.labels)
        why = (
            "all of the answer lies beyond max_length, so the row is left out; raise max_length or "
            "shorten the prompt"
            if cut
            else "no turn of it is the assistant's"
            if said.turns and said.answer is None
            else "the row has no text"
        )
        yield badge("nothing_trained", "bad", f"There is nothing to learn: {why}.")
        return
    runs = runs_of([int(label != IGNORED) for label in whole.labels])
    spoken = [whole.input_ids[start:stop] for start, stop in runs]
    if said.text is None and any(not words(encoder, ids) for ids in spoken):
        yield badge(
            "empty_answer",
            "bad",
            "The answer is empty: the model would learn to say nothing; leave such rows out.",
        )
    ends = special_ids(encoder.tokenizer)
    if any(last_word(encoder, ids) not in ends for ids in spoken):
        end = "the tokenizer has no end token" if not ends else "no token that ends it has a loss"
        yield badge(
            "stop_not_trained",
            "bad",
            f"The model would not learn to stop: after the answer {end}; use a chat template that "
            "marks the end of the assistant's turn as generated, or a tokenizer with an end token.",
        )
    elif len(kept) == 1 and kept[0].cut:
        yield badge(
            "stop_not_trained",
            "warn",
            "The end of the answer is cut off, so this row does not teach the model to stop.",
        )
    label = "classification" in (encoder.found.format, encoder.found.recognised)
    count = len([one for ids in spoken for one in ids if one not in ends])
    if label and said.answer and 1 < count <= LABEL_TOKENS:
        yield badge(
            "label_tokens",
            "note",
            f'The label "{one_line(said.answer, 40)}" is {count} tokens long; measuring adds up '
            "their log-probabilities.",
        )


def of_special(encoder: Encoder, said: Said, whole: Example) -> Iterator[Badge]:
    """Special tokens where they do harm."""
    tokenizer, ids = encoder.tokenizer, whole.input_ids
    begin, unknown = tokenizer.bos_token_id, tokenizer.unk_token_id
    if begin is not None and ids[:2] == [begin, begin]:
        yield badge(
            "double_bos",
            "bad",
            f"It begins with {tokenizer.bos_token} twice, which the model never saw: the tokenizer "
            "or the chat template adds one to that of the row; take it out of the row or template.",
        )
    names = special_names(tokenizer)
    held = sorted({name for name in names for text in said.contents if name in text})
    if held:
        yield badge(
            "special_in_text",
            "warn",
            f"The row holds the text of a special token ({one_line(', '.join(held), 60)}), which "
            "the model reads as that token and not as text.",
        )
    count = ids.count(unknown) if unknown is not None else 0
    if count and tokenizer.unk_token not in held:
        yield badge(
            "unknown",
            "warn",
            f"{count:,} token{'s are' if count > 1 else ' is'} unknown to the tokenizer: the model "
            "cannot tell what was there.",
        )
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id in (
        tokenizer.eos_token_id,
        *end_of_turn(tokenizer),
    ):
        yield badge(
            "pad_is_end",
            "note",
            f"The pad token is the end token ({tokenizer.pad_token}). Padding is masked here by "
            "its place, so the end is learnt; a trainer that masks every pad token would not.",
        )


def of_prompt(
    encoder: Encoder, said: Said, whole: Example, values: dict[str, Any]
) -> Iterator[Badge]:
    """Whether the model is asked as it is taught."""
    if said.text is not None:
        return
    try:
        sent = prompt_ids(encoder.tokenizer, encoder.given, encoder.found, values)
    except PromptError:
        return
    if (at := differs(sent, whole.input_ids)) < len(sent):
        if encoder.given.template.strip() and said.answer is None:
            yield badge(
                "prefix",
                "warn",
                "What is sent for an answer is the prompt pane's wording, and what is learnt is "
                f"the row's own conversation: they differ from token {at + 1} on; empty the "
                "template to ask as the rows do.",
            )
            return
        yield badge(
            "prefix",
            "bad",
            "The tokens of the prompt are no beginning of the whole: the chat template writes the "
            f"prompt alone otherwise from token {at + 1} on, so the model is asked in other words "
            "than it learns.",
        )
    elif said.answer is not None and encoder.conversation.has_template:
        yield from of_whole(encoder, said, whole, len(sent))


def of_whole(encoder: Encoder, said: Said, whole: Example, given: int) -> Iterator[Badge]:
    """Whether the chat template writes prompt and answer together as they are learnt."""
    turns = [*said.turns, {"role": "assistant", "content": said.answer}]
    try:
        text = encoder.conversation.render(turns)
    except PromptError:
        return
    ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    at = differs(whole.input_ids, ids)
    if at < given:
        yield badge(
            "prefix",
            "warn",
            "The tokens of the prompt are no beginning of what the chat template writes for prompt "
            f"and answer together (from token {at + 1} on); learnt is the answer after the prompt "
            "as it is sent.",
        )
    elif at < len(whole.input_ids):
        yield badge(
            "template_changes",
            "note",
            f"The chat template would write the answer otherwise from token {at + 1} on; learnt is "
            "the answer as it is.",
        )


def of_template(encoder: Encoder, said: Said) -> Iterator[Badge]:
    """What the chat template makes of the row's text."""
    if said.text is not None:
        return
    if not encoder.conversation.has_template:
        yield badge(
            "no_chat_template",
            "note" if said.answer is not None and len(said.turns) == 1 else "warn",
            "The model has no chat template: turns are plain text, one after another, and no token "
            "says who speaks; a base model learns so, for a chat choose an instruct model.",
        )
        return
    try:
        text = encoder.conversation.text(
            said.turns, said.tools, said.after, said.answer is not None
        )
    except PromptError:
        return
    at = 0
    for number, turn in enumerate(said.turns, 1):
        content = turn["content"]
        if not content.strip():
            continue
        if content not in text:
            bare = content.strip() in text
            what = "takes the spaces around" if bare else "leaves out or changes"
            yield badge(
                "template_changes",
                "note" if bare else "warn",
                f"The chat template {what} the content of turn {number} ({turn['role']}); the "
                "model does not see the text as the row has it.",
            )
            return
        if number == 1:
            at = text.index(content)
    own = text[:at]
    for name in special_names(encoder.tokenizer):
        own = own.replace(name, " ")
    if said.turns[0]["role"] != "system" and sum(map(str.isalpha, own)) > OWN_WORDS:
        yield badge(
            "template_adds",
            "note",
            f'The chat template puts a text of its own first: "{one_line(own.strip(), 100)}".',
        )


def refused(encoder: Encoder, said: Said, message: str) -> Badge:
    """A conversation that the chat template does not take, perhaps for its system turn alone."""
    turns = [turn for turn in said.turns if turn["role"] != "system"]
    if len(turns) < len(said.turns):
        try:
            encoder.conversation.render(turns, said.tools, head=said.answer is not None)
        except PromptError:
            return badge("refused", "bad", message)
        return badge(
            "system_refused",
            "bad",
            "The model's chat template takes no system turn; leave the system text empty and put "
            "it into the template.",
        )
    return badge("refused", "bad", message)


# --- tokens ----------------------------------------------------------------------------------


def special_ids(tokenizer: Any) -> set[int]:
    return {*tokenizer.all_special_ids, *added_special(tokenizer)}


def special_names(tokenizer: Any) -> list[str]:
    """The texts of the special tokens, long ones first."""
    found = {tokenizer.convert_ids_to_tokens(one) for one in special_ids(tokenizer)}
    return sorted((one for one in found if one), key=len, reverse=True)


def words(encoder: Encoder, ids: list[int]) -> bool:
    """Whether tokens say anything: more than special tokens and spaces."""
    text = encoder.tokenizer.decode(ids, skip_special_tokens=True)
    return bool(text.strip())


def last_word(encoder: Encoder, ids: list[int]) -> int:
    """The last of the tokens that is more than a space; -1: none."""
    for one in reversed(ids):
        if encoder.tokenizer.decode([one], skip_special_tokens=False).strip():
            return one
    return -1


def differs(one: list[int], other: list[int]) -> int:
    """The place of the first token that is not the same; the shorter's length where none is."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
