"""The filter language: from what a person types to a tree.

    rating > 1 and label == "positive" or `a name` in ("x", "y") and not contains(text, "film")

Knows the words and how they bind; knows nothing of columns, types or SQL.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from workbench.catalogue import SourceError

LONGEST = 20_000  # characters of an expression
DEEPEST = 60  # parts within parts
WORDS = {
    "and", "or", "not", "in", "like", "ilike", "is", "between", "null", "none", "true", "false",
}  # fmt: skip
SIGNS = {"&&": "and", "||": "or", "=": "==", "<>": "!="}
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`(?:[^`]|``)*`)
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>&&|\|\||==|!=|<>|<=|>=|//|[=<>+\-*/%(),.\[\]])""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class QueryError(SourceError):
    """An expression that cannot be used; the text is one sentence that says where."""


@dataclass(frozen=True)
class Token:
    kind: str  # number, text, name (a column's or a function's), quoted, word, sign, end
    value: str
    at: int  # the place of its first character, from 0


@dataclass(frozen=True)
class Value:
    value: str | int | float | bool | None
    at: int


@dataclass(frozen=True)
class Name:
    name: str
    at: int
    quoted: bool = False


@dataclass(frozen=True)
class Part:
    """A key or an element of something nested: messages[0].role."""

    of: "Node"
    key: str | int
    at: int


@dataclass(frozen=True)
class Call:
    name: str
    given: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True)
class Operation:
    """`sign`: and, or, not, a comparison, +, -, *, /, //, %, in, like, ilike, is null, negative."""

    sign: str
    given: "tuple[Node, ...]"
    at: int


Node = Value | Name | Part | Call | Operation


