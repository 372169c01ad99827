"""Candidates of a random search: a wording and a set of few-shot examples.

Knows wordings, rows to take examples from and chance; knows nothing of figures but which candidate
is the best so far.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from workbench.prompting.shots import Shots
from workbench.searching.leaning import Leaning, against, leaning, shares
from workbench.searching.objective import Outcome, key_of
from workbench.searching.wordings import Wording
from workbench.session import ExampleSettings, Prompt

Draw = Callable[[Prompt], Shots]  # the examples of a prompt, from the rows set apart for them
# Shares of `most_examples` that are drawn, the larger the more often: they cost more and help more.
SHARES = (1.0, 1.0, 0.5, 0.5, 0.25)
PLAIN = 0.4  # how often a fresh candidate has no examples
NEAREST = 0.06  # how often the nearest are taken
MOST_NEAREST = 4  # they are other rows for every row, which nothing shares
BALANCED = 0.5  # how often drawn ones are balanced
UNEVEN = 0.3  # how often their answers are in other shares than in the rows
CHILDREN = 0.6  # how often a later candidate is made of the best so far
REPAIRS = 0.5  # how often one is made of a candidate that leans to an answer
MOST_REPAIRS = 4  # of one candidate
LOOKED_AT = 400  # rows among which ones of an answer are looked for
TRIES = 50  # draws until one gives up to find something new


@dataclass(frozen=True)
class Candidate:
    prompt: Prompt
    what: str
    parent: int = 0


@dataclass
class Leaned:
    """A candidate whose answers lean to one side, and how well it did all the same."""

    prompt: Prompt
    index: int
    leans: Leaning
    value: float
    repaired: int = 0


@dataclass
class Deck:
    """Draws candidates by a seed, each once. The first go through all wordings; of the later half
    most change one thing of the best so far. Between them, examples of candidates that lean to an
    answer are drawn against it."""

    words: Sequence[Wording]
    draw: Draw
    labels: Sequence[str]
    most: int  # examples
    seed: int
    total: int  # candidates
    known: set[bytes] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)  # of rows by their keys
    leaned: list[Leaned] = field(default_factory=list)
    dealt: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.bag = [one for one in self.words[1:] if not one.made]  # what people worded comes first
        made = [one for one in self.words[1:] if one.made]
        self.dice.shuffle(made)
        self.bag += made
        self.is_new(self.words[0].prompt)  # the start is measured anyway

    def deal(self, best: Prompt, parent: int, improved: bool) -> Candidate | None:
        """The next candidate; None where nothing new is found. `parent` is the number of the best
        so far; children are made of it once it `improved` on the start."""
        for _ in range(TRIES):
            made = self.one(best, parent, improved)
            if made is not None and self.is_new(made.prompt):
                self.dealt += 1
                return made
        return None

    def one(self, best: Prompt, parent: int, improved: bool) -> Candidate | None:
        late = 2 * self.dealt >= self.total
        if improved and late and self.dice.random() < CHILDREN:
            return self.child(best, parent)
        if self.dealt > 2 and self.dice.random() < REPAIRS and (made := self.repair()):
            return made
        return self.fresh()

    def is_new(self, prompt: Prompt) -> bool:
        key = key_of(prompt)
        if key in self.known:
            return False
        self.known.add(key)
        return True

    def learn(self, index: int, prompt: Prompt, outcomes: Sequence[Outcome], value: float) -> None:
        """What came of a candidate."""
        leans = leaning(outcomes, self.labels)
        if leans is not None and prompt.examples.choose != "nearest" and self.most:
            self.leaned.append(Leaned(prompt, index, leans, value))

    # --- candidates -----------------------------------------------------------------------------

    def fresh(self) -> Candidate | None:
        word = self.bag.pop(0) if self.bag else self.dice.choice(self.words)
        # Examples that are typed into the template would stand in each example anew.
        bare = word.typed or self.dice.random() < PLAIN
        count = 0 if bare else self.count()
        return self.dressed(word.prompt, word.what, count)

    def count(self) -> int:
        return max(min(self.most, 2), round(self.dice.choice(SHARES) * self.most))

    def dressed(self, prompt: Prompt, what: str, count: int, parent: int = 0) -> Candidate | None:
        """A wording with examples."""
        examples, said = self.examples(prompt, count)
        if examples is None:
            return None
        return Candidate(replace(prompt, examples=examples), f"{what}; {said}", parent)

    def child(self, best: Prompt, parent: int) -> Candidate | None:
        """One thing of the best so far changed: its wording, or its examples."""
        if self.dice.random() < 0.4:
            word = self.dice.choice(self.words)
            if word.typed:
                return None
            prompt = replace(word.prompt, examples=best.examples)
            return Candidate(prompt, f"{word.what}; the examples of {parent}", parent)
        rows = list(best.examples.rows)
        if len(rows) > 3 and self.dice.random() < 0.7:
            return self.exchanged(best, rows, parent)
        return self.dressed(best, f"the wording of {parent}", self.count(), parent)

    def exchanged(self, best: Prompt, rows: list[str], parent: int) -> Candidate | None:
        """The best's examples in another order, half of them exchanged for others or not."""
        what = f"the examples of {parent} in another order"
        if self.dice.random() < 0.6:
            fresh = [key for key in self.balanced(best, len(rows)) if key not in rows]
            kept = self.dice.sample(rows, len(rows) - min(len(rows) // 2, len(fresh)))
            rows = [*kept, *fresh[: len(rows) - len(kept)]]
            what = f"half of the examples of {parent} exchanged"
        self.dice.shuffle(rows)
        return Candidate(replace(best, examples=self.picked(best, rows)), what, parent)

    def repair(self) -> Candidate | None:
        """The best of those that lean, its examples drawn against that."""
        open_ = [one for one in self.leaned if one.repaired < MOST_REPAIRS]
        if not open_:
            return None
        chosen = max(open_, key=lambda one: one.value - 0.02 * one.repaired)
        chosen.repaired += 1
        prompt, leans, rows = chosen.prompt, chosen.leans, list(chosen.prompt.examples.rows)
        if len(rows) > 1 and self.dice.random() < 0.5:
            rows = against(rows, self.answers, leans, self.dice)
            what = f"the examples of {chosen.index}, more of “{leans.under}” at the end"
        else:
            rows = self.uneven(prompt, len(rows) or self.count(), leans)
            what = f"the wording of {chosen.index}; {len(rows)} examples, more of “{leans.under}”"
        if not rows:
            return None
        return Candidate(replace(prompt, examples=self.picked(prompt, rows)), what, chosen.index)

    # --- examples -------------------------------------------------------------------------------

    def examples(self, prompt: Prompt, count: int) -> tuple[ExampleSettings | None, str]:
        """Settings for so many examples, and what they are in words. They name the rows, so that
        the prompt is the same whatever pool it is used with; nearest ones are named by the way."""
        if not count:
            return ExampleSettings(embedder=prompt.examples.embedder), "no examples"
        if self.dice.random() < NEAREST:
            number = min(count, MOST_NEAREST)
            near = ExampleSettings(
                choose="nearest", count=number, embedder=prompt.examples.embedder
            )
            return near, f"the {number} nearest rows"
        luck = self.dice.random()
        if self.labels and luck < UNEVEN:
            rows, how = self.uneven(prompt, count, None), "in uneven shares"
        elif luck < UNEVEN + BALANCED:
            rows, how = self.balanced(prompt, count), "balanced"
        else:
            rows, how = self.keys(prompt, "random", count), "at random"
        return (self.picked(prompt, rows), f"{len(rows)} examples {how}") if rows else (None, "")

    def balanced(self, prompt: Prompt, count: int) -> list[str]:
        return self.keys(prompt, "balanced", count)

    def keys(self, prompt: Prompt, how: Literal["balanced", "random"], count: int) -> list[str]:
        """Keys of rows that are drawn by a new seed."""
        seed = self.dice.randrange(1_000_000)
        settings = ExampleSettings(choose=how, count=count, seed=seed)
        shots = self.draw(replace(prompt, examples=settings))
        found = {shots.key(shot.number, shot.values): shot.answer for shot in shots.chosen[0]}
        self.answers |= found
        return list(found)

    def uneven(self, prompt: Prompt, count: int, leans: Leaning | None) -> list[str]:
        """Keys of rows whose answers are in shares that are drawn."""
        wanted = shares(self.labels, count, leans, self.dice)
        per_label = max(wanted.count(label) for label in self.labels)
        self.dice.shuffle(wanted)
        there = self.balanced(prompt, min(LOOKED_AT, per_label * len(self.labels)))
        found: list[str] = []
        for answer in wanted:
            key = next((k for k in there if self.answers[k] == answer and k not in found), None)
            found += [key] if key is not None else []
        return found

    @staticmethod
    def picked(prompt: Prompt, rows: list[str]) -> ExampleSettings:
        return ExampleSettings(
            choose="picked", count=len(rows), rows=rows, embedder=prompt.examples.embedder
        )
