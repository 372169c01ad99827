"""A conversation as tokens, with a loss on what the assistant says and on what ends its turns.

Where the chat template marks what the assistant says (`{% generation %}`), or TRL has a variant of
it that does, these marks decide, as in TRL's `assistant_only_loss`. Else an answer is what the
template writes after the beginning of the assistant's turn, up to the token that ends it.
Knows chat templates and tokens; knows nothing of rows.
"""

import re
from functools import cached_property
from typing import Any

from workbench.data.prompting import (
    IGNORED,
    MARK,
    Example,
    PromptError,
    RefusedTurnsError,
    added_special,
    end_of_turn,
    plain_text,
)
from workbench.data.roles import Turn
from workbench.text import one_line

Span = tuple[int, int]  # first and last but one


class Conversation:
    """Encodes conversations for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def has_template(self) -> bool:
        return bool(getattr(self.tokenizer, "chat_template", None))

    @cached_property
    def marked(self) -> str | None:
        """A template that marks what the assistant says: the tokenizer's own or TRL's of it."""
        own = self.tokenizer.get_chat_template()
        if re.search(r"\{%-?\s*generation\s*-?%\}", own):
            return str(own)
        from trl.chat_template_utils import get_training_chat_template

        try:
            return get_training_chat_template(self.tokenizer)
        except Exception:  # TRL has none, or the template refuses what TRL tries it with
            return None

    @cached_property
    def special(self) -> list[str]:
        """The texts of the special tokens, long ones first."""
        tokenizer = self.tokenizer
        found = {*tokenizer.all_special_ids, *added_special(tokenizer)}
        texts = {tokenizer.convert_ids_to_tokens(one) for one in found}
        return sorted((one for one in texts if one), key=len, reverse=True)

    # --- text -------------------------------------------------------------------------------

    def render(
        self,
        turns: list[Turn],
        tools: list[Any] | None = None,
        head: bool = False,
        template: str | None = None,
    ) -> str:
        """The conversation as a template writes it, the tokenizer's own where none is given.

        Raises:
            PromptError: where the template refuses it.
        """
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    turns,
                    tools=tools,
                    chat_template=template,
                    tokenize=False,
                    add_generation_prompt=head,
                )
            )
        except Exception as error:  # a chat template may refuse with whatever it likes
            raise refused(error) from None

    def text(
        self, turns: list[Turn], tools: list[Any] | None, after: int = 0, head: bool = False
    ) -> str:
        """The text whose tokens the model gets: as `encode` writes it, or up to an answer.

        Raises:
            PromptError: where the template refuses it.
        """
        if head or after or not self.marked:
            return self.render(turns, tools, head)
        return self.render(turns, tools, template=self.marked)

    def head(self, turns: list[Turn], tools: list[Any] | None = None) -> list[int]:
        """The tokens of turns up to where the assistant's answer to them begins."""
        if not self.has_template:
            return self.plain(turns, 0)[0]
        text = self.render(turns, tools, head=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    # --- tokens -----------------------------------------------------------------------------

    def encode(
        self,
        turns: list[Turn],
        tools: list[Any] | None = None,
        after: int = 0,
        name: str = "example",
    ) -> Example:
        """The conversation, with a loss on the assistant's turns from the turn `after` on; not on
        those with a `weight` of 0.

        Raises:
            PromptError: where the chat template refuses it.
        """
        if not turns:
            raise PromptError("The conversation has no turns.")
        if not self.has_template:
            ids, labels = self.plain(turns, after)
        elif not after and self.marked:
            ids, labels = self.by_marks(turns, tools, self.marked)
        else:
            ids, labels = self.by_difference(turns, tools, after)
        if labels:
            labels[0] = IGNORED
        return Example(input_ids=ids, labels=labels, name=name, full_length=len(ids))

    def by_marks(
        self, turns: list[Turn], tools: list[Any] | None, template: str
    ) -> tuple[list[int], list[int]]:
        """Ids and labels where the template itself says what the assistant generates."""
        try:
            made = self.tokenizer.apply_chat_template(
                turns,
                tools=tools,
                chat_template=template,
                tokenize=True,
                return_dict=True,
                return_assistant_tokens_mask=True,
            )
        except Exception as error:  # a chat template may refuse with whatever it likes
            raise refused(error) from None
        ids, mask = list(made["input_ids"]), list(made["assistant_masks"])
        learnt = [trained(turn) for turn in turns if turn["role"] == "assistant"]
        runs = runs_of(mask)
        if not all(learnt) and len(runs) == len(learnt):
            for (start, stop), wanted in zip(runs, learnt, strict=True):
                if not wanted:
                    mask[start:stop] = [0] * (stop - start)
        return ids, [one if learn else IGNORED for one, learn in zip(ids, mask, strict=True)]

    def by_difference(
        self, turns: list[Turn], tools: list[Any] | None, after: int
    ) -> tuple[list[int], list[int]]:
        """Ids and labels where only the rendered text shows what the assistant says."""
        text = self.render(turns, tools)
        spans = self.spans(text, turns, tools, after)
        made = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = list(made["input_ids"]), made["offset_mapping"]
        labels = [IGNORED] * len(ids)
        waiting = iter(spans)
        span = next(waiting, None)
        for index, (start, stop) in enumerate(offsets):
            while span is not None and start >= span[1]:
                span = next(waiting, None)
            if span is not None and start < stop and stop > span[0]:
                labels[index] = ids[index]
        return ids, labels

    def spans(
        self, text: str, turns: list[Turn], tools: list[Any] | None, after: int
    ) -> list[Span]:
        """Where in the rendered text the assistant's answers are, each with its end."""
        found: list[Span] = []
        begin = 0
        for index, turn in enumerate(turns):
            if turn["role"] != "assistant":
                continue
            start, stop = self.span(text, turns, tools, index)
            start = max(start, begin)
            begin = stop = self.closed(text, start, max(start, stop))
            if index >= after and trained(turn):
                found.append((start, stop))
        return found

    def span(self, text: str, turns: list[Turn], tools: list[Any] | None, index: int) -> Span:
        """Where the turn of that index is, which is the assistant's."""
        start = stop = 0
        try:
            # A template may write the beginning of the answer's turn in other words (an empty
            # thought, say): the answer begins where the two differ.
            start = shared(self.render(turns[:index], tools, head=True), text) if index else 0
            until = self.render(turns[: index + 1], tools)
            stop = shared(until, text)
            if start < stop == len(until) and index:
                return start, stop
        except PromptError:
            pass
        # Turns further on change what is written here: what another content would change is it.
        content = turns[index]["content"]
        if not content.strip() or "tool_calls" in turns[index]:
            return start, stop
        other = [*turns[:index], {**turns[index], "content": MARK}, *turns[index + 1 :]]
        before, mark, behind = self.render(other, tools).partition(MARK)
        if mark and text.endswith(behind) and len(before) <= len(text) - len(behind):
            begins = shared(before, text)
            return (start if 0 < start < begins else begins), len(text) - len(behind)
        at = text.find(content.strip(), start)
        return (at, at + len(content.strip())) if at >= 0 else (start, stop)

    def closed(self, text: str, start: int, stop: int) -> int:
        """The end of an answer with the token that ends it, and nothing after that."""
        bare = text[start:stop].rstrip()
        if any(bare.endswith(one) for one in self.special):
            return start + len(bare)
        ends = (self.tokenizer.eos_token_id, *end_of_turn(self.tokenizer))
        for name in self.special:
            closing = re.compile(rf"\s*{re.escape(name)}").match(text, stop)
            if closing and self.tokenizer.convert_tokens_to_ids(name) in ends:
                return closing.end()
        return stop

    def plain(self, turns: list[Turn], after: int) -> tuple[list[int], list[int]]:
        """Ids and labels without a chat template: the texts, and the end token after answers."""
        tokenizer, end = self.tokenizer, list(end_of_turn(self.tokenizer))
        ids: list[int] = []
        labels: list[int] = []
        waiting: list[Turn] = []
        for index, turn in enumerate(turns):
            if turn["role"] != "assistant":
                waiting.append(turn)
                continue
            given = self.plain_given(waiting, first=not ids)
            said = tokenizer(f" {turn['content'].strip()}", add_special_tokens=False)["input_ids"]
            learnt = [*said, *end]
            ids += [*given, *learnt]
            wanted = index >= after and trained(turn)
            labels += [IGNORED] * len(given) + (learnt if wanted else [IGNORED] * len(learnt))
            waiting = []
        if waiting:
            given = self.plain_given(waiting, first=not ids)
            ids += given
            labels += [IGNORED] * len(given)
        return ids, labels

    def plain_given(self, turns: list[Turn], first: bool) -> list[int]:
        text = plain_text(turns)
        if not first:
            text = f"\n\n{text}" if turns else ""
        ids = list(self.tokenizer(text, add_special_tokens=first)["input_ids"])
        while len(ids) > 1 and ids[-1] == self.tokenizer.eos_token_id:
            ids.pop()
        return ids


def trained(turn: Turn) -> bool:
    """Whether there is a loss on an assistant's turn: OpenAI's data may give it a weight of 0."""
    return bool(turn.get("weight", 1) != 0)


def runs_of(mask: list[int]) -> list[Span]:
    """The stretches of ones."""
    edges = [0, *mask, 0]
    starts = [n for n in range(len(mask)) if edges[n + 1] and not edges[n]]
    stops = [n + 1 for n in range(len(mask)) if edges[n + 1] and not edges[n + 2]]
    return list(zip(starts, stops, strict=True))


def shared(one: str, other: str) -> int:
    """How many characters at the beginning are equal."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def refused(error: Exception) -> RefusedTurnsError:
    text = one_line(str(error), 200).rstrip(".")
    return RefusedTurnsError(f"The model's chat template refuses the conversation: {text}.")
