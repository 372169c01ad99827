"""From a row to token ids, and on which of them there is a loss (labels; -100: none)."""


def encode_text(tokenizer, row):
    """A text and the token that ends it, with a loss on all but the first token."""
    ids = tokenizer(row["text"])["input_ids"]
    if tokenizer.eos_token_id is not None and ids[-1:] != [tokenizer.eos_token_id]:
        ids = [*ids, tokenizer.eos_token_id]
    return ids, [-100, *ids[1:]]


def encode_prompt(tokenizer, turns, start):
    """The turns of a prompt, up to where the answer begins or, where it has a `start`, goes on."""
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return tokenizer(text + start, add_special_tokens=False)["input_ids"]
    text = ""
    for turn in [*turns, *([{"role": "assistant", "content": start}] if start else [])]:
        if text and turn["role"] == "assistant":
            text += "" if text[-1:].isspace() else " "
        elif text:
            text += "\n\n"
        text += turn["content"]
    ids = tokenizer(text)["input_ids"]
    while len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]
    return ids


def encode_answer(tokenizer, row, end):
    """A prompt (turns), the answer to it, and the token that ends it; the loss is on the answer and
    its end. `start` is what the answer begins with, which is given."""
    given = encode_prompt(tokenizer, row["prompt"], row["start"])
    learnt = tokenizer(row["completion"], add_special_tokens=False)["input_ids"] + end
    return given + learnt, [-100] * len(given) + learnt


def encode_marked(tokenizer, row, template):
    """A conversation, with a loss on what the template marks as said by the assistant."""
    made = tokenizer.apply_chat_template(
        row["messages"],
        tools=row.get("tools"),
        chat_template=template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    ids, mask = made["input_ids"], made["assistant_masks"]
    return ids, [-100] + [
        one if said else -100 for one, said in zip(ids[1:], mask[1:], strict=True)
    ]


def encode_conversation(tokenizer, row):
    """A conversation, with a loss on what the template writes of the assistant's turns, from the
    turn `after` on, each with the special token that ends it."""
    turns, tools = row["messages"], row.get("tools")

    def render(turns, head=False):
        return tokenizer.apply_chat_template(
            turns, tools=tools, tokenize=False, add_generation_prompt=head
        )

    text, spans = render(turns), []
    for n, turn in enumerate(turns):
        if turn["role"] == "assistant" and n >= row.get("after", 0):
            start, stop = len(render(turns[:n], head=True)), len(render(turns[: n + 1]).rstrip())
            spans.append((start, stop))
    made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, labels = made["input_ids"], [-100] * len(made["input_ids"])
    for n, (first, last) in enumerate(made["offset_mapping"]):
        if n and first < last and any(first < stop and last > start for start, stop in spans):
            labels[n] = ids[n]
    return ids, labels


def encode_known(row):
    """Token ids as they were: no plain rule makes them of the text."""
    ids, labels = row["input_ids"], [-100] * len(row["input_ids"])
    for start, stop in zip(row["learnt"][::2], row["learnt"][1::2], strict=True):
        labels[start:stop] = ids[start:stop]
    return ids, labels


def fitted(ids, labels, longest, overlong):
    """An example within `longest` tokens: cut, dropped, or (a text) split in pieces."""
    if len(ids) <= longest:
        return [(ids, labels)]
    if overlong == "drop":
        return []
    if overlong == "cut":
        return [(ids[:longest], labels[:longest])]
    parts, start = [], 0
    while start < len(ids):
        stop = min(start + longest, len(ids))
        stop -= stop == len(ids) - 1  # a token all by itself could not be learnt
        parts.append((ids[start:stop], [-100, *labels[start + 1 : stop]]))
        start = stop
    return parts
