"""GEPA: a model reads what went wrong and words the instruction anew (Agrawal et al., "GEPA:
Reflective Prompt Evolution Can Outperform Reinforcement Learning", 2025), by the library `gepa`.

Knows prompts, figures and a reflector that is a function from text to text; knows nothing of which
model that is. What the library prints goes to the log.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from workbench.data import prompting
from workbench.data.engine import Stopped
from workbench.data.prompting import PromptError
from workbench.inference.errors import ModelError
from workbench.prompting.rules.reading import parsed, variables
from workbench.protocol import CandidateTried
from workbench.searching.development import Development
from workbench.searching.objective import (
    Found,
    Ledger,
    Objective,
    OnCandidate,
    Outcome,
    interval,
    key_of,
    mean,
    verdict,
)
from workbench.session import OptimizeSettings, Prompt

LOG = logging.getLogger(__name__)
REFLECTED_ON = 6  # rows that a reflection reads
FEEDBACK = 0.3  # share of the development rows that reflections read; the others choose the best
FAILURES = 3  # reflections in a row without a text, after which one gives up
LONGEST = 8_000  # characters of a component
NONE_YET = "(none yet)"
REFLECTION = {
    "system": """A language model is told this before every question:
```
<curr_param>
```

Here are questions, the model's answers, and what was wrong with them:
<side_info>

Write a better text to tell the model before every question: what its task is, what the right
answers look like, and what to watch out for. Keep it short and general; do not copy the questions.
Write nothing but the new text, between ``` and ```.""",
    "template": """A language model is asked by this template, in which {{ … }} is filled anew for
every question:
```
<curr_param>
```

Here are questions made by it, the model's answers, and what was wrong with them:
<side_info>

Write a better template. Keep everything between {{ and }} exactly as it is, say what the right
answers look like, and keep it short and general; do not copy the questions.
Write nothing but the new template, between ``` and ```.""",
}
Reflector = Callable[[str], str]


class Log:
    """Where the library's words go."""

    def log(self, message: str) -> None:
        LOG.debug("%s", message)


def search(
    start: Prompt,
    *,
    development: Development,
    objective: Objective,
    reflect: Reflector,
    settings: OptimizeSettings,
    on_candidate: OnCandidate,
    stopped: threading.Event,
    highest: float | None = 1.0,
) -> Found:
    """The best system text and template that the reflector comes to, within
    `settings.max_metric_calls` answers; typed turns, examples and completion stay.

    A share of the development rows is read in reflections, the others choose the best: the figures
    are of those. `highest` is the metric's best value on a row (None: there is none): rows that
    are all right need no reflection. A candidate that loses a column or cannot be filled scores 0
    (or what is lowest so far) without a question, and the reflector is told why. Stopped it keeps
    the best so far; so it does where the reflector fails FAILURES times in a row.

    Raises:
        PromptError, ModelError: where the start itself cannot be measured.
    """
    work = Work(start, development, Ledger(objective), settings, on_candidate, stopped)
    return work.run(reflect, highest)


