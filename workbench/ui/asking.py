"""Asking the model: answers for the selected row, again with another seed, on from a token."""

from typing import TYPE_CHECKING

import msgspec

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    Failed,
    Generate,
    GenerationFinished,
    GenerationStarted,
    HostLost,
    Option,
    Progress,
    Token,
    Tokens,
)
from workbench.session import GenerationSettings
from workbench.ui.cards import Card, Cards, Part, part_name
from workbench.ui.units import duration
from workbench.ui.widgets.probabilities import shown_token

if TYPE_CHECKING:
    from workbench.ui.base import Base


ALTERNATIVES = 10  # likeliest tokens that are told with each


class Asking:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.cards = Cards(app.workspace / "answers" / f"{app.path.stem}.jsonl")
        self.open: dict[int, Card] = {}  # request → its card, while it is under way
        self.requests: dict[int, Generate] = {}  # id of a card → what was asked, to ask again

    def begin_with_history(self) -> None:
        self.cards.load()
        self.app.output_pane.show(self.cards.cards)

    def generate(self) -> None:
        browsing = self.app.browsing
        if browsing.broken:
            self.app.tell("This row could not be read: there is nothing to fill in.", "warning")
            return
        if browsing.values is None and not browsing.rowless:
            if "generate" not in browsing.when_row_comes:
                browsing.when_row_comes.append("generate")
                browsing.read_row()
            return
        session = self.app.session
        prompt = session.prompt()
        rendered = browsing.rendered
        row = session.layout.row if browsing.values is not None else -1
        request = Generate(
            model=session.model_of(prompt),
            folder=str(self.app.workspace),
            prompt=prompt,
            values=browsing.values or {},
            generation=session.generation_of(prompt),
            dataset=browsing.recognising.dataset(),
            number=row,
            session_path=str(self.app.path),
            labels=session.evaluation.labels,
            alternatives=ALTERNATIVES,
        )
        known = rendered is not None and (browsing.fresh or browsing.rowless)
        self.ask(request, row=row, expected=rendered.answer if rendered and known else "")

    def ask(self, request: Generate, row: int, expected: str, branch: str = "") -> Card:
        """Send a request, and make its card."""
        card = self.cards.add(
            prompt=request.prompt.name,
            row=row,
            expected=expected,
            run=self.app.watching.live_name,
            progress=self.waiting_words(),
            model=request.model.name,
            settings=settings_words(request.generation),
            branch=branch,
        )
        there = {id(one) for one in self.cards.cards}
        self.requests = {one: kept for one, kept in self.requests.items() if one in there}
        self.requests[id(card)] = request
        self.begin(self.app.send(request), card)
        return card

    def again(self, card: Card, next_seed: bool = False) -> str:
        """Ask the same once more, or with the seeds after those. A sentence where that is idle."""
        request = self.requests.get(id(card))
        if request is None:
            return "What was asked for this answer is not known any more; F5 asks the selected row."
        if next_seed:
            generation = request.generation
            if not generation.do_sample:
                return (
                    "This variant always takes the likeliest token, so another seed changes "
                    "nothing; set do_sample in its settings."
                )
            seed = generation.seed + generation.num_return_sequences
            generation = msgspec.structs.replace(generation, seed=seed)
            request = msgspec.structs.replace(request, generation=generation)
        new = self.ask(request, card.row, card.expected, card.branch)
        new.begun = card.begun
        return ""

    def go_on(self, card: Card, part: Part, index: int, option: Option) -> str:
        """Answer anew from a token of an answer on, which is another one there. A sentence where
        that cannot be."""
        request = self.requests.get(id(card))
        if request is None:
            return "What was asked for this answer is not known any more; F5 asks the selected row."
        if not part.reason:
            return "This answer is still coming; wait for its end, or stop it with esc."
        pieces = [*part.pieces[:index], Token(option.id, option.text, option.logprob)]
        remote = any(one.id < 0 for one in pieces)
        weights = part.weights or "base"
        where = (
            f"goes on from token {index + 1:,}: {shown_token(option.text)} "
            f"in place of {shown_token(part.pieces[index].text)}"
        )
        request = msgspec.structs.replace(
            request,
            weights=(weights,),
            generation=msgspec.structs.replace(request.generation, num_return_sequences=1),
            begin=[] if remote else [one.id for one in pieces],
            begin_text="".join(one.text for one in pieces) if remote else "",
        )
        new = self.ask(request, card.row, card.expected, where)
        new.begun = pieces
        return ""

    def expect(self, answer: str) -> None:
        """The prompt of the selected row came only after its answer was asked for."""
        row, prompt = self.app.session.layout.row, self.app.session.prompt().name
        for card in self.open.values():
            if card.kind == "answer" and (card.row, card.prompt) == (row, prompt):
                card.expected = card.expected or answer
                self.app.output_pane.show(self.cards.cards, card)

    def begin(self, request: int, card: Card) -> None:
        self.open[request] = card
        self.app.output_pane.show(self.cards.cards, card, to_top=True)
        self.app.show_state()

    def waiting_words(self) -> str:
        if self.app.watching.live:
            return "Queued: the run answers after this step."
        if not self.app.modelling.status:
            return "Queued: the model is being loaded."
        return "Queued behind what is under way." if self.open else ""

    def stop(self) -> bool:
        """Give up what was asked last. False where nothing is under way."""
        if not self.open:
            return False
        request, card = next(reversed(self.open.items()))
        self.app.send(Cancel(target=request))
        card.progress = "Stopping …"
        self.app.output_pane.show(self.cards.cards, card)
        return True

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            for request in list(self.open):
                self.finish(
                    request, "failed", "The worker ended before it could answer; ask again."
                )
            return False
        card = self.open.get(event.request)
        if card is None:
            return False
        match event:
            case Done():
                self.finish(event.request, "cancelled" if event.cancelled else "finished")
                return True
            case Failed():
                self.app.report(event, self.app.output_pane.display)
                self.finish(event.request, "failed", event.message)
                return True
        if self.add_to(card, event):
            self.app.output_pane.show(self.cards.cards, card)
        return True

    @staticmethod
    def add_to(card: Card, event: AnyEvent) -> bool:
        """Take the event into the card. False where it says nothing new."""
        match event:
            case GenerationStarted():
                card.state, card.progress = "running", ""
                card.parts[part_name(event.weights, event.sample)] = Part(
                    step=event.step,
                    prompt_tokens=event.prompt_tokens,
                    weights=event.weights,
                    sample=event.sample,
                    seed=event.seed,
                    cached_tokens=event.cached_tokens,
                )
            case Tokens():
                name = part_name(event.weights, event.sample)
                part = card.parts.setdefault(name, Part(weights=event.weights))
                part.text += event.text
                part.tokens += event.count
                part.pieces.extend(event.tokens)
            case GenerationFinished():
                name = part_name(event.weights, event.sample)
                part = card.parts.setdefault(name, Part(weights=event.weights))
                part.text, part.tokens = event.text, event.tokens
                part.seconds_to_first = event.seconds_to_first
                part.tokens_per_second = event.tokens_per_second
                part.reason, part.step, part.problem = event.reason, event.step, event.problem
                part.notes = event.notes
                told = "".join(one.text for one in part.pieces)
                begun = "".join(one.text for one in card.begun)
                if begun and not part.whole and (begun + told).startswith(part.text):
                    part.pieces = [*card.begun, *part.pieces]
            case Progress():
                card.state = "running"
                card.share = event.done / event.total if event.total else -1
                card.progress = event.what
                if event.total:
                    card.progress += f" · {event.done:,.0f} of {event.total:,.0f} {event.unit}"
                if event.seconds_left >= 0:
                    card.progress += f" · {duration(event.seconds_left)} left · esc stops"
            case _:
                return False
        return True

    def finish(self, request: int, state: str, message: str = "") -> None:
        card = self.open.pop(request)
        card.state = state  # type: ignore[assignment]
        card.message = message
        card.parts = {name: part for name, part in card.parts.items() if part.text or part.reason}
        if not card.parts and not card.scores and state == "cancelled":
            card.message = "Stopped before anything came."
        for part in card.parts.values():
            part.reason = part.reason or "stopped"
        if problem := self.cards.keep(card):
            self.app.tell(problem, "warning")
        self.app.output_pane.show(self.cards.cards, card)
        self.app.show_state()


def settings_words(generation: GenerationSettings) -> str:
    """How tokens are chosen, and what an answer must be."""
    if generation.do_sample:
        words = f"temperature {generation.temperature:g}, top_p {generation.top_p:g}"
        words += f", top_k {generation.top_k}" if generation.top_k else ""
    else:
        words = "likeliest tokens"
    if generation.repetition_penalty != 1:
        words += f", repetition_penalty {generation.repetition_penalty:g}"
    constraint = generation.constraint.replace("_", " ")
    return words + (f", constrained to {constraint}" if constraint != "none" else "")
