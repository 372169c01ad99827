"""What servers understand: all speak OpenAI's chat completions, and each leaves out or adds some.

Knows requests as dictionaries and kinds of servers; sends nothing. Written after the sources of
vLLM 0.11 and later, SGLang, llama.cpp, Ollama, `transformers serve` 5.24 and OpenAI's reference.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.inference.answering import Question, Wanted
from workbench.session import GenerationSettings

Kind = Literal["vllm", "sglang", "llama.cpp", "ollama", "transformers", "openai", "unknown"]
OWNERS: dict[str, Kind] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama.cpp",
    "library": "ollama",
    "openai": "openai",
    "system": "openai",
    "openai-internal": "openai",
}
GOING_ON = ("continue_final_message", "add_generation_prompt")
CONSTRAINTS = (
    "response_format",
    "structured_outputs",
    "guided_choice",
    "guided_regex",
    "regex",
    "grammar",
)
# What may be left out of a request where the server refuses it, and what that means.
OPTIONAL = {
    "top_k": "The server takes no top_k; it draws from all tokens that top_p leaves.",
    "top_p": "The server takes no top_p; it draws from all tokens.",
    "temperature": "The server takes no temperature; it answers at its own.",
    "repetition_penalty": "The server takes no repetition_penalty; nothing is penalised.",
    "repeat_penalty": "",
    "seed": "The server takes no seed; the same question can be answered in another way each time.",
    "logprobs": "The server tells no probabilities of tokens.",
    "top_logprobs": "The server tells no alternatives to tokens.",
    "stream_options": "",
    "max_tokens": "",
    "generation_config": "The server takes no generation settings but temperature and top_p.",
    **dict.fromkeys(GOING_ON, ""),
    **dict.fromkeys(
        CONSTRAINTS, "The server holds no answer to the constraint; it writes what it likes."
    ),
}
UNEXPECTED = "Unexpected fields in the request"  # so does `transformers serve` refuse
CUT = (
    "Ollama cuts a prompt that is longer than its num_ctx and does not say so; set "
    "OLLAMA_CONTEXT_LENGTH on the server to what the prompts need."
)
SHORT = 8000  # characters that fit into Ollama's context however it is set
ASKED = (
    "The server cannot go on from what the answer begins with; the model is asked in the user's "
    "turn to begin with it."
)
UNSURE = (
    "Whether the server goes on from what the answer begins with, or begins anew, is not known; "
    "look at an answer."
)
NO_REGEX = "The server holds no answer to a regular expression; it writes what it likes."
THROUGH_JSON = "The server holds answers to the labels through JSON, which is taken off again."


@dataclass
class Dialect:
    """What one server understands: what it said of itself, and what it refused so far."""

    kind: Kind = "unknown"
    version: tuple[int, ...] = ()
    refused: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)  # what the person should know, a sentence each

    def note(self, words: str) -> None:
        if words and words not in self.notes:
            self.notes.append(words)

    def request(
        self,
        question: Question,
        settings: GenerationSettings,
        wanted: Wanted,
        *,
        stream: bool = False,
    ) -> dict[str, Any]:
        """The body of a request, without the model's name."""
        body: dict[str, Any] = {"messages": list(question.turns)}
        if self.kind == "ollama" and len(str(question.turns)) > SHORT:
            self.note(CUT)
        body |= self.going_on(body["messages"], question.start + wanted.begin_text)
        limit = "max_completion_tokens" if "max_tokens" in self.refused else "max_tokens"
        body[limit] = settings.max_new_tokens
        body |= self.sampling(settings)
        body |= self.constraint(settings, wanted.labels)
        body["logprobs"] = True
        if wanted.alternatives:
            body["top_logprobs"] = min(wanted.alternatives, 20)
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in body.items() if name not in self.refused}

    def sampling(self, settings: GenerationSettings) -> dict[str, Any]:
        """What the session says of sampling, so that no server's own defaults come in."""
        if self.kind == "transformers" and "generation_config" not in self.refused:
            return {"generation_config": json.dumps(transformers_config(settings))} | (
                {"seed": settings.seed} if settings.do_sample else {}
            )
        chosen: dict[str, Any] = {"temperature": 0.0}
        if settings.do_sample:
            chosen = {
                "temperature": settings.temperature,
                "top_p": settings.top_p,
                "top_k": settings.top_k or -1,
                "seed": settings.seed,
            }
        name = "repeat_penalty" if self.kind == "llama.cpp" else "repetition_penalty"
        chosen[name] = settings.repetition_penalty
        if self.kind == "ollama":  # which takes neither from here, and says nothing
            del chosen[name]
            chosen.pop("top_k", None)
            if settings.do_sample and settings.top_k:
                self.note(OPTIONAL["top_k"])
            if settings.repetition_penalty != 1:
                self.note(OPTIONAL["repetition_penalty"])
        return chosen

    def goes_on(self) -> Literal["flags", "turn", "both", "asked"]:
        """How the server is told what an answer begins with."""
        if self.kind in {"transformers", "openai"} or set(GOING_ON) & self.refused:
            return "asked"
        if self.kind in {"vllm", "sglang"}:
            return "flags"
        return "turn" if self.kind in {"llama.cpp", "ollama"} else "both"

    def going_on(self, turns: list[dict[str, Any]], start: str) -> dict[str, Any]:
        """Add what the answer begins with to the turns."""
        if not start:
            return {}
        how = self.goes_on()
        if how == "asked":
            self.note(ASKED)
            words = f"Begin your answer with exactly this text, and go on from it:\n{start}"
            if turns and turns[-1].get("role") == "user":
                turns[-1] = {**turns[-1], "content": f"{turns[-1]['content']}\n\n{words}"}
            else:
                turns.append({"role": "user", "content": words})
            return {}
        if how == "both":
            self.note(UNSURE)
        turns.append({"role": "assistant", "content": start})
        if how == "turn":
            return {}
        return {"continue_final_message": True, "add_generation_prompt": False}

    def constraint(self, settings: GenerationSettings, labels: Sequence[str]) -> dict[str, Any]:
        """What holds the answer to the labels, the pattern or the schema (JSON, not a file)."""
        if settings.constraint == "none":
            return {}
        if self.kind == "transformers":
            self.note(OPTIONAL["response_format"])
            return {}
        if labels:
            return self.one_of(labels)
        if settings.constraint == "regex":
            return self.matching(settings.pattern)
        return json_format(json.loads(settings.json_schema))

    def one_of(self, labels: Sequence[str]) -> dict[str, Any]:
        if self.kind == "vllm":
            return self.vllm("choice", list(labels))
        if self.kind == "sglang":
            return {"regex": "(" + "|".join(re.escape(label) for label in labels) + ")"}
        if self.kind == "llama.cpp":
            return {"grammar": "root ::= " + " | ".join(gbnf(label) for label in labels)}
        if self.wraps(labels):
            self.note(THROUGH_JSON)
        return json_format(wrapped(labels))

    def wraps(self, labels: Sequence[str]) -> bool:
        """Labels come as JSON."""
        return (
            bool(labels)
            and self.kind not in {"vllm", "sglang", "llama.cpp", "transformers"}
            and "response_format" not in self.refused
        )

    def matching(self, pattern: str) -> dict[str, Any]:
        if self.kind == "vllm":
            return self.vllm("regex", pattern)
        if self.kind == "sglang":
            return {"regex": pattern}
        self.note(NO_REGEX)
        return {}

    def vllm(self, name: str, value: Any) -> dict[str, Any]:
        """vLLM renamed guided_choice and its like in 0.11 and dropped the old names in 0.12."""
        if self.version and self.version < (0, 11):
            return {f"guided_{name}": value}
        return {"structured_outputs": {name: value}}

    def check(self, text: str, settings: GenerationSettings, labels: Sequence[str]) -> None:
        """Note where an answer that came to its end is none of those that were allowed."""
        held = text.strip() in labels if labels else True
        if not labels and settings.constraint == "json_schema":
            try:
                json.loads(text)
            except ValueError:
                held = False
        if not held:
            self.note(OPTIONAL["response_format"])

    def leave_out(self, body: dict[str, Any], refused: str, parameter: str = "") -> bool:
        """Whether a request can be sent again without what the server refuses in it; what it
        refuses is remembered, and noted where it changes the answers."""
        if UNEXPECTED in refused:
            self.kind = "transformers"
        sent = [name for name in OPTIONAL if name in body]
        named = [
            name for name in sent if re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", refused)
        ]
        if parameter.split(".", maxsplit=1)[0] in sent:
            named = [parameter.split(".", maxsplit=1)[0]]
        if not named and re.search(r"\blast\b.{0,60}\b(role|user|assistant)\b", refused, re.I):
            named = [name for name in GOING_ON if name in body]
        if set(named) & set(GOING_ON):
            named = list({*named, *GOING_ON})
        if "logprobs" in named:
            named.append("top_logprobs")
        for name in named:
            if name not in self.refused and matters(name, body.get(name)):
                self.note(OPTIONAL[name])
            self.refused.add(name)
        return bool(named)


