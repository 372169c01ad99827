"""Ollama's Modelfile for a GGUF: its template in Go's language, its parameters, its system text.

A template is written only where the model's chat template was tried and says the very same; else
Ollama takes the one in the GGUF. Knows templates; knows nothing of weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.prompting import PromptError, chat_text
from workbench.exporting.speech import settings_of
from workbench.exporting.trained import Trained
from workbench.session import Prompt
from workbench.text import one_line

# Texts that stand in no template by chance.
SYSTEM, ASKED, ANSWERED, AGAIN = "␞system␞", "␞asked␞", "␞answered␞", "␞again␞"


@dataclass(frozen=True)
class Scheme:
    """How turns are written: `turn` with {role} and {content}, then `head` before the answer."""

    name: str
    turn: str
    head: str
    roles: tuple[str, str, str] = ("system", "user", "assistant")
    system: bool = True  # it has a turn for the system text

    def write(self, turns: Sequence[tuple[str, str]]) -> str:
        names = dict(zip(("system", "user", "assistant"), self.roles, strict=True))
        return (
            "".join(
                self.turn.replace("{role}", names[role]).replace("{content}", content)
                for role, content in turns
            )
            + self.head
        )

    @property
    def go(self) -> str:
        """The same in Go's template language, as Ollama runs it."""
        role = "{{ .Role }}"
        if self.roles != ("system", "user", "assistant"):
            role = (
                '{{ if eq .Role "assistant" }}'
                + self.roles[2]
                + "{{ else }}"
                + self.roles[1]
                + "{{ end }}"
            )
        turn = self.turn.replace("{role}", role).replace("{content}", "{{ .Content }}")
        return "{{- range .Messages }}" + turn + "{{ end }}" + self.head


SCHEMES = (
    Scheme("ChatML", "<|im_start|>{role}\n{content}<|im_end|>\n", "<|im_start|>assistant\n"),
    Scheme(
        "Llama 3",
        "<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    Scheme("Zephyr", "<|{role}|>\n{content}</s>\n", "<|assistant|>\n"),
    Scheme("Phi-3", "<|{role}|>\n{content}<|end|>\n", "<|assistant|>\n"),
    Scheme(
        "Gemma",
        "<start_of_turn>{role}\n{content}<end_of_turn>\n",
        "<start_of_turn>model\n",
        roles=("user", "user", "model"),
        system=False,
    ),
)


def scheme_of(tokenizer: Any) -> tuple[Scheme | None, str]:
    """The known scheme that the chat template follows, and the system text that it adds itself."""
    if not tokenizer.chat_template:
        return None, ""
    for scheme in SCHEMES:
        turns = [("user", ASKED), ("assistant", ANSWERED), ("user", AGAIN)]
        try:
            said = without_start(tokenizer, written(tokenizer, turns))
            expected = scheme.write(turns)
            if scheme.system:
                first = scheme.write([("system", SYSTEM), *turns])
                whole = written(tokenizer, [("system", SYSTEM), *turns])
                if without_start(tokenizer, whole) != first:
                    continue
            if said == expected:
                return scheme, ""
            if scheme.system and said.endswith(expected):
                before, _, after = scheme.turn.replace("{role}", scheme.roles[0]).partition(
                    "{content}"
                )
                added = said.removesuffix(expected)
                if added.startswith(before) and added.endswith(after):
                    return scheme, added.removeprefix(before).removesuffix(after)
        except PromptError:
            continue
    return None, ""


def written(tokenizer: Any, turns: Sequence[tuple[str, str]]) -> str:
    return chat_text(tokenizer, [{"role": one, "content": text} for one, text in turns], head=True)


def without_start(tokenizer: Any, text: str) -> str:
    """The text without the token that llama.cpp itself puts before every prompt."""
    start = tokenizer.bos_token or ""
    return text.removeprefix(start) if start and not start.startswith("<|im_start") else text


def modelfile(
    trained: Trained, file: str, tokenizer: Any, prompt: Prompt, ends: Sequence[int]
) -> tuple[str, list[str]]:
    """The Modelfile, and what the person should know of it."""
    scheme, added = scheme_of(tokenizer)
    settings = settings_of(trained)
    notes: list[str] = []
    lines = [f"# {one_line(trained.name)}, step {trained.step}. Made with workbench."]
    if prompt.template.strip():
        lines.append("# It was trained on user's turns of this form (Jinja, filled from a row):")
        lines += [f"#   {one_line(line)}" for line in prompt.template.splitlines()]
    lines.append(f"FROM ./{file}")
    if scheme is not None:
        lines.append(f'TEMPLATE """{scheme.go}"""')
    elif tokenizer.chat_template:
        notes.append(
            "The Modelfile has no TEMPLATE: the model's chat template is none of those that are "
            "known here, so Ollama takes the one in the GGUF, if it can."
        )
    system = prompt.system if prompt.system.strip() else added
    if system and '"""' in system:
        notes.append(
            "The system text holds three quotes, which a Modelfile cannot: add it by hand."
        )
    elif system:
        lines.append(f'SYSTEM """{system}"""')
    temperature = settings.temperature if settings.do_sample else 0
    lines.append(f"PARAMETER temperature {temperature:g}")
    if settings.do_sample:
        lines += [
            f"PARAMETER top_p {settings.top_p:g}",
            f"PARAMETER top_k {settings.top_k}",
            f"PARAMETER seed {settings.seed}",
        ]
    lines.append(f"PARAMETER repeat_penalty {settings.repetition_penalty:g}")
    lines.append(f"PARAMETER num_predict {settings.max_new_tokens}")
    stops = [tokenizer.convert_ids_to_tokens(one) for one in ends]
    lines += [f'PARAMETER stop "{one}"' for one in stops if one and '"' not in one]
    if prompt.answer_start:
        notes.append(
            "The prompt has the beginning of its answer given, which Ollama cannot do: ask for it "
            "in words."
        )
    return "\n".join(lines) + "\n", notes


def usage(trained: Trained, file: str) -> str:
    """What to type to run it."""
    name = "".join(one if one.isalnum() or one in "-_." else "-" for one in trained.name.lower())
    name = name.strip("-_.") or "model"
    return (
        f"ollama create {name} -f Modelfile\n"
        f"ollama run {name}\n"
        "# or with llama.cpp\n"
        f"llama-cli -m {file} --jinja -cnv\n"
    )
