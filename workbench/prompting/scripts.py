"""A variant as a Python script that runs by itself: with `openai`, or with `transformers`.

Knows variants and the source that asks the same of a model; runs nothing. What comes from rows,
prompts and settings is only ever written as a literal.
"""

import json
import re

from workbench.inference.dialects import Dialect
from workbench.prompting.literals import literal
from workbench.prompting.variant import Variant

NOT_HELD = "# In workbench answers are held to this; here they are as the model writes them.\n"
SERVER = "http://localhost:8000/v1"

FILLING = '''

def fill(template, row):
    """The template filled from a row: {{ column }}, or {{ row["any name"] }}."""
    return JINJA.from_string(template).render({"row": row, **row}) if "{" in template else template
'''
JINJA = """
JINJA = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, finalize=lambda value: "" if value is None else value
)
"""
MESSAGES = '''

def messages(row):
    """What the model is asked about a row."""
    turns = [{"role": "system", "content": SYSTEM}] if SYSTEM.strip() else []
    turns += [{"role": one["role"], "content": fill(one["content"], row)} for one in TURNS]
    return [*turns, *EXAMPLES, {"role": "user", "content": fill(TEMPLATE, row)}]
'''
READY = '''

def messages(_row):
    """What the model is asked: the turns of one row."""
    return TURNS
'''
MAIN = """

if __name__ == "__main__":
    row = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")) if sys.argv[1:] else ROW
    print(answer(row))
"""


def imports(variant: Variant, *more: str) -> str:
    """In the order in which they are mostly sorted."""
    mine = (
        []
        if variant.turns
        else [
            "from jinja2 import StrictUndefined",
            "from jinja2.sandbox import ImmutableSandboxedEnvironment",
        ]
    )
    plain = [one for one in more if one.startswith("import ")]
    third = sorted([*mine, *(one for one in more if one.startswith("from "))])
    first = ["import json", *(one for one in plain if one == "import os"), "import sys"]
    rest = [one for one in plain if one != "import os"]
    return "\n".join([*first, "from pathlib import Path", "", *rest, *third]) + "\n"


def constants(variant: Variant) -> str:
    """The prompt: what is filled, what it is filled from, and the examples as they were."""
    prompt = variant.prompt
    lines = [f"PROMPT = {literal(prompt.name)}"]
    if variant.turns:
        lines.append(f"TURNS = {literal(variant.turns)}")
    else:
        turns = [{"role": turn.role, "content": turn.content} for turn in prompt.turns]
        lines += [f"SYSTEM = {literal(prompt.system)}", f"TURNS = {literal(turns)}"]
        if variant.examples and prompt.examples.choose == "nearest":
            lines.append("# These are the examples nearest to ROW; another row has others.")
        lines += [
            f"EXAMPLES = {literal(variant.examples)}",
            f"TEMPLATE = {literal(prompt.template)}",
        ]
    lines.append("# The answer goes on from here.")
    lines += [f"ANSWER_START = {literal(prompt.answer_start)}", f"ROW = {literal(variant.values)}"]
    return "\n".join(lines) + "\n"


def asking(variant: Variant) -> str:
    return READY if variant.turns else FILLING + MESSAGES


def environment(variant: Variant) -> str:
    return "" if variant.turns else JINJA


# --- openai ---------------------------------------------------------------------------------------


def python_openai(variant: Variant) -> str:
    """A script that asks a server, whose address and key come from the environment."""
    key = variant.model.api_key_env or "OPENAI_API_KEY"
    shown = key if re.fullmatch(r"\w+", key) else "the variable in KEY"
    extra = extra_body(variant)
    sampling = {
        "max_tokens": variant.generation.max_new_tokens,
        "temperature": variant.generation.temperature if variant.generation.do_sample else 0,
    }
    if variant.generation.do_sample:
        sampling |= {"top_p": variant.generation.top_p, "seed": variant.generation.seed}
    return (
        '"""Ask a server that speaks OpenAI\'s chat completions. Made with workbench.\n\n'
        f"    pip install openai{'' if variant.turns else ' jinja2'}\n"
        "    python THIS_FILE [ROW.json]\n\n"
        f"The server's address and key come from the environment: OPENAI_BASE_URL and {shown}.\n"
        '"""\n\n'
        + imports(variant, "import os", "from openai import OpenAI")
        + "\n"
        + f'SERVER = os.environ.get("OPENAI_BASE_URL", {literal(variant.model.url or SERVER)})\n'
        + f'KEY = os.environ.get({literal(key)}, "none")  # servers on this machine want none\n'
        + f"MODEL = {literal(variant.model.name)}\n"
        + constants(variant)
        + f"SETTINGS = {literal(sampling)}\n"
        + "# Not in OpenAI's own interface: vLLM's names. Take out what a server refuses.\n"
        + f"EXTRA = {literal(extra)}\n"
        + environment(variant)
        + asking(variant)
        + ASK_SERVER
        + MAIN
    )


