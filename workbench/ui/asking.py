"""Asking the model: answers for the selected row, and measurements over many."""

from typing import TYPE_CHECKING

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Generate,
    GenerationFinished,
    GenerationStarted,
    HostLost,
    Progress,
    Tokens,
)
from workbench.ui.cards import Card, Cards, Part, Score
from workbench.ui.units import duration

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Asking:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.cards = Cards(app.workspace / "answers" / f"{app.path.stem}.jsonl")
        self.open: dict[int, Card] = {}  # request → its card, while it is under way

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
        rendered = browsing.rendered
        card = self.cards.add(
            prompt=session.prompt().name,
            row=session.layout.row if browsing.values is not None else -1,
            expected=rendered.answer if rendered and (browsing.fresh or browsing.rowless) else "",
            run=self.app.watching.live_name,
            progress=self.waiting_words(),
        )
        request = self.app.send(
            Generate(
                model=session.model,
                folder=str(self.app.workspace),
                prompt=session.prompt(),
                values=browsing.values or {},
                generation=session.generation,
                dataset=browsing.recognising.dataset(),
            )
        )
        self.begin(request, card)

    def expect(self, answer: str) -> None:
        """The prompt of the selected row came only after its answer was asked for."""
        row, prompt = self.app.session.layout.row, self.app.session.prompt().name
        for card in self.open.values():
            if card.kind == "answer" and (card.row, card.prompt) == (row, prompt):
                card.expected = card.expected or answer
                self.app.output_pane.show(self.cards.cards, card)

    def measure(self) -> None:
        session = self.app.session
        card = self.cards.add(
            kind="measurement",
            prompt=session.prompt().name,
            run=self.app.watching.live_name,
            progress=self.waiting_words(),
        )
        request = self.app.send(
            Evaluate(
                model=session.model,
                folder=str(self.app.workspace),
                dataset=session.dataset,
                prompt=session.prompt(),
                evaluation=session.evaluation,
                max_length=session.training.max_length,
            )
        )
        self.begin(request, card)

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
                card.parts[event.weights] = Part(step=event.step, prompt_tokens=event.prompt_tokens)
            case Tokens():
                part = card.parts.setdefault(event.weights, Part())
                part.text += event.text
                part.tokens += event.count
            case GenerationFinished():
                card.parts[event.weights] = Part(
                    text=event.text,
                    tokens=event.tokens,
                    seconds_to_first=event.seconds_to_first,
                    tokens_per_second=event.tokens_per_second,
                    reason=event.reason,
                    step=event.step,
                )
            case Progress():
                card.state = "running"
                card.share = event.done / event.total if event.total else -1
                card.progress = event.what
                if event.total:
                    card.progress += f" · {event.done:,.0f} of {event.total:,.0f} {event.unit}"
                if event.seconds_left >= 0:
                    card.progress += f" · {duration(event.seconds_left)} left · esc stops"
            case Evaluated():
                card.state = "running"
                card.scores[event.weights] = Score(
                    rows=event.rows,
                    metric=event.metric,
                    value=event.value,
                    low=event.low,
                    high=event.high,
                    seconds=event.seconds,
                    labels=event.labels,
                    confusion=event.confusion,
                    left_out=event.left_out,
                    step=event.step,
                )
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
