"""Python that asks an exported model, as its card shows it: with the exact prompt that it learnt.

Knows wordings and transformers' names; runs nothing. What comes from a prompt is only ever written
as a literal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.inference.heads import Kind
from workbench.prompting.literals import literal
from workbench.session import Prompt

CLASSES: dict[Kind, str] = {
    "causal": "AutoModelForCausalLM",
    "masked": "AutoModelForMaskedLM",
    "classifier": "AutoModelForSequenceClassification",
    "seq2seq": "AutoModelForSeq2SeqLM",
}


@dataclass(frozen=True)
class Asked:
    """What the snippet asks, and of whom."""

    kind: Kind
    name: str  # of what was exported: a hub id, or "." for the folder that the card is in
    dtype: str
    prompt: Prompt  # in use: the format's own wording where the pane's is empty
    variables: Sequence[str] = ()  # of the prompt's template
    chat: bool = True  # the tokenizer has a chat template
    base: str = ""  # of an adapter
    revision: str = ""  # of the base
    problem: str = ""  # of a classifier: single_label, multi_label, regression
    labels: Sequence[str] = ()  # of a classifier, in the order of its outputs
    scores: bool = False  # a reward model: asked with a prompt and an answer
    two_texts: bool = False  # which it gets as two texts
    languages: Mapping[str, str] = field(default_factory=dict)  # of the tokenizer, by attribute


def snippet(asked: Asked) -> str:
    """The source, UTF-8; it ends with a print of the answer."""
    if asked.kind == "causal":
        return loading(asked, generating=True) + causal(asked)
    if asked.kind == "seq2seq":
        return loading(asked, generating=True) + seq2seq(asked)
    if asked.kind == "masked":
        return loading(asked) + MASKED
    if asked.scores:
        return loading(asked) + scores(asked)
    return loading(asked) + classifier(asked)


def loading(asked: Asked, generating: bool = False) -> str:
    """Imports, the model and the tokenizer."""
    model = CLASSES[asked.kind]
    config = ["GenerationConfig"] if asked.base and generating else []
    names = ", ".join(sorted([model, "AutoTokenizer", *config]))
    lines = ["import torch"] if asked.kind in ("masked", "classifier") else []
    lines += ["from jinja2 import Template"] if asked.variables and not asked.scores else []
    lines += ["from peft import PeftModel"] if asked.base else []
    lines += [f"from transformers import {names}", ""]
    more = f", revision={literal(asked.revision)}" if asked.revision else ""
    if asked.kind == "classifier" and (asked.labels or asked.problem == "regression"):
        more += f", num_labels={max(1, len(asked.labels))}"
    where = "  # this folder, or its name on the hub" if asked.name == "." else ""
    lines.append(f"MODEL = {literal(asked.name)}{where}")
    if asked.base:
        lines += [
            f"BASE = {literal(asked.base)}",
            "tokenizer = AutoTokenizer.from_pretrained(MODEL)",
            f"base = {model}.from_pretrained(BASE, dtype={literal(asked.dtype)}{more})",
            "model = PeftModel.from_pretrained(base, MODEL).eval()",
        ]
        if generating:
            lines.append("settings = GenerationConfig.from_pretrained(MODEL)")
    else:
        lines += [
            "tokenizer = AutoTokenizer.from_pretrained(MODEL)",
            f'model = {model}.from_pretrained(MODEL, dtype="auto")',
        ]
    return "\n".join(lines) + "\n\n"


def turns(asked: Asked) -> str:
    """The turns that are asked, filled from a row where the prompt has variables."""
    prompt = asked.prompt
    said: list[Any] = (
        [{"role": "system", "content": prompt.system}] if prompt.system.strip() else []
    )
    said += [{"role": one.role, "content": one.content} for one in prompt.turns]
    lines = [f"turns = {literal(said)}"]
    if asked.variables:
        row = dict.fromkeys(asked.variables, "…")
        lines = [
            f"row = {literal(row)}  # your own text",
            f"TEMPLATE = {literal(prompt.template)}",
            *lines,
            'turns += [{"role": "user", "content": Template(TEMPLATE).render(row=row, **row)}]',
        ]
    else:
        content = prompt.template if prompt.template.strip() else "…"
        own = "" if prompt.template.strip() else "  # your own text"
        lines.append(f'turns += [{{"role": "user", "content": {literal(content)}}}]{own}')
    return "\n".join(lines) + "\n"


def causal(asked: Asked) -> str:
    start = f" + {literal(asked.prompt.answer_start)}" if asked.prompt.answer_start else ""
    if asked.chat:
        text = (
            "text = tokenizer.apply_chat_template(turns, tokenize=False, "
            f"add_generation_prompt=True){start}\n"
            'inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")\n'
        )
    else:
        text = (
            f'text = "\\n\\n".join(turn["content"] for turn in turns){start}\n'
            'inputs = tokenizer(text, return_tensors="pt")\n'
        )
    return turns(asked) + text + generate(asked, 'made[0, inputs["input_ids"].shape[1] :]')


def seq2seq(asked: Asked) -> str:
    prompt = asked.prompt
    languages = "".join(
        f"tokenizer.{name} = {literal(value)}\n" for name, value in asked.languages.items()
    )
    if prompt.system.strip() or prompt.turns:
        lines = turns(asked) + 'text = "\\n\\n".join(turn["content"] for turn in turns)\n'
    else:
        lines = read(asked)
    return (
        languages
        + lines
        + 'inputs = tokenizer(text, return_tensors="pt")\n'
        + generate(asked, "made[0]")
    )


def read(asked: Asked) -> str:
    """The text that is read, filled from a row where the prompt has variables."""
    template = asked.prompt.template
    if asked.variables:
        row = dict.fromkeys(asked.variables, "…")
        return (
            f"row = {literal(row)}  # your own text\n"
            f"TEMPLATE = {literal(template)}\n"
            "text = Template(TEMPLATE).render(row=row, **row)\n"
        )
    if template.strip():
        return f"text = {literal(template)}\n"
    return 'text = "…"  # your own text\n'


def generate(asked: Asked, answer: str) -> str:
    given = ", generation_config=settings" if asked.base else ""
    return (
        f"made = model.generate(**inputs{given})\n"
        f"print(tokenizer.decode({answer}, skip_special_tokens=True))\n"
    )


MASKED = """\
text = f"Paris is the {tokenizer.mask_token} of France."  # your own text
inputs = tokenizer(text, return_tensors="pt")
place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
with torch.no_grad():
    logits = model(**inputs).logits[0, place]