ASK_SERVER = """

def answer(row):
    client = OpenAI(base_url=SERVER, api_key=KEY)
    turns, extra = messages(row), dict(EXTRA)
    if ANSWER_START:  # vLLM and SGLang go on from the last turn; Ollama and llama.cpp do unasked
        turns = [*turns, {"role": "assistant", "content": ANSWER_START}]
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    reply = client.chat.completions.create(
        model=MODEL, messages=turns, extra_body=extra, **SETTINGS
    )
    return reply.choices[0].message.content
"""


def extra_body(variant: Variant) -> dict[str, object]:
    settings = variant.generation
    extra: dict[str, object] = {"repetition_penalty": settings.repetition_penalty}
    if settings.do_sample:
        extra["top_k"] = settings.top_k or -1
    if settings.constraint == "json_schema" and not is_json(settings.json_schema):
        return extra
    return extra | Dialect(kind="vllm").constraint(settings, variant.labels)


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


# --- transformers ---------------------------------------------------------------------------------


def python_transformers(variant: Variant) -> str:
    """A script that asks a model in memory: with greedy decoding, the same tokens."""
    generation = variant.generation
    settings: dict[str, object] = {
        "max_new_tokens": generation.max_new_tokens,
        "do_sample": generation.do_sample,
        "repetition_penalty": generation.repetition_penalty,
    }
    if generation.do_sample:
        settings |= {
            "temperature": generation.temperature,
            "top_p": generation.top_p,
            "top_k": generation.top_k,
        }
    folder, file = gguf(variant.weights)
    names = "AutoModelForCausalLM, AutoTokenizer, GenerationConfig"
    needed = (
        f"torch transformers{'' if variant.turns else ' jinja2'}{' peft' * bool(variant.adapter)}"
    )
    peft = ["from peft import PeftModel"] if variant.adapter else []
    return (
        '"""Ask a model in memory, with transformers. Made with workbench.\n\n'
        f"    pip install {needed}\n"
        '    python THIS_FILE [ROW.json]\n"""\n\n'
        + imports(variant, "import torch", f"from transformers import {names}", *peft)
        + "\n"
        + f"MODEL = {literal(folder)}  # a folder or a hub id\n"
        + (f"GGUF = {literal(file)}\n" if file else "")
        + (f"ADAPTER = {literal(variant.adapter)}\n" if variant.adapter else "")
        + f"DTYPE = {literal(variant.dtype or 'auto')}\n"
        + constants(variant)
        + (f"{NOT_HELD}NOT_HELD_TO = {literal(variant.held)}\n" if variant.held else "")
        + f"SETTINGS = {literal(settings)}\n"
        + f"SEED = {literal(generation.seed)}\n"
        + environment(variant)
        + asking(variant)
        + PLAIN
        + ENDS
        + ask_model(variant, file)
        + MAIN
    )


def gguf(weights: str) -> tuple[str, str]:
    """Folder and file of a GGUF file; the whole and nothing for all else."""
    if not weights.lower().endswith(".gguf"):
        return weights, ""
    folder, _, file = weights.rpartition("/")
    return folder or ".", file


PLAIN = '''

def encode(tokenizer, turns):
    """The token ids up to where the answer begins, or goes on from ANSWER_START."""
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return tokenizer(text + ANSWER_START, add_special_tokens=False)["input_ids"]
    text = ""
    start = [{"role": "assistant", "content": ANSWER_START}] if ANSWER_START else []
    for turn in [*turns, *start]:
        if text:
            follows = "" if text[-1].isspace() else " "
            text += follows if turn["role"] == "assistant" else "\\n\\n"
        text += turn["content"]
    ids = tokenizer(text)["input_ids"]
    while len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:
        ids.pop()
    return ids
'''
ENDS = '''

def end_tokens(tokenizer, model):
    """The ids that end an answer: the model's, the tokenizer's, and the chat template's."""
    said = model.generation_config.eos_token_id
    ends = {*(said if isinstance(said, list) else [said]), tokenizer.eos_token_id}
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "<answer>"}]
        try:
            text = tokenizer.apply_chat_template(turns, tokenize=False)
        except Exception:  # it does not take these turns
            text = ""
        rest = text.rpartition("<answer>")[2].lstrip()
        after = tokenizer(rest, add_special_tokens=False)["input_ids"] if rest else []
        special = {n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
        if after and after[0] in special | set(tokenizer.all_special_ids):
            ends.add(after[0])
    return sorted(ends - {None})
'''


def ask_model(variant: Variant, file: str) -> str:
    given = ", gguf_file=GGUF" if file else ""
    trust = ", trust_remote_code=True" if variant.model.trust_remote_code else ""
    adapter = "    model = PeftModel.from_pretrained(model, ADAPTER)\n" if variant.adapter else ""
    return f"""

def answer(row):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(MODEL{given}{trust})
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=DTYPE{given}{trust})
    ends = end_tokens(tokenizer, model)
{adapter}    model = model.to(device).eval()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    # The settings here and no others: a model may come with some of its own.
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=pad)
    ids = torch.tensor([encode(tokenizer, messages(row))], device=device)
    torch.manual_seed(SEED)
    made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **SETTINGS)
    return tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
"""
