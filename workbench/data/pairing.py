"""From a row to a text to read and a text to write: what an encoder-decoder learns from.

Knows wordings and tokenizers; knows nothing of models. `tokenizer.encoder_decoder` names the
architecture that it is of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from typing_extensions import override

from workbench.data import wordings
from workbench.data.examples import Encoder, Examples, Said
from workbench.data.languages import language
from workbench.data.prompting import IGNORED, Example, PromptError, cut_example, plain_text
from workbench.data.wordings import tongue, variable
from workbench.protocol import Badge, FormatFound
from workbench.session import Prompt, TrainingSettings


@dataclass(frozen=True)
class Pair(Example):
    """A source and its target, one after the other in `input_ids`; the first `source` tokens are
    read, the others written, with a loss on all of them."""

    source: int = 0

    @property
    def source_ids(self) -> list[int]:
        return self.input_ids[: self.source]

    @property
    def target_ids(self) -> list[int]:
        return self.input_ids[self.source :]

    def sides(self) -> tuple[Example, Example]:
        """Source and target, each as an example of its own."""
        read, learnt = self.source_ids, self.target_ids
        return (
            Example(read, [IGNORED] * len(read), name="source", full_length=len(read)),
            Example(learnt, learnt, name="target", full_length=len(learnt)),
        )


class Pairing(Encoder):
    """Encodes rows of one format as pairs. `training.max_length` holds for each side."""

    def __init__(
        self,
        tokenizer: Any,
        prompt: Prompt,
        found: FormatFound,
        training: TrainingSettings,
        examples: Examples | None = None,
    ) -> None:
        speak(tokenizer, found)
        super().__init__(tokenizer, worded(tokenizer, found, prompt), found, training, examples)
        if found.format == "text":
            raise PromptError(
                "A text has no target to learn; write a template and a completion, or name the "
                "columns for source and target with the format translation."
            )
        self.closing = around(tokenizer)[1]

    @property
    def how(self) -> str:
        """How a row becomes tokens, in a sentence."""
        return (
            "The filled template is the source, which the encoder reads; the answer is the target, "
            "with a loss on all of it and on the token that ends it."
        )

    @override
    def said(self, values: dict[str, Any]) -> list[Said]:
        made = super().said(values)
        return [pair_of(one) for one in made if one.name != "rejected"]

    @override
    def whole(self, said: Said) -> Pair:
        source = list(self.tokenizer(plain_text(said.turns), add_special_tokens=True)["input_ids"])
        learnt = list(self.tokenizer(text_target=said.answer or "")["input_ids"])
        return Pair(
            input_ids=[*source, *learnt],
            labels=[*[IGNORED] * len(source), *learnt],
            full_length=len(source) + len(learnt),
            source=len(source),
        )

    @override
    def fit(self, whole: Example) -> list[Example]:
        """Each side within max_length: a source that is cut still ends as one; a target does not,
        which would teach to stop there."""
        assert isinstance(whole, Pair)
        longest = self.training.max_length
        source, learnt = whole.source_ids, whole.target_ids
        if len(source) <= longest and len(learnt) <= longest:
            return [whole]
        if self.training.overlong == "drop":
            return []
        if len(source) > longest:
            ends = source[len(source) - self.closing :]
            source = [*source[: longest - len(ends)], *ends]
        learnt = cut_example(whole.sides()[1], longest).input_ids
        return [
            Pair(
                input_ids=[*source, *learnt],
                labels=[*[IGNORED] * len(source), *learnt],
                cut=True,
                full_length=whole.full_length,
                source=len(source),
            )
        ]


def pair_of(said: Said) -> Said:
    """What an example says as turns and the answer to them: of a conversation the last answer.

    Raises:
        PromptError: where nothing is answered.
    """
    if said.answer is not None:
        return said
    turns = said.turns
    last = max((n for n, turn in enumerate(turns) if turn["role"] == "assistant"), default=-1)
    if last < 1:
        raise PromptError("The conversation holds no answer of the assistant to a turn before it.")
    return Said(turns=turns[:last], answer=str(turns[last]["content"]).strip())


def worded(tokenizer: Any, found: FormatFound, prompt: Prompt) -> Prompt:
    """The wording of translation pairs for a model that only translates: the source alone, or
    after the words by which T5 knows what to do. Another wording stays as it is."""
    if prompt.template.strip() or found.format != "translation":
        return prompt
    template = f"{{{{ {variable(found.mapping['source'])} }}}}"
    if tokenizer.encoder_decoder == "t5":
        source, target = (tongue(found.mapping[role]) for role in ("source", "target"))
        template = f"translate {source} to {target}: {template}"
    return replace(prompt, template=template, completion=wordings.in_use(found, prompt).completion)


def speak(tokenizer: Any, found: FormatFound) -> None:
    """Have a tokenizer of many languages read and write those that the columns are named after."""
    if found.format != "translation" or not hasattr(tokenizer, "tgt_lang"):
        return
    codes = list(getattr(tokenizer, "lang_code_to_token", None) or tokenizer.get_added_vocab())
    known = {language(code): code for code in reversed(codes)}
    for role, name in (("source", "src_lang"), ("target", "tgt_lang")):
        column = found.mapping[role].rpartition(".")[2]
        spoken = language(column)
        if column in codes:
            setattr(tokenizer, name, column)
        elif spoken and spoken in known:
            setattr(tokenizer, name, known[spoken])


def badges(encoder: Pairing, whole: Pair) -> Iterator[Badge]:
    """What is amiss with a pair."""
    longest, instead = encoder.training.max_length, "raise max_length, or set overlong to drop"
    for name, ids in (("source", whole.source_ids), ("target", whole.target_ids)):
        if (beyond := len(ids) - longest) <= 0:
            continue
        if encoder.training.overlong == "drop":
            words = (
                f"The row is left out: the {len(ids):,} tokens of its {name} are {beyond:,} more "
                f"than max_length ({longest:,}), and overlong is drop; raise max_length to use it."
            )
            yield Badge(kind="dropped", severity="bad", words=words)
        else:
            words = (
                f"The last {beyond:,} of {len(ids):,} tokens of the {name} lie beyond max_length "
                f"({longest:,}) and are cut off; {instead}."
            )
            yield Badge(kind="truncated", severity="warn", words=words)
    special = set(encoder.tokenizer.all_special_ids)
    unknown = encoder.tokenizer.unk_token_id
    for name, ids in (("source", whole.source_ids), ("target", whole.target_ids)):
        if all(one in special for one in ids):
            words = f"The {name} is empty, so the row is left out."
            yield Badge(kind="nothing_trained", severity="bad", words=words)
        elif unknown is not None and (count := ids.count(unknown)):
            words = f"{count:,} tokens of the {name} are unknown to the tokenizer."
            yield Badge(kind="unknown_tokens", severity="warn", words=words)


def around(tokenizer: Any) -> tuple[int, int]:
    """How many tokens the tokenizer puts before and after a text."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    closed = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for start in range(len(closed) - len(plain) + 1):
        if closed[start : start + len(plain)] == plain:
            return start, len(closed) - len(plain) - start
    return 0, 0