print(tokenizer.decode(logits.argmax()))
"""


def classifier(asked: Asked) -> str:
    lines = read(asked) + 'inputs = tokenizer(text, return_tensors="pt")\n'
    lines += "with torch.no_grad():\n    logits = model(**inputs).logits[0]\n"
    if asked.problem == "regression":
        return lines + "print(float(logits[0]))\n"
    if asked.problem == "multi_label":
        names = "LABELS" if asked.base else "model.config.id2label"
        return (
            labels_of(asked)
            + lines
            + (
                "shares = logits.sigmoid().tolist()\n"
                f"print({{{names}[n]: share for n, share in enumerate(shares)}})\n"
            )
        )
    names = "LABELS" if asked.base else "model.config.id2label"
    return labels_of(asked) + lines + f"print({names}[int(logits.argmax())])\n"


def labels_of(asked: Asked) -> str:
    """The labels of an adapter, which a base model does not have."""
    return f"LABELS = {literal(list(asked.labels))}\n" if asked.base else ""


def scores(asked: Asked) -> str:
    """What a reward model gives an answer."""
    said = asked.prompt.system.strip()
    lines = 'question, answer = "…", "…"  # your own texts\n'
    if asked.two_texts:
        if said:
            lines += f'question = {literal(said)} + "\\n\\n" + question\n'
        lines += 'inputs = tokenizer(question, answer, return_tensors="pt")\n'
    elif asked.chat:
        turns = [{"role": "system", "content": said}] if said else []
        lines += (
            f"turns = {literal(turns)}\n"
            'turns += [{"role": "user", "content": question}]\n'
            'turns += [{"role": "assistant", "content": answer}]\n'
            "text = tokenizer.apply_chat_template(turns, tokenize=False).rstrip()\n"
            'inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")\n'
        )
    else:
        if said:
            lines += f'question = {literal(said)} + "\\n\\n" + question\n'
        lines += (
            'text = f"{question} {answer}{tokenizer.eos_token}"\n'
            'inputs = tokenizer(text, return_tensors="pt")\n'
        )
    return lines + "with torch.no_grad():\n    print(float(model(**inputs).logits[0, 0]))\n"
