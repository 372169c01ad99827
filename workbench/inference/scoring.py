"""How likely a given answer is, asked of a server that can tell it.

vLLM does: it has `/tokenize`, and completions with `echo` and `logprobs` over token ids, the way
that lm-evaluation-harness measures, too. Knows requests and log-probabilities; means the same by
them as `choice` does for a model in memory.
"""

from collections.abc import Sequence
from typing import Any

from workbench.inference.answering import Question
from workbench.inference.connection import Connection, FaultError
from workbench.inference.faults import nonsense


class Scorer:
    """Asks over one connection. `ends` keeps the token that ends a turn, once it is known."""

    def __init__(self, connection: Connection, ends: list[int]) -> None:
        self.connection, self.ends = connection, ends
        self.name = connection.settings.name

    async def labels(self, question: Question, labels: Sequence[str]) -> list[float]:
        """The log-probability of each label as the answer, as `choice.with_ends` compares them."""
        ids = [await self.text_ids(question.before + label) for label in labels]
        lengths = {len(one) for one in ids}
        if len(lengths) > 1:
            end = await self.end()
            ids = [[*one, *end] for one in ids]
        return await self.scores(await self.head(question), ids)

    async def answer(self, question: Question, answer: str) -> tuple[float, int]:
        """The log-probability of an answer with the token that ends it, and its tokens."""
        ids = [*await self.text_ids(question.before + answer), *await self.end()]
        return (await self.scores(await self.head(question), [ids]))[0], len(ids)

    async def scores(self, head: list[int], endings: Sequence[list[int]]) -> list[float]:
        body = {
            "model": self.name,
            "prompt": [[*head, *ending] for ending in endings],
            "echo": True,
            "logprobs": 1,
            "max_tokens": 1,
            "temperature": 0,
        }
        said = await self.connection.post("completions", body)
        try:
            choices = sorted(said["choices"], key=lambda choice: choice["index"])
            told = [choice["logprobs"]["token_logprobs"] for choice in choices]
            return [
                float(sum(one[len(head) : len(head) + len(ending)]))
                for one, ending in zip(told, endings, strict=True)
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self.nonsense() from None

    async def head(self, question: Question) -> list[int]:
        """The tokens up to where the answer begins."""
        turns = list(question.turns)
        if question.start:
            turns.append({"role": "assistant", "content": question.start})
        return await self.chat_ids(turns, goes_on=bool(question.start))

    async def end(self) -> list[int]:
        """The token that ends an answer: what comes first after one in a conversation."""
        if not self.ends:
            turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
            open_ended = await self.chat_ids(turns, goes_on=True)
            closed = await self.chat_ids(turns, goes_on=False, head=False)
            if closed[: len(open_ended)] == open_ended:
                self.ends[:] = closed[len(open_ended) : len(open_ended) + 1]
        return self.ends

    async def chat_ids(self, turns: Any, goes_on: bool, head: bool = True) -> list[int]:
        return await self.tokenize(
            messages=turns,
            add_generation_prompt=head and not goes_on,
            continue_final_message=goes_on,
        )

    async def text_ids(self, text: str) -> list[int]:
        return await self.tokenize(prompt=text, add_special_tokens=False)

    async def tokenize(self, **body: Any) -> list[int]:
        said = await self.connection.post("/tokenize", {"model": self.name, **body})
        ids = said.get("tokens") if isinstance(said, dict) else None
        if not isinstance(ids, list) or not all(isinstance(one, int) for one in ids):
            raise self.nonsense()
        return ids

    def nonsense(self) -> FaultError:
        return FaultError(nonsense(self.connection.settings))
