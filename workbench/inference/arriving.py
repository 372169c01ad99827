"""An answer as it arrives from a server, whole or in pieces.

Knows the shape of OpenAI's chat completions, as dictionaries; trusts nothing in them. Knows nothing
of connections.
"""

import time
from typing import Any, Literal

from workbench.inference.answering import Answer, OnText
from workbench.inference.dialects import unwrapped
from workbench.inference.faults import CERTAIN, half_a_key, scrub
from workbench.protocol import Option, Token
from workbench.session import ModelSettings

LARGEST = 4_000_000  # characters of an answer; no model writes as much
UNKNOWN = -1  # the id of a token of which a server tells the text only
REASONS: dict[str, Literal["end", "length"]] = {"length": "length", "max_tokens": "length"}


class NonsenseError(ValueError):
    """What came is no chat completion."""


class Arriving:
    """What has come of one answer so far.

    `begin` was there before. `detailed`: the tokens are told with the text, and kept. A server may
    say back the key that it was sent: it is taken out, also where it comes in pieces.
    """

    def __init__(
        self,
        on_text: OnText,
        server: ModelSettings,
        begin: str = "",
        detailed: bool = False,
    ) -> None:
        self.on_text, self.server, self.begin, self.detailed = on_text, server, begin, detailed
        self.start, self.wrapped = "", False
        self.begun = time.perf_counter()
        self.seconds_to_first = 0.0
        self.held = ""  # came, and not told yet
        self.told = ""
        self.count = 0  # tokens, as far as pieces tell
        self.used = -1  # tokens, as the server counts them
        self.logprob: float | None = None
        self.detail: list[Token] = []
        self.thought = False  # text came that is not the answer: the model's thoughts
        self.finish = ""
        self.other = ""  # what came in place of text

    def expect(self, start: str, wrapped: bool) -> None:
        """`start`: what the answer was asked to begin with, which a model may say again: it is
        taken off. `wrapped`: it comes within JSON, and is told when all of it is there."""
        self.start, self.wrapped = start.strip(), wrapped

    @property
    def anything(self) -> bool:
        return bool(self.told or self.held or self.thought or self.finish)

    def add(self, said: Any) -> None:
        """Take in a completion, or a piece of one.

        Raises:
            NonsenseError: when it is neither.
        """
        if not isinstance(said, dict) or not isinstance(said.get("choices"), list):
            if isinstance(said, dict) and "choices" not in said and "usage" in said:
                self.count_used(said)
                return
            raise NonsenseError("no choices")
        self.count_used(said)
        if not said["choices"]:
            return
        choice = said["choices"][0]
        if not isinstance(choice, dict):
            raise NonsenseError("a choice that is none")
        message = choice.get("delta") or choice.get("message") or {}
        if not isinstance(message, dict):
            raise NonsenseError("a message that is none")
        self.thought |= any(message.get(name) for name in ("reasoning_content", "reasoning"))
        if message.get("tool_calls") or message.get("function_call"):
            self.other = "a call of a tool"
        elif isinstance(message.get("refusal"), str) and message["refusal"]:
            self.other = "a refusal"
        tokens = tokens_in(choice.get("logprobs"))
        text = text_in(message.get("content"))
        if text or tokens:
            self.take(text, tokens)
        if isinstance(choice.get("finish_reason"), str):
            self.finish = choice["finish_reason"]

    def count_used(self, said: dict[str, Any]) -> None:
        usage = said.get("usage")
        used = usage.get("completion_tokens") if isinstance(usage, dict) else None
        if isinstance(used, int) and used >= 0:
            self.used = used

    def take(self, text: str, tokens: list[Token]) -> None:
        if not self.seconds_to_first:
            self.seconds_to_first = time.perf_counter() - self.begun
        if len(self.told) + len(self.held) + len(text) > LARGEST:
            raise NonsenseError(f"more than {LARGEST:,} characters")
        self.count += len(tokens) or bool(text)
        self.held += text
        if tokens:
            self.logprob = sum((one.logprob for one in tokens), self.logprob or 0.0)
            self.detail += tokens if self.detailed and not self.wrapped else []
        if not self.wrapped:
            self.tell(len(tokens) or int(bool(text)), tokens if self.detailed else [])

    def tell(self, count: int, tokens: list[Token], end: bool = False) -> None:
        """Tell what is held, but for what may be the start said again."""
        if self.start and not self.told:
            said = self.held.lstrip()
            if not end and len(said) < len(self.start) and self.start.startswith(said):
                return
            if said.startswith(self.start):
                self.held = said[len(self.start) :]
            self.start = ""
        back = 0 if end else half_a_key(self.held, self.server)
        text, self.held = self.held[: len(self.held) - back], self.held[len(self.held) - back :]
        text = scrub(text, self.server, CERTAIN)
        self.told += text
        if text or tokens:
            self.on_text(text, count, tokens)

    def answer(self, problem: str = "", stopped: bool = False) -> Answer:
        """What came, as it is."""
        if self.wrapped:  # of JSON's own tokens the probability says nothing
            self.held, self.logprob = unwrapped(self.held), None
        if self.held:
            self.tell(0, [], end=True)
        reason: Literal["end", "length", "stopped", "failed"] = REASONS.get(self.finish, "end")
        if problem or stopped:
            reason = "failed" if problem else "stopped"
        return Answer(
            text=self.begin + self.told,
            tokens=max(self.used, self.count),
            reason=reason,
            logprob=self.logprob,
            detail=self.detail,
            problem=problem,
            seconds_to_first=self.seconds_to_first,
            seconds=time.perf_counter() - self.begun,
        )

    def missing(self) -> str:
        """Why there is no answer in what came to its end, or nothing where there is one."""
        if self.finish == "content_filter":
            return "The server held the answer back (content_filter)."
        if self.told.strip() or self.held.strip():
            return ""
        if self.other:
            return f"The server answered with {self.other} in place of text."
        if self.thought:
            return (
                "The model only thought and did not come to an answer; raise "
                "generation.max_new_tokens."
            )
        if self.finish in {"stop", "eos", "length"} and max(self.used, self.count) > 0:
            return ""  # the model ended its answer at once
        return "The server answered with nothing; ask again, or look at the server."


def text_in(content: Any) -> str:
    """The text of a message: a text, or a list of parts."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    raise NonsenseError("content that is no text")


def tokens_in(logprobs: Any) -> list[Token]:
    """The tokens of a piece and what else might have come; none where the server tells none."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return []
    found = []
    for one in content:
        if (option := option_in(one)) is None:
            return []
        others = one.get("top_logprobs")
        options = [option_in(other) for other in others] if isinstance(others, list) else []
        kept = sorted((o for o in options if o is not None), key=lambda o: -o.logprob)
        found.append(Token(option.id, option.text, option.logprob, kept))
    return found


def option_in(one: Any) -> Option | None:
    if not isinstance(one, dict) or not isinstance(one.get("token"), str):
        return None
    logprob = one.get("logprob")
    if not isinstance(logprob, int | float):
        return None
    number = one.get("id", one.get("token_id"))  # llama.cpp tells it
    return Option(number if isinstance(number, int) else UNKNOWN, one["token"], float(logprob))
