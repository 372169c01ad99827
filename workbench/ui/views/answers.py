"""The answers view: cards of answers and measurements, the newest on top."""

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.ui.cards import Card
from workbench.ui.widgets.answer import card_lines
from workbench.ui.widgets.lines import Line, Lines, wrap


class AnswersView(Vertical):
    def __init__(self) -> None:
        super().__init__(id="answers-view")
        self.cards: list[Card] = []
        self.problem = ""  # why there is no model
        self.laid_out: dict[int, tuple[int, list[Line]]] = {}  # card's id → width, lines
        self.lines = Lines(self.draw, id="answers")

    def compose(self) -> ComposeResult:
        yield self.lines

    def go(self) -> None:
        self.screen.set_focus(self.lines)

    def back(self) -> bool:
        return False

    @property
    def subtitle(self) -> str:
        answers = sum(card.kind == "answer" for card in self.cards)
        return f"{answers} answers · newest first" if answers > 1 else ""

    def show(self, cards: list[Card], changed: Card | None, to_top: bool) -> None:
        self.cards = cards
        if changed is None:
            self.laid_out.clear()
        else:
            self.laid_out.pop(id(changed), None)
        self.lines.redraw(to_top)

    def redraw(self) -> None:
        self.lines.redraw()

    def fail(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self.lines.redraw(to_top=bool(problem))

    def draw_problem(self, width: int) -> list[Line]:
        if not self.problem:
            return []
        return [
            *wrap("The model could not be loaded.", width, "bad"),
            *wrap(self.problem, width),
            *wrap("F12 changes the model and its adapter; F5 tries again.", width, "quiet"),
            [],
        ]

    def draw(self, width: int) -> list[Line]:
        if not self.cards:
            return [
                *self.draw_problem(width),
                [],
                *wrap("No answer yet.", width, "strong"),
                [],
                *wrap("F5 sends the prompt, filled from the selected row, to the model.", width),
                *wrap("F8 measures the prompt on the evaluation rows.", width),
            ]
        lines = self.draw_problem(width)
        for card in self.cards:
            kept = self.laid_out.get(id(card))
            if not kept or kept[0] != width:
                kept = self.laid_out[id(card)] = (width, card_lines(card, width))
            lines += kept[1]
        return lines
