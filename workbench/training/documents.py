"""Texts made ready to learn from: documents as token ids, long ones in consecutive pieces.

Rows of a text file are one document as far as they follow each other; of everything else a row is a
document. Knows rows and tokenizers; knows nothing of models or of the training loop.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.data.books import Running
from workbench.data.examples import Encoder, pieces
from workbench.data.prompting import ADVICE, PromptError
from workbench.data.roles import as_roles
from workbench.data.selection import Selection
from workbench.training.errors import TrainingError
from workbench.training.examples import EVERY, Examples, read

AT_ONCE = 1 << 20  # characters that are given to the tokenizer together


@dataclass
class Pieces(Examples):
    """Pieces of documents, with a loss on all tokens of each but the first.

    `bytes` are those of the text of each piece that its loss is about.
    """

    documents: int = 0
    bytes: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int], size: int) -> None:
        self.input_ids.append(array("i", ids))
        self.trained.append(array("i", (1, len(ids))))
        self.bytes.append(size)
        self.tokens += len(ids)

    def split_off(self, count: int) -> "Pieces":
        """The last `count` pieces, taken away from these."""
        last = Pieces()
        for ids, size in zip(self.input_ids[-count:], self.bytes[-count:], strict=True):
            last.add(ids, size)
        for some in (self.input_ids, self.trained, self.bytes):
            del some[-count:]
        self.tokens -= last.tokens
        return last


@dataclass(frozen=True)
class Stretch:
    """Text that runs on, or as much of it as is encoded together: `begins` and `ends` say whether
    it begins and ends with this, `closed` that the document ends there, too, and is not only
    interrupted by rows that are not used. Of what is no text, `ids` are the tokens."""

    text: str
    begins: bool = True
    ends: bool = True
    closed: bool = True
    ids: Sequence[int] = ()


def stretch_of_rows(total: int, wanted: int, seed: int) -> Sequence[int]:
    """`wanted` rows of a running text of `total`, one after the other, from a place drawn by the
    seed; all of them where `wanted` is 0."""
    if not wanted or wanted >= total:
        return range(total)
    import torch

    generator = torch.Generator().manual_seed(seed)
    start = int(torch.randint(total - wanted + 1, (1,), generator=generator))
    return range(start, start + wanted)


def prepare_documents(
    rows: Selection,
    indices: Sequence[int],
    encoder: Encoder,
    running: Running | None,
    *,
    pause: Callable[[int], None],
) -> Pieces:
    """Encode those rows as documents, in pieces of at most `encoder.training.max_length` tokens.

    `pause(done)` is called now and then; what it raises ends the work.

    Raises:
        TrainingError: naming the row that the wording cannot be filled from.
    """
    found = Pieces()
    made = Tokens(encoder.tokenizer)
    ids: list[int] = []  # what is left of the document under way
    edges: list[int] = []  # of each of these, where its text ends, in bytes from its beginning
    longest = encoder.training.max_length

    def cut(last: bool) -> None:
        """Take pieces off; but for the last, as long as more can come."""
        nonlocal ids, edges
        whole = len(ids) if last else max(0, len(ids) - 2) // longest * longest
        for start, stop in pieces(whole, longest) if last else consecutive(whole, longest):
            if stop - start > 1:
                found.add(ids[start:stop], edges[stop - 1] - edges[start])
            else:
                found.left_out += 1
        ids, edges = ids[whole:], edges[whole:]

    for stretch in stretches_of(rows, indices, encoder, running, pause):
        fresh, ends = made.of(stretch)
        before = edges[-1] if edges else 0
        ids += fresh
        edges += [before + one for one in ends]
        found.documents += stretch.ends and bool(ids)
        found.left_out += stretch.ends and not ids
        cut(last=stretch.ends)
    return found


def consecutive(length: int, size: int) -> Iterator[tuple[int, int]]:
    yield from ((start, start + size) for start in range(0, length, size))


def stretches_of(
    rows: Selection,
    indices: Sequence[int],
    encoder: Encoder,
    running: Running | None,
    pause: Callable[[int], None],
) -> Iterator[Stretch]:
    """The documents of those rows, one after the other.

    Where a row of a running text is missing, the text is interrupted: no end token comes there.
    """
    texts = encoder.found.format == "text"
    if not (texts and running):
        order = list(indices)
        place = {index: n for n, index in enumerate(order)}
        waiting: dict[int, list[Stretch]] = {}
        next_one = 0
        for done, (index, number, values) in enumerate(read(rows, indices)):
            if done % EVERY == 0:
                pause(done)
            waiting[place[index]] = list(of_row(encoder, number, values))
            while next_one in waiting:
                yield from waiting.pop(next_one)
                next_one += 1
        return
    yield from running_text(rows, indices, encoder, running, pause)


def running_text(
    rows: Selection,
    indices: Sequence[int],
    encoder: Encoder,
    running: Running,
    pause: Callable[[int], None],
) -> Iterator[Stretch]:
    held: list[str] = []
    size, before, begins = 0, -2, True
    for done, (_, number, values) in enumerate(read(rows, indices)):
        if done % EVERY == 0:
            pause(done)
        text = text_of(encoder, number, values)
        own = number in running.starts
        if before >= 0 and (number != before + 1 or own):
            closed = before + 1 in running.starts
            yield Stretch("".join(held), begins, ends=True, closed=closed)
            held, size, begins = [], 0, True
        elif size > AT_ONCE:
            yield Stretch("".join(held), begins, ends=False)
            held, size, begins = [], 0, False
        if held or not begins:
            held.append(running.joiner)
        held.append(text)
        size += len(text)
        before = number
    if before >= 0:
        closed = before + 1 in (*running.starts, rows.table.count)
        yield Stretch("".join(held), begins, ends=True, closed=closed)


def text_of(encoder: Encoder, number: int, values: dict[str, Any]) -> str:
    try:
        return str(as_roles(encoder.found, values)["text"])
    except PromptError as error:
        raise TrainingError(f"Row {number + 1} of the dataset: {error} {ADVICE}") from error


def of_row(encoder: Encoder, number: int, values: dict[str, Any]) -> Iterator[Stretch]:
    """The documents of a row: its text, or what its format and the wording make of it."""
    if encoder.found.format == "text":
        yield Stretch(text_of(encoder, number, values))
        return
    try:
        made = [encoder.whole(one) for one in encoder.said(values) if one.name != "rejected"]
    except PromptError as error:
        raise TrainingError(f"Row {number + 1} of the dataset: {error} {ADVICE}") from error
    for one in made:
        text = encoder.tokenizer.decode(one.input_ids, skip_special_tokens=True)
        yield Stretch(text, ids=one.input_ids)


class Tokens:
    """Encodes stretches: a document begins as the tokenizer begins a text, and ends with its end
    token."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        whole = list(tokenizer("x", add_special_tokens=True)["input_ids"])
        plain = list(tokenizer("x", add_special_tokens=False)["input_ids"])
        place = next(
            (n for n in range(len(whole)) if whole[n : n + len(plain)] == plain), len(whole)
        )
        self.before = whole[:place] if place < len(whole) else []
        end = tokenizer.eos_token_id
        self.end = [] if end is None else [int(end)]

    def of(self, stretch: Stretch) -> tuple[list[int], list[int]]:
        """Token ids, and of each where its text ends, in bytes from the stretch's beginning."""
        size = len(stretch.text.encode("utf-8", "replace"))
        if stretch.ids:  # nobody knows which token has which bytes: evenly
            count = len(stretch.ids)
            return list(stretch.ids), [size * (n + 1) // count for n in range(count)]
        if not stretch.text.strip():
            return [], []
        made = self.tokenizer(stretch.text, add_special_tokens=False, return_offsets_mapping=True)
        ids = list(made["input_ids"])
        ends = in_bytes(stretch.text, [stop for _, stop in made["offset_mapping"]])
        if stretch.begins:
            ids, ends = [*self.before, *ids], [*[0] * len(self.before), *ends]
        if stretch.ends and stretch.closed and ids[-1:] != self.end:
            ids, ends = [*ids, *self.end], [*ends, *[size] * len(self.end)]
        return ids, ends


def in_bytes(text: str, ends: Sequence[int]) -> list[int]:
    """Places in a text, in characters, as places in its UTF-8."""
    if text.isascii():
        return list(ends)
    found, at, size = [], 0, 0
    for end in ends:
        size += len(text[at:end].encode("utf-8", "replace"))
        at = max(at, end)
        found.append(size)
    return found
