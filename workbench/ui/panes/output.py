"""The output pane: answers and measurements, the newest on top."""

from textual.app import ComposeResult

from workbench.ui.cards import Card
from workbench.ui.panes.pane import Pane
from workbench.ui.widgets.answer import card_lines
from workbench.ui.widgets.lines import Line, Lines, wrap


class OutputPane(Pane):
    def __init__(self) -> None:
        super().__init__("output")
        self.cards: list[Card] = []
        self.problem = ""  # why there is no model
        self.laid_out: dict[int, tuple[int, list[Line]]] = {}  # card's id → width, lines
        self.lines = Lines(self.draw, id="answers")

    def compose(self) -> ComposeResult:
        yield self.lines

    def go(self) -> None:
        self.lines.focus()

    def show(self, cards: list[Card], changed: Card | None = None, to_top: bool = False) -> None:
        """Show the cards; only `changed`, or all where it is None, is laid out anew."""
        self.cards = cards
        if changed is None:
            self.laid_out.clear()
        else:
            self.laid_out.pop(id(changed), None)
        answers = sum(card.kind == "answer" for card in cards)
        self.name_it(subtitle=f"{answers} answers · newest first" if answers > 1 else "")
        self.lines.redraw(to_top)

    def fail(self, problem: str) -> None:
        """Say why there is no model, for as long as there is none; an empty text: there is one."""
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
