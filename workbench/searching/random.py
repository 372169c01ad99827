"""The search that needs no second model: wordings and few-shot examples are drawn, and raced.

Knows candidates and figures; knows nothing of who answers or how answers are measured.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from workbench.data.engine import Stopped
from workbench.data.prompting import PromptError
from workbench.inference.errors import ModelError
from workbench.prompting.shots import Report, Shots
from workbench.protocol import CandidateTried, FormatFound
from workbench.searching.candidates import Candidate, Deck
from workbench.searching.development import Development
from workbench.searching.objective import (
    Found,
    Ledger,
    Objective,
    OnCandidate,
    interval,
    mean,
    verdict,
)
from workbench.searching.race import FIRST, race
from workbench.searching.wordings import wordings
from workbench.session import OptimizeSettings, Prompt


def search(
    start: Prompt,
    *,
    others: Sequence[Prompt],
    labels: Sequence[str],
    found: FormatFound,
    development: Development,
    objective: Objective,
    settings: OptimizeSettings,
    folder: Path,
    on_candidate: OnCandidate,
    report: Report,
    stopped: threading.Event,
) -> Found:
    """The best of `settings.candidates` prompts (the start not counted) on the development rows.

    `others` are the session's other variants; `labels` the answers to choose among. The start is
    measured on all rows first; each candidate is told after each look, with the same `index`, and
    is `best` only once it did better on all rows. Stopped it keeps the best so far.

    Raises:
        PromptError, ModelError: where the start itself cannot be measured.
        SourceError: where a row cannot be read.
    """

    def draw(prompt: Prompt) -> Shots:
        return Shots(prompt, found, development.pool, folder, report, stopped)

    answers = list(labels) or development.labels
    words = wordings(start, others, settings.instructions, answers)
    most, total = settings.most_examples, settings.candidates
    deck = Deck(words, draw, answers, most, settings.seed, total)
    return Search(start, deck, development.order, objective, settings, on_candidate).run(stopped)


class Search:
    """A search under way."""

    def __init__(  # noqa: PLR0917
        self,
        start: Prompt,
        deck: Deck,
        order: Sequence[int],
        objective: Objective,
        settings: OptimizeSettings,
        on_candidate: OnCandidate,
    ) -> None:
        self.start, self.deck, self.order = start, deck, list(order)
        self.ledger = Ledger(objective)
        self.settings, self.on_candidate = settings, on_candidate
        self.best, self.best_index = start, 0
        self.first: list[float] = []  # of the start, in the order of the rows
        self.values: list[float] = []  # of the best
        self.tried: list[CandidateTried] = []

    def run(self, stopped: threading.Event) -> Found:
        problem = ""
        try:
            outcomes = self.ledger.outcomes(self.start, self.order)
            self.first = self.values = [one.value for one in outcomes]
            self.deck.learn(0, self.start, outcomes, mean(self.first))
            for index in range(1, self.settings.candidates + 1):
                if stopped.is_set():
                    raise Stopped
                improved = self.best is not self.start
                candidate = self.deck.deal(self.best, self.best_index, improved)
                if candidate is None:
                    break
                self.attempt(index, candidate)
        except Stopped:
            pass
        except ModelError as error:
            if not self.first:
                raise
            problem = str(error)
        return self.found(problem, stopped.is_set())

    def attempt(self, index: int, candidate: Candidate) -> None:
        """Race a candidate; it is the best from now on where it wins.

        Raises:
            ModelError, Stopped: as the objective.
        """
        prompt = replace(candidate.prompt, name=f"{self.start.name} {index}")
        latest: list[CandidateTried] = []

        def seen(values: list[float], best: bool = False, why: str = "") -> None:
            latest[:] = [self.told(index, prompt, candidate, values, best, why)]
            self.on_candidate(latest[0])

        # Each race begins at other rows: else one that had luck on the first would drop them all.
        shift = FIRST * (index - 1) % len(self.order)
        places = [*range(shift, len(self.order)), *range(shift)]
        order = [self.order[place] for place in places]
        try:
            heat = race(self.ledger, prompt, [self.values[n] for n in places], order, seen)
        except PromptError as error:  # longer than the context, refused by the chat template …
            seen([], why=str(error))
        else:
            if not heat.dropped:
                self.best, self.best_index = prompt, index
                self.values = self.ledger.values(prompt, self.order)  # all of them are known
                seen(heat.values, best=True)
            asked = order[: len(heat.values)]
            outcomes = self.ledger.outcomes(prompt, asked)
            self.deck.learn(index, prompt, outcomes, mean(heat.values))
        self.tried += latest

    def told(  # noqa: PLR0917
        self,
        index: int,
        prompt: Prompt,
        candidate: Candidate,
        values: list[float],
        best: bool,
        why: str,
    ) -> CandidateTried:
        low, high = interval(values)
        return CandidateTried(
            index=index,
            total=self.settings.candidates,
            prompt=prompt,
            what=f"{candidate.what}: {why}" if why else candidate.what,
            value=mean(values),
            low=low,
            high=high,
            rows=len(values),
            best=best,
            best_value=mean(self.values),
            spent=self.ledger.spent,
            budget=len(self.order) * (self.settings.candidates + 1),
            parent=candidate.parent,
        )

    def found(self, problem: str, stopped: bool) -> Found:
        return Found(
            prompt=self.best,
            start=self.start,
            value=mean(self.values),
            start_value=mean(self.first),
            rows=len(self.first),
            tried=self.tried,
            spent=self.ledger.spent,
            words=verdict(self.first, self.values, len(self.tried)),
            problem=problem,
            stopped=stopped,
        )