def wrong(at: int, words: str) -> NoReturn:
    raise QueryError(f"At character {at + 1}: {words}.")


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        QueryError: naming the character and what was expected there.
    """
    if len(text) > LONGEST:
        raise QueryError(f"The expression is longer than {LONGEST:,} characters; shorten it.")
    return Parser(tokens(text)).whole()


def tokens(text: str) -> list[Token]:
    found = []
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            if text[at] in "\"'`":
                wrong(at, f"the {text[at]} that begins here is not closed")
            wrong(at, f'"{text[at]}" means nothing here')
        kind, value = str(match.lastgroup), match[0]
        if kind == "text":
            value = re.sub(
                r"\\(.)", lambda one: ESCAPES.get(one[1], one[1]), value[1:-1], flags=re.DOTALL
            )
            if "\0" in value:
                wrong(at, "a text cannot hold the character NUL")
        elif kind == "quoted":
            value = value[1:-1].replace("``", "`")
        elif kind == "name" and value.lower() in WORDS:
            kind, value = "word", value.lower()
        elif kind == "sign":
            value = SIGNS.get(value, value)
            kind = "word" if value in WORDS else "sign"
        if kind != "space":
            found.append(Token(kind, value, at))
        at = match.end()
    return [*found, Token("end", "", len(text))]


class Parser:
    """Precedence climbing, from `or` down to a part of a value."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.place, self.depth = found, 0, 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def take(self, *values: str) -> Token | None:
        """The next token, where it is one of these words or signs."""
        token = self.next
        if token.kind in ("word", "sign") and token.value in values:
            self.place += 1
            return token
        return None

    def expect(self, value: str, why: str) -> Token:
        return self.take(value) or wrong(self.next.at, f"expected {value} {why}")

    def whole(self) -> Node:
        node = self.either()
        if self.next.kind != "end":
            wrong(
                self.next.at,
                f'expected "and", "or" or the end, not {self.spoken()}',
            )
        return node

    def spoken(self) -> str:
        token = self.next
        if token.kind == "end":
            return "the end"
        return f'the text "{token.value[:30]}"' if token.kind == "text" else f'"{token.value[:30]}"'

    def either(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            wrong(self.next.at, "too many parts within parts; make it simpler")
        node = self.both()
        while token := self.take("or"):
            node = self.joined("or", node, self.both(), token.at)
        self.depth -= 1
        return node

    def both(self) -> Node:
        node = self.negated()
        while token := self.take("and"):
            node = self.joined("and", node, self.negated(), token.at)
        return node

    def joined(self, sign: str, left: Node, right: Node, at: int) -> Node:
        """One operation of many parts rather than a deep one."""
        if isinstance(left, Operation) and left.sign == sign:
            return Operation(sign, (*left.given, right), left.at)
        return Operation(sign, (left, right), at)

    def negated(self) -> Node:
        turns = []
        while token := self.take("not"):
            turns.append(token.at)
        node = self.compared()
        return Operation("not", (node,), turns[0]) if len(turns) % 2 else node

    def compared(self) -> Node:
        left = self.sum()
        pairs: list[Node] = []
        while token := self.take(*COMPARISONS):
            right = self.sum()
            pairs.append(Operation(token.value, (left, right), token.at))
            left = right  # 1 < rating < 3
        if pairs:
            return pairs[0] if len(pairs) == 1 else Operation("and", tuple(pairs), pairs[0].at)
        return self.tested(left)

    def tested(self, left: Node) -> Node:
        """What may follow a value: is null, in, like, between."""
        at = self.next.at
        if self.take("is"):
            negative = self.take("not")
            if not self.take("null", "none"):
                wrong(self.next.at, f'expected "null" after "is", not {self.spoken()}')
            return self.unless(negative, Operation("is null", (left,), at))
        negative = self.take("not")
        if self.take("in"):
            return self.unless(negative, Operation("in", (left, *self.choices()), at))
        if token := self.take("like", "ilike"):
            return self.unless(negative, Operation(token.value, (left, self.sum()), at))
        if self.take("between"):
            low = self.sum()
            self.expect("and", 'between the two values of "between"')
            both = Operation(
                "and",
                (Operation(">=", (left, low), at), Operation("<=", (left, self.sum()), at)),
                at,
            )
            return self.unless(negative, both)
        if negative:
            wrong(self.next.at, f'expected "in", "like" or "between", not {self.spoken()}')
        return left

    def unless(self, negative: Token | None, node: Node) -> Node:
        return Operation("not", (node,), negative.at) if negative else node

    def choices(self) -> list[Node]:
        """What follows `in`: several values in brackets, or one that holds them."""
        opening = self.take("(", "[")
        if opening is None:
            return [self.sum()]
        closing = ")" if opening.value == "(" else "]"
        found = self.listed(closing)
        if not found:
            wrong(opening.at, "expected at least one value in the brackets")
        return [Operation("list", tuple(found), opening.at)]

    def listed(self, closing: str) -> list[Node]:
        found: list[Node] = []
        while not self.take(closing):
            if found:
                self.expect(",", f"or {closing} here")
                if self.take(closing):
                    break
            found.append(self.either())
        return found

    def sum(self) -> Node:
        node = self.product()
        while token := self.take("+", "-"):
            node = Operation(token.value, (node, self.product()), token.at)
        return node

    def product(self) -> Node:
        node = self.signed()
        while token := self.take("*", "/", "//", "%"):
            node = Operation(token.value, (node, self.signed()), token.at)
        return node

    def signed(self) -> Node:
        turns = []
        while token := self.take("-", "+"):
            turns.append(token)
        node = self.parts()
        if sum(token.value == "-" for token in turns) % 2 == 0:
            return node
        if isinstance(node, Value) and type(node.value) in (int, float):
            return Value(-node.value, turns[0].at)  # type: ignore[operator]
        return Operation("negative", (node,), turns[0].at)

    def parts(self) -> Node:
        node = self.single()
        while token := self.take(".", "["):
            if token.value == ".":
                key = self.next
                if key.kind not in ("name", "quoted", "word"):
                    wrong(key.at, f"expected a name after the dot, not {self.spoken()}")
                self.place += 1
                if key.kind == "name" and self.take("("):  # text.lower()
                    node = Call(key.value, (node, *self.listed(")")), key.at)
                else:
                    node = Part(node, key.value, key.at)
                continue
            negative, key = self.take("-"), self.next
            if key.kind == "number" and key.value.isdecimal() and len(key.value) < 10:
                place: str | int = -int(key.value) if negative else int(key.value)
            elif key.kind == "text" and not negative:
                place = key.value
            else:
                wrong(key.at, f"expected a number or a text in the brackets, not {self.spoken()}")
            self.place += 1
            self.expect("]", "after it")
            node = Part(node, place, token.at)
        return node

    def single(self) -> Node:
        token = self.next
        if self.take("("):
            node = self.either()
            self.expect(")", f"to close the bracket at character {token.at + 1}")
            return node
        if token.kind == "word" and token.value in ("null", "none", "true", "false"):
            self.place += 1
            value = None if token.value in ("null", "none") else token.value == "true"
            return Value(value, token.at)
        if token.kind not in ("number", "text", "name", "quoted"):
            wrong(token.at, f"expected a column, a number or a text, not {self.spoken()}")
        self.place += 1
        if token.kind == "number":
            return Value(number(token), token.at)
        if token.kind == "text":
            return Value(token.value, token.at)
        if token.kind == "name" and self.take("("):
            return Call(token.value, tuple(self.listed(")")), token.at)
        return Name(token.value, token.at, token.kind == "quoted")


def number(token: Token) -> int | float:
    digits = token.value.replace("_", "")
    if digits.isdecimal() and len(digits) < 19:
        return int(digits)
    value = float(digits)
    if value == float("inf"):
        wrong(token.at, "this number is too large")
    return value
