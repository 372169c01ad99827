"""A row in the standard shape of its format, whatever its columns are called.

Knows the shapes that datasets come in; knows nothing of templates or tokens.
"""

import json
from collections.abc import Callable
from typing import Any

from workbench.data.prompting import PromptError
from workbench.protocol import FormatFound
from workbench.session import DataFormat
from workbench.text import one_line

# How roles of a chat are called in ShareGPT's and other data, and in a chat template.
SPEAKERS = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "model": "assistant",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "function_call": "assistant",
}
Turn = dict[str, Any]  # role, content; also tool_calls and what else the data brings


def column_of(path: str, values: dict[str, Any]) -> str:
    """The column that a mapping's `path` names: itself, or what stands before a dot in it."""
    if path in values:
        return path
    head = path.partition(".")[0]
    return head if head in values else path


def value_of(path: str, values: dict[str, Any]) -> Any:
    """The value of a column, or of a key within it: `translation.en`; None where it is missing."""
    if path in values:
        return values[path]
    head, _, rest = path.partition(".")
    inner = values.get(head)
    return inner.get(rest) if rest and isinstance(inner, dict) else None


def text_of(value: Any) -> str:
    """A value as a text: nothing where it is missing, the elements of a list one after another."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(text_of(one) for one in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def answer_of(value: Any) -> str:
    """An answer as a text: of several that are right, the first."""
    return text_of(value[0] if isinstance(value, list) and value else value)


def parsed(value: Any) -> Any:
    """What a JSON text holds where a text can only be that; else the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def are_turns(value: Any) -> bool:
    """Whether a value is a list of chat turns: role and content, or from and value."""
    if isinstance(value, str) and not ('"role"' in value or '"from"' in value):
        return False
    value = parsed(value)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) for one in value)
        and ("role" in value[0] or {"from", "value"} <= set(value[0]))
    )


def turns_of(value: Any) -> list[Turn]:
    """A list of chat turns as a chat template takes them: role and content.

    Contents of several parts become one text; arguments of tool calls become objects; what is
    missing (null) is left out.

    Raises:
        PromptError: where it is no such list, or holds what a text model cannot read.
    """
    if not are_turns(value):
        shown = one_line(json.dumps(value, ensure_ascii=False, default=str), 80)
        raise PromptError(
            f"A list of turns with role and content was expected, and this is {shown}."
        )
    return [turn_of(one) for one in parsed(value)]


def turn_of(given: dict[str, Any]) -> Turn:
    turn = {name: one for name, one in given.items() if one is not None}
    said = turn.pop("from", None) if "role" not in turn else turn["role"]
    role = SPEAKERS.get(str(said).strip().lower(), str(said))
    content = turn.pop("value", "") if "content" not in turn else turn["content"]
    rest = {name: one for name, one in turn.items() if name not in ("role", "content")}
    if "tool_calls" in rest:
        rest["tool_calls"] = [tool_call(one) for one in parsed(rest["tool_calls"]) or []]
        if not rest["tool_calls"]:
            del rest["tool_calls"]
    return {"role": role, "content": content_of(content), **rest}


def content_of(content: Any) -> str:
    """A turn's content as one text, of whatever parts it is made."""
    if not isinstance(content, list):
        return text_of(content)
    pieces = []
    for part in content:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            pieces.append(part["text"])
        else:
            kind = part.get("type") if isinstance(part, dict) else type(part).__name__
            raise PromptError(
                f"A turn holds a part of the kind {one_line(str(kind), 40)}, and the model reads "
                "only text; leave such rows out."
            )
    return "".join(pieces)


def tool_call(given: Any) -> Any:
    """A tool call with its arguments as an object: chat templates write them as JSON."""
    if not isinstance(given, dict):
        return given
    call = {name: one for name, one in given.items() if one is not None}
    if isinstance(call.get("function"), dict):
        call["function"] = tool_call(call["function"])
    if isinstance(call.get("arguments"), str):
        call["arguments"] = parsed(call["arguments"])
    return call


def tools_of(value: Any) -> list[Any] | None:
    """The tools that a row's conversation may use, as JSON schemas."""
    value = parsed(value)
    return value if isinstance(value, list) and value else None


