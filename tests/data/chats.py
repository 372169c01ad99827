"""Chat templates of different habits for the tiny tokenizer, and rows of every format."""

from pathlib import Path
from typing import Any

import trl

from tests.tiny import CHAT_TEMPLATE, make_tiny_tokenizer, reviews
from workbench.data.examples import Encoder
from workbench.data.formats import recognise
from workbench.data.sources import memory_table
from workbench.session import DatasetSettings, Prompt, TrainingSettings

# Each marks what the assistant says; `bare` takes the marks away.
MARKED = {
    "chatml": (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{% if message['role'] == 'assistant' %}{% generation %}"
        "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "strips": (
        "{{ bos_token }}{% for message in messages %}"
        "{{ message['role'] + ': ' }}"
        "{% if message['role'] == 'assistant' %}{% generation %}"
        "{{ message['content'] | trim + eos_token }}{% endgeneration %}"
        "{% else %}{{ message['content'] | trim + '\n' }}{% endif %}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    ),
    "no system": (
        "{% for message in messages %}"
        "{% if message['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "{% if message['role'] == 'assistant' %}{% generation %}"
        "{{ ' ' + message['content'] + eos_token }}{% endgeneration %}"
        "{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}"
        "{% endfor %}"
    ),
    "end before the next": (
        "{% for message in messages %}"
        "{% if not loop.first %}{{ '<|im_end|>\n' }}{% endif %}"
        "{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}"
        "{% endgeneration %}{% else %}{{ message['content'] }}{% endif %}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_end|>\n<|im_start|>assistant\n' }}{% endif %}"
    ),
}
THINKS = (  # writes the thoughts of the last answer alone, as Qwen3's and DeepSeek's do
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and not loop.last %}"
    "{{ message['content'].split('</think>')[-1].lstrip('\n') }}"
    "{% else %}{{ message['content'] }}{% endif %}{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
TURNS = [
    {"role": "user", "content": "What is in the box?"},
    {"role": "assistant", "content": "A hat and a long scarf."},
    {"role": "user", "content": "Is it a warm one?"},
    {"role": "assistant", "content": "Yes: a very warm one."},
]
ROWS: dict[str, dict[str, Any]] = {
    "text": {"text": "In the beginning was a word, and the word was long."},
    "prompt_completion": {"question": "What is in the box?", "answer": "A hat."},
    "prompt_completion of turns": {"prompt": TURNS[:3], "completion": TURNS[3:]},
    "messages": {"messages": [{"role": "system", "content": "Be brief."}, *TURNS]},
    "sharegpt": {
        "conversations": [
            {"from": {"user": "human", "assistant": "gpt"}[turn["role"]], "value": turn["content"]}
            for turn in TURNS
        ]
    },
    "alpaca": {
        "instruction": "Name what is in it.",
        "input": "the box",
        "output": "A hat.",
        "history": [["Hello?", "Hello."]],
    },
    "preference": {"prompt": "What is in it?", "chosen": "A hat.", "rejected": "No idea at all."},
    "preference of turns": {"chosen": TURNS, "rejected": [*TURNS[:3], TURNS[1]]},
    "classification": reviews(1)[0],
    "several labels": {"text": "It rains all day long.", "labels": ["wet", "cold"]},
    "a number": {"text": "It rains all day long.", "rating": 2.5},
    "translation": {"en": "What is in the box?", "fr": "Un chapeau."},
    "wording": reviews(1)[0],
}
WORDING = Prompt(
    name="mine", system="Judge.", template="Review: {{ text }}\n", completion=" {{ label }} "
)


def bare(template: str) -> str:
    return template.replace("{% generation %}", "").replace("{% endgeneration %}", "")


def tokenizer_with(template: str | None = CHAT_TEMPLATE) -> Any:
    made = make_tiny_tokenizer()
    made.chat_template = template
    return made


def trl_template(name: str) -> str:
    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8")


def prompt_of(kind: str) -> Prompt:
    return WORDING if kind == "wording" else Prompt()


def encoder(
    tokenizer: Any, rows: list[dict[str, Any]], prompt: Prompt | None = None, **training: Any
) -> Encoder:
    """The encoder for rows, of the format that is recognised in them."""
    prompt = prompt or Prompt()
    found = recognise(memory_table(rows).columns, rows, DatasetSettings(), prompt)
    return Encoder(tokenizer, prompt, found, TrainingSettings(**training))


def learnt(tokenizer: Any, example: Any) -> list[str]:
    """The stretches with a loss, as texts."""
    found, before = [], False
    for token, label in zip(example.input_ids, example.labels, strict=True):
        if label != -100:
            assert label == token
            found += [] if before else [[]]
            found[-1].append(token)
        before = label != -100
    return [tokenizer.decode(ids) for ids in found]
