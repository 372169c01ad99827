"""The wording that makes an example of a row: the prompt pane's, or a format's own.

Knows formats and templates; knows nothing of tokens.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from workbench.data import prompting
from workbench.data.languages import language
from workbench.data.roles import Turn, answer_of, are_turns, as_roles, text_of, value_of
from workbench.protocol import FormatFound
from workbench.session import DataFormat, Prompt

# Formats of which each row is a prompt and an answer, in words that can be changed.
WORDED: tuple[DataFormat, ...] = (
    "wording",
    "prompt_completion",
    "alpaca",
    "classification",
    "translation",
)


def default_prompt(found: FormatFound) -> Prompt:
    """The wording that a format's rows have where the prompt pane has none: `prompt_completion`,
    Alpaca, classification and translation; of the others all but the name is empty."""
    column = {role: variable(path) for role, path in found.mapping.items()}
    if found.format == "wording" or not set(column) & {"prompt", "instruction", "text", "source"}:
        return Prompt(name=found.format)
    template, completion = "", ""
    match found.format:
        case "prompt_completion":
            template, completion = f"{{{{ {column['prompt']} }}}}", column["completion"]
        case "alpaca":
            template, completion = f"{{{{ {column['instruction']} }}}}", column["output"]
            if given := column.get("input"):
                template += f'{{{{ "\\n\\n" ~ {given} if {given} else "" }}}}'
        case "classification":
            template, completion = f"{{{{ {column['text']} }}}}\nLabel:", column["label"]
        case "translation":
            source, target = (tongue(found.mapping[role]) for role in ("source", "target"))
            template = f"Translate from {source} to {target}:\n{{{{ {column['source']} }}}}"
            completion = column["target"]
    return Prompt(
        name=found.format,
        template=template,
        completion=f"{{{{ {completion} }}}}" if completion else "",
    )


def variable(path: str) -> str:
    """A column, or a key within one, as an expression of a template."""
    if path.isidentifier() and path != "row":
        return path
    head, dot, rest = path.partition(".")
    if dot and head.isidentifier() and rest.isidentifier():
        return path
    return f"row[{quoted(path)}]"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def tongue(path: str) -> str:
    name = path.rpartition(".")[2]
    return language(name) or name


def in_use(found: FormatFound, prompt: Prompt) -> Prompt:
    """The prompt pane's wording, with the format's own where a text of it is empty."""
    if found.format == "wording":
        return prompt
    own = default_prompt(found)
    return replace(
        prompt,
        template=prompt.template if prompt.template.strip() else own.template,
        completion=prompt.completion if prompt.completion.strip() else own.completion,
    )


def spoken(found: FormatFound, values: dict[str, Any]) -> dict[str, Any]:
    """The row with the values that a wording of the format fills in as texts: of several labels
    "a, b", of a whole number no decimals."""
    if found.format == "wording":
        return values
    changed = dict(values)
    for role, path in found.mapping.items():
        value = value_of(path, values)
        if role == "history" or isinstance(value, str) or value is None:
            continue
        text = answer_of(value) if role == "completion" else text_of(value)
        head, dot, rest = path.partition(".")
        if path in values or not dot:
            changed[path] = text
        else:
            changed[head] = {**changed[head], rest: text}
    return changed


def asked(
    found: FormatFound,
    prompt: Prompt,
    values: dict[str, Any],
    examples: Sequence[dict[str, Any]] = (),
) -> tuple[list[Turn], str]:
    """The turns before the answer and the answer itself, of a row of one of the WORDED formats.

    `examples` are rows that stand before it, worded as it is and answered.

    `prompt` is the wording in use (`in_use`). A row's own system text and earlier turns come with
    the format's own wording only: another says all by itself.

    Raises:
        PromptError: when the row cannot fill it.
    """
    shown = [spoken(found, one) for one in examples]
    turns: list[Turn] = list(prompting.messages(prompt, values, shown))
    more = {"system", "history"} & set(found.mapping)
    if more and prompt.template == default_prompt(found).template:
        shape = as_roles(found, values)
        if "system" in shape:
            turns = [{"role": "system", "content": shape["system"]}, turns[-1]]
        for said, replied in shape.get("history", ()):
            turns.insert(-1, {"role": "user", "content": said})
            turns.insert(-1, {"role": "assistant", "content": replied})
    return turns, prompting.answer(prompt, values)


def with_system(turns: list[Turn], prompt: Prompt) -> list[Turn]:
    """The row's own turns, after the prompt pane's system text where they have none."""
    if not prompt.system.strip() or (turns and turns[0]["role"] == "system"):
        return turns
    return [{"role": "system", "content": prompt.system}, *turns]


def are_chats(found: FormatFound, values: dict[str, Any]) -> bool:
    """Whether a row of prompt and completion holds turns of a chat."""
    return found.format == "prompt_completion" and are_turns(
        value_of(found.mapping.get("completion", ""), values)
    )


def filled(found: FormatFound, prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
    """The row with its wording filled, in a shape that TRL's trainers read.

    {"text"}; {"prompt", "completion"}, as texts, or {"messages"} where there are a system text or
    earlier turns; {"messages"} with their tools; {"prompt", "chosen", "rejected"}.

    Raises:
        PromptError: when the row cannot fill it.
    """
    if found.format in WORDED and not are_chats(found, values):
        turns, answer = asked(found, in_use(found, prompt), spoken(found, values))
        if prompt.system.strip() or {"system", "history"} & set(found.mapping):
            return {"messages": [*turns, {"role": "assistant", "content": answer}]}
        return {"prompt": turns[-1]["content"], "completion": answer}
    shape = as_roles(found, values)
    if "messages" in shape:
        shape["messages"] = with_system(shape["messages"], prompt)
    elif isinstance(shape.get("prompt"), list):
        shape["prompt"] = with_system(shape["prompt"], prompt)
    return shape