def as_roles(found: FormatFound, values: dict[str, Any]) -> dict[str, Any]:
    """The row in its format's standard shape, such as {"messages": [...]}.

    ShareGPT's conversations become messages, translation pairs {"translation": {"en": …}}; a
    preference's shared beginning becomes its prompt where it has none. A wording has no shape of
    its own: its rows stay as they are.

    Raises:
        PromptError: where a value is not what the role needs.
    """
    if found.format not in SHAPES:
        return values
    given = {role: value_of(path, values) for role, path in found.mapping.items()}
    return SHAPES[found.format](found, given)


def text(_found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    return {"text": text_of(given.get("text"))}


def prompt_completion(_found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt": text_or_turns(given.get("prompt")),
        "completion": text_or_turns(given.get("completion")),
        **system_of(given),
    }


def conversation(found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    main = "messages" if found.format == "messages" else "conversations"
    turns = turns_of(given.get(main))
    if (system := text_of(given.get("system"))).strip() and turns[0]["role"] != "system":
        turns = [{"role": "system", "content": system}, *turns]
    tools = tools_of(given.get("tools"))
    return {"messages": turns} | ({"tools": tools} if tools else {})


def alpaca(_found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    history = given.get("history")
    return {
        "instruction": text_of(given.get("instruction")),
        "input": text_of(given.get("input")),
        "output": text_of(given.get("output")),
        **system_of(given),
        **({"history": history_of(history)} if history else {}),
    }


def classification(_found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    return {"text": text_of(given.get("text")), "label": given.get("label")}


def translation(found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    sides = ("source", "target")
    languages = [found.mapping[role].rpartition(".")[2] for role in sides]
    texts = [text_of(given[role]) for role in sides]
    return {"translation": dict(zip(languages, texts, strict=True))}


def system_of(given: dict[str, Any]) -> dict[str, str]:
    text = text_of(given.get("system"))
    return {"system": text} if text.strip() else {}


def text_or_turns(value: Any) -> str | list[Turn]:
    """Chat turns where a value is a list of them, else its text."""
    if isinstance(value, dict) and "role" in value:
        value = [value]
    return turns_of(value) if are_turns(value) else answer_of(value)


def history_of(value: Any) -> list[list[str]]:
    """Earlier pairs of what was asked and answered.

    Raises:
        PromptError: where it is no list of pairs.
    """
    pairs = parsed(value)
    if not isinstance(pairs, list) or not all(
        isinstance(one, list) and len(one) == 2 for one in pairs
    ):
        raise PromptError("The history is no list of pairs of a question and its answer.")
    return [[text_of(one) for one in pair] for pair in pairs]


def preference(_found: FormatFound, given: dict[str, Any]) -> dict[str, Any]:
    """Prompt, chosen and rejected answer, as texts or as turns; see TRL's `extract_prompt`."""
    prompt = text_or_turns(given.get("prompt"))
    chosen, rejected = (text_or_turns(given.get(role)) for role in ("chosen", "rejected"))
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise PromptError("Of chosen and rejected one is a text and the other a list of turns.")
    if isinstance(chosen, str):
        if not isinstance(prompt, str):
            chosen, rejected = assistant(chosen), assistant(str(rejected))
        elif not prompt:
            prompt, chosen, rejected = shared(chosen, str(rejected))
    elif len(chosen) > 1 and not is_prompt(prompt, chosen):
        count = same_turns(chosen, rejected)
        prompt, chosen, rejected = chosen[:count], chosen[count:], rejected[count:]
    elif isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}] if prompt else []
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **system_of(given)}


def is_prompt(prompt: str | list[Turn], answer: list[Turn]) -> bool:
    """Whether the prompt stands by itself: the answer does not begin with what it says again."""
    return not isinstance(prompt, str) and answer[0]["role"] == "assistant"


def same_turns(chosen: list[Turn], rejected: Any) -> int:
    """How many turns at the beginning are equal; at least the last of each is its own."""
    count = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        count += 1
    return count


def shared(chosen: str, rejected: str) -> tuple[str, str, str]:
    """The beginning that two texts share is their prompt; it ends before a space."""
    count = 0
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        count += 1
    if count and chosen[count - 1] == " ":
        count -= 1
    return chosen[:count], chosen[count:], rejected[count:]


def assistant(text: str) -> list[Turn]:
    return [{"role": "assistant", "content": text}]


SHAPES: dict[DataFormat, Callable[[FormatFound, dict[str, Any]], dict[str, Any]]] = {
    "text": text,
    "prompt_completion": prompt_completion,
    "messages": conversation,
    "sharegpt": conversation,
    "alpaca": alpaca,
    "preference": preference,
    "classification": classification,
    "translation": translation,
}