@dataclass
class Work:
    """A search under way: the library's adapter, and who listens to it."""

    start: Prompt
    development: Development
    ledger: Ledger
    settings: OptimizeSettings
    on_candidate: OnCandidate
    stopped: threading.Event
    best: Prompt | None = None
    values: list[float] = field(default_factory=list)  # of the best, on the rows that choose
    first: list[float] = field(default_factory=list)  # of the start
    tried: list[CandidateTried] = field(default_factory=list)
    numbers: dict[bytes, int] = field(default_factory=dict)  # of candidates; 0: the start
    counted: dict[int, int] = field(default_factory=dict)  # the library's numbers → ours
    calls: int = 0  # answers that the library counts; what was asked before is among them
    failures: int = 0
    problem: str = ""
    propose_new_texts: None = None  # the library's own proposer is used

    @property
    def sides(self) -> tuple[list[int], list[int]]:
        """Positions that reflections read, and those that choose."""
        order = self.development.order
        count = max(1, round(FEEDBACK * len(order)))
        step = len(order) / count
        read = [order[int(place * step)] for place in range(count)]
        return read, [one for one in order if one not in set(read)]

    def run(self, reflect: Reflector, highest: float | None) -> Found:
        from gepa.api import optimize

        read, choosing = self.sides
        self.first = self.values = self.ledger.values(self.start, choosing)
        self.best = self.start
        self.numbers[key_of(self.start)] = 0

        def reflected(text: Any) -> str:
            return self.reflected(reflect, str(text))

        try:
            library: Any = optimize  # its types would have an adapter inherit from its own
            library(
                seed_candidate=self.components(),
                trainset=read,
                valset=choosing,
                adapter=self,
                reflection_lm=reflected,
                reflection_prompt_template={
                    name: text for name, text in REFLECTION.items() if name in self.components()
                },
                reflection_minibatch_size=min(REFLECTED_ON, len(read)),
                skip_perfect_score=highest is not None,
                perfect_score=1.0 if highest is None else highest,
                max_metric_calls=self.settings.max_metric_calls,
                stop_callbacks=[lambda _state: self.stopped.is_set() or bool(self.problem)],
                callbacks=[self],
                logger=Log(),
                display_progress_bar=False,
                track_best_outputs=False,
                seed=self.settings.seed,
            )
        except Stopped:
            pass
        except ModelError as error:
            self.problem = str(error)
        return self.found()

    def components(self) -> dict[str, str]:
        return {"system": self.start.system or NONE_YET, "template": self.start.template}

    def prompt_of(self, candidate: Mapping[str, str]) -> Prompt:
        system = candidate["system"].strip()
        system = "" if system == NONE_YET else system
        return replace(self.start, system=system, template=candidate["template"])

    # --- what the library asks ------------------------------------------------------------------

    def evaluate(
        self, batch: list[int], candidate: dict[str, str], capture_traces: bool = False
    ) -> Any:
        """Outcomes of a candidate on rows, as the library wants them."""
        from gepa.core.adapter import EvaluationBatch

        if self.stopped.is_set():
            raise Stopped
        prompt = self.prompt_of(candidate)
        problem = flaw(prompt, self.start)
        outcomes: Sequence[Outcome] = []
        if not problem:
            try:
                outcomes = self.ledger.outcomes(prompt, batch)
            except PromptError as error:  # longer than the context, refused by the chat template
                problem = str(error)
        if problem:
            outcomes = [Outcome(self.ledger.lowest, problem=problem) for _ in batch]
        self.calls += len(batch)
        return EvaluationBatch(
            outputs=[one.answer for one in outcomes],
            scores=[one.value for one in outcomes],
            trajectories=list(outcomes) if capture_traces else None,
        )

    def make_reflective_dataset(
        self, _candidate: dict[str, str], batch: Any, components: list[str]
    ) -> dict[str, list[dict[str, str]]]:
        """What the reflector reads of a batch: the question, the answer, and what is wrong."""
        records = [
            {
                "Question": one.question,
                "Answer": one.answer or "(nothing)",
                "Feedback": feedback(one),
            }
            for one in batch.trajectories
        ]
        return dict.fromkeys(components, records)

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """The library's news: a candidate was measured on the rows that choose."""
        scores = event["scores_by_val_id"]
        values = [scores[one] for one in sorted(scores)]
        prompt = self.prompt_of(event["candidate"])
        key = key_of(prompt)
        known = key in self.numbers
        index = self.counted[event["candidate_idx"]] = self.numbers.setdefault(
            key, len(self.numbers)
        )
        if known:
            return
        prompt = replace(prompt, name=f"{self.start.name} {index}")
        best = mean(values) > mean(self.values)
        if best:
            self.best, self.values = prompt, values
        low, high = interval(values)
        told = CandidateTried(
            index=index,
            total=0,
            prompt=prompt,
            what="worded anew after its mistakes",
            value=mean(values),
            low=low,
            high=high,
            rows=len(values),
            best=best,
            best_value=mean(self.values),
            spent=self.calls,
            budget=self.settings.max_metric_calls,
            parent=self.parent_of(event),
        )
        self.tried.append(told)
        self.on_candidate(told)

    def parent_of(self, event: Mapping[str, Any]) -> int:
        """The number of what a candidate was made from. The library counts its own: it may come to
        the same text twice."""
        parents = [one for one in event.get("parent_ids", ()) if one is not None]
        return self.counted[parents[0]] if parents else 0

    def reflected(self, reflect: Reflector, text: str) -> str:
        """What the reflector says. It is given up where it fails again and again."""
        if self.stopped.is_set():
            raise Stopped
        try:
            said = reflect(text)
        except Stopped:
            raise
        except Exception as error:
            self.failures += 1
            LOG.debug("reflection failed", exc_info=True)
            if self.failures >= FAILURES:
                self.problem = f"The reflector failed {FAILURES} times in a row: {error}"
            raise
        self.failures = 0
        return said

    def found(self) -> Found:
        assert self.best is not None
        return Found(
            prompt=self.best,
            start=self.start,
            value=mean(self.values),
            start_value=mean(self.first),
            rows=len(self.first),
            tried=self.tried,
            spent=self.ledger.spent,
            words=verdict(self.first, self.values, len(self.tried)),
            problem=self.problem,
            stopped=self.stopped.is_set(),
        )


def flaw(prompt: Prompt, start: Prompt) -> str:
    """Why a candidate cannot be asked; empty where it can."""
    if len(prompt.system) + len(prompt.template) > LONGEST:
        return f"The text is longer than {LONGEST:,} characters; write a shorter one."
    try:
        prompting.compiled(prompt.template)
    except Exception as error:  # a syntax error, or one nested too deeply
        return f"The template cannot be read ({error}); write variables as {{{{ name }}}}."
    if parsed(prompt.template) is None:
        return "The template cannot be read; write variables as {{ name }}."
    needed, there = variables(start.template), variables(prompt.template)
    if lost := sorted(needed - there):
        return f"The template lacks {', '.join(f'{{{{ {one} }}}}' for one in lost)}; keep it."
    if more := sorted(there - needed):
        return (
            f"There is no {', '.join(f'{{{{ {one} }}}}' for one in more)} to fill in; take it out."
        )
    return ""


def feedback(outcome: Outcome) -> str:
    if outcome.problem:
        return outcome.problem
    if outcome.expected and outcome.answer.strip() == outcome.expected:
        return "This is right."
    right = f" The right answer is: {outcome.expected}" if outcome.expected else ""
    return f"It scored {outcome.value:.3g}.{right}"
