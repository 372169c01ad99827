"""Candidates of a random search: a wording and a set of few-shot examples.

Knows wordings, rows to take examples from and chance; knows nothing of figures but which candidate
is the best so far.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from workbench.prompting.shots import Shots
from workbench.searching.objective import key_of
from workbench.searching.wordings import Wording
from workbench.session import ExampleSettings, Prompt

Draw = Callable[[Prompt], Shots]  # the examples of a prompt, from the rows set apart for them
# Shares of `most_examples` that are drawn, the larger the more often: they cost more and help more.
SHARES = (1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.0)
NEAREST = 0.08  # how often the nearest are taken
MOST_NEAREST = 8  # they are other rows for every row, which nothing shares
BALANCED = 0.75  # how often the drawn ones are balanced
CHILDREN = 0.6  # how often a later candidate is made of the best so far
TRIES = 50  # draws until one gives up to find something new


@dataclass(frozen=True)
class Candidate:
    prompt: Prompt
    what: str
    parent: int = 0


class Deck:
    """Draws candidates by a seed, each once. The first go through all wordings with the most
    examples; of the later half most change one thing of the best so far."""

    def __init__(
        self, words: Sequence[Wording], draw: Draw, most_examples: int, seed: int, total: int
    ) -> None:
        self.words, self.draw, self.most, self.total = list(words), draw, most_examples, total
        self.dice = random.Random(seed)
        self.known: set[bytes] = set()
        self.dealt = 0
        rest = self.words[1:]
        self.dice.shuffle(rest)
        self.bag = [self.words[0], *rest]

    def deal(self, best: Prompt, parent: int, improved: bool) -> Candidate | None:
        """The next candidate; None where nothing new is found. `parent` is the number of the best
        so far; children are made of it once it `improved` on the start."""
        for _ in range(TRIES):
            late = 2 * self.dealt >= self.total
            if improved and late and self.dice.random() < CHILDREN:
                made = self.child(best, parent)
            else:
                made = self.fresh()
            if made is not None and self.is_new(made.prompt):
                self.dealt += 1
                return made
        return None

    def is_new(self, prompt: Prompt) -> bool:
        key = key_of(prompt)
        if key in self.known:
            return False
        self.known.add(key)
        return True

    def fresh(self) -> Candidate | None:
        share = 1.0 if self.dealt == 0 else self.dice.choice(SHARES)
        word = self.bag.pop(0) if self.bag else self.dice.choice(self.words)
        if word.typed:  # it would stand in each example anew
            share = 0.0
        return self.dressed(word.prompt, word.what, round(share * self.most))

    def dressed(self, prompt: Prompt, what: str, count: int, parent: int = 0) -> Candidate | None:
        """A wording with examples."""
        examples, said = self.examples(prompt, count)
        if examples is None:
            return None
        return Candidate(replace(prompt, examples=examples), f"{what}; {said}", parent)

    def examples(self, prompt: Prompt, count: int) -> tuple[ExampleSettings | None, str]:
        """Settings for so many examples, and what they are in words. They name the rows, so that
        the prompt is the same whatever pool it is used with; nearest ones are named by the way."""
        if not count:
            return ExampleSettings(), "no examples"
        seed = self.dice.randrange(1_000_000)
        if self.dice.random() < NEAREST:
            number = min(count, MOST_NEAREST)
            near = ExampleSettings(
                choose="nearest", count=number, embedder=prompt.examples.embedder
            )
            return near, f"the {number} nearest rows"
        how: Literal["balanced", "random"] = "random"
        if self.dice.random() < BALANCED:
            how = "balanced"
        drawn = ExampleSettings(choose=how, count=count, seed=seed)
        shots = self.draw(replace(prompt, examples=drawn))
        keys = [shots.key(shot.number, shot.values) for shot in shots.chosen[0]]
        if not keys:
            return None, ""
        words = f"{len(keys)} examples, {how}, seed {seed}"
        return picked(keys, prompt.examples.embedder), words

    def child(self, best: Prompt, parent: int) -> Candidate | None:
        """One thing of the best so far changed: its wording, or its examples."""
        if self.dice.random() < 0.4:
            word = self.dice.choice([one for one in self.words if not one.typed])
            prompt = replace(word.prompt, examples=best.examples)
            return Candidate(prompt, f"{word.what}; the examples of {parent}", parent)
        rows = list(best.examples.rows)
        if best.examples.choose == "picked" and len(rows) > 3 and self.dice.random() < 0.7:
            return self.exchanged(best, rows, parent)
        share = self.dice.choice([one for one in SHARES if one])
        return self.dressed(best, f"the wording of {parent}", round(share * self.most), parent)

    def exchanged(self, best: Prompt, rows: list[str], parent: int) -> Candidate | None:
        """The best's examples in another order, half of them exchanged for others or not."""
        if self.dice.random() < 0.4:
            self.dice.shuffle(rows)
            return Candidate(
                replace(best, examples=picked(rows, best.examples.embedder)),
                f"the examples of {parent} in another order",
                parent,
            )
        others, _ = self.examples(best, len(rows))
        if others is None or others.choose != "picked":
            return None
        kept = self.dice.sample(rows, len(rows) // 2)
        fresh = [row for row in others.rows if row not in kept][: len(rows) - len(kept)]
        mixed = [*kept, *fresh]
        self.dice.shuffle(mixed)
        return Candidate(
            replace(best, examples=picked(mixed, best.examples.embedder)),
            f"half of the examples of {parent} exchanged",
            parent,
        )


def picked(rows: list[str], embedder: str) -> ExampleSettings:
    return ExampleSettings(choose="picked", count=len(rows), rows=rows, embedder=embedder)