def matters(name: str, value: Any) -> bool:
    """Leaving it out changes answers or what is told of them."""
    if name in {"repetition_penalty", "repeat_penalty"}:
        return bool(value != 1)
    if name == "top_k":
        return bool(value and value > 0)
    if name == "logprobs":
        return False  # said where someone asked for alternatives
    return value is not None


def transformers_config(settings: GenerationSettings) -> dict[str, Any]:
    """transformers' own generation settings, which `transformers serve` takes as they are."""
    chosen: dict[str, Any] = {
        "max_new_tokens": settings.max_new_tokens,
        "do_sample": settings.do_sample,
        "repetition_penalty": settings.repetition_penalty,
    }
    if settings.do_sample:
        chosen |= {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
        }
    return chosen


def json_format(schema: Any) -> dict[str, Any]:
    inner = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


def wrapped(labels: Sequence[str]) -> dict[str, Any]:
    """The schema of one of the labels, in an object: servers want one."""
    return {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(labels)}},
        "required": ["answer"],
        "additionalProperties": False,
    }


def unwrapped(text: str) -> str:
    """The label out of its object; the text itself where it is none."""
    try:
        return str(json.loads(text)["answer"])
    except (ValueError, KeyError, TypeError):
        return text


def gbnf(text: str) -> str:
    """A literal of llama.cpp's grammars."""
    marks = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(marks.get(one, one) for one in text) + '"'


def kind_of(models: Sequence[Any]) -> Kind:
    """Which server it is, by how it lists its models."""
    for model in models:
        if not isinstance(model, dict):
            continue
        if kind := OWNERS.get(str(model.get("owned_by", ""))):
            return kind
        if isinstance(model.get("status"), dict) and set(model["status"]) == {"value"}:
            return "transformers"
    return "unknown"
