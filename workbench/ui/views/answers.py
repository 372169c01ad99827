"""The answers view: cards, the newest on top; in one of them a cursor from token to token."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from workbench.ui.cards import Card, Part
from workbench.ui.widgets.answer import Looks, card_lines
from workbench.ui.widgets.lines import Line, Lines, wrap
from workbench.ui.widgets.probabilities import (
    first_other,
    legend,
    options_of,
    panel_lines,
)

if TYPE_CHECKING:
    from workbench.ui.asking import Asking

PANEL = 14  # lines of the panel below the answers, where there is room


class AnswerLines(Lines):
    """The cards; with the cursor in one of them the arrows move it instead of scrolling."""

    BINDINGS = [
        Binding("enter", "enter", show=False),
        Binding("left,h", "token(-1)", show=False),
        Binding("right,l", "token(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(1)", show=False),
        Binding("up,k", "option(-1)", show=False),
        Binding("down,j", "option(1)", show=False),
        Binding("tab", "answer(1)", show=False),
        Binding("shift+tab", "answer(-1)", show=False),
    ]

    @property
    def view(self) -> "AnswersView":
        assert isinstance(self.parent, AnswersView)
        return self.parent

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("token", "edge", "option", "answer"):
            return self.view.card is not None
        return super().check_action(action, parameters)

    def action_enter(self) -> None:
        if self.view.card is None:
            self.view.enter()
        else:
            self.view.go_on()

    def action_token(self, by: int) -> None:
        self.view.move_to(self.view.token + by)

    def action_edge(self, end: int) -> None:
        self.view.move_to(len(self.view.part.pieces) - 1 if end else 0)

    def action_option(self, by: int) -> None:
        self.view.choose(self.view.option + by)

    def action_answer(self, by: int) -> None:
        self.view.next_answer(by)


class AnswersView(Vertical):
    DEFAULT_CSS = """
    AnswersView { height: 1fr; }
    AnswersView > #token-panel { display: none; height: auto; border-top: solid $frame;
        overflow: hidden; }
    """

    def __init__(self) -> None:
        super().__init__(id="answers-view")
        self.cards: list[Card] = []
        self.problem = ""  # why there is no model
        self.colours = False  # tokens are coloured by their probability
        self.card: Card | None = None  # with the cursor in it
        self.part_name = ""
        self.token = self.option = 0
        self.laid_out: dict[int, tuple[int, list[Line]]] = {}  # card's id → width, lines
        self.lines = AnswerLines(self.draw, id="answers")
        self.panel = Lines(self.draw_panel, id="token-panel", focusable=False)

    @property
    def asking(self) -> "Asking":
        return self.app.asking  # type: ignore[attr-defined,no-any-return]

    def compose(self) -> ComposeResult:
        yield self.lines
        yield self.panel

    def go(self) -> None:
        self.screen.set_focus(self.lines)

    @property
    def subtitle(self) -> str:
        answers = sum(card.kind == "answer" for card in self.cards)
        return f"{answers} answers · newest first" if answers > 1 else ""

    def answer(self) -> str:
        """The text to copy: the answer with the cursor, else the newest."""
        if self.card is not None:
            return self.part.text
        return next((card.answer() for card in self.cards if card.answer()), "")

    @property
    def number(self) -> int:
        """Of the row that the answer with the cursor, else the newest, is to."""
        card = self.card or next(iter(self.cards), None)
        return card.row if card else -1

    # --- the token cursor --------------------------------------------------------------------

    @property
    def part(self) -> Part:
        assert self.card is not None
        return self.card.parts[self.part_name]

    def places(self) -> list[tuple[Card, str]]:
        """The answers whose tokens are known, from the top down."""
        return [
            (card, name)
            for card in self.cards
            for name, part in sorted(card.parts.items(), key=lambda one: one[1].sample)
            if part.pieces
        ]

    def enter(self) -> None:
        """The cursor into the newest answer whose tokens are known."""
        if places := self.places():
            self.put(*places[0])
        else:
            self.app.tell(  # type: ignore[attr-defined]
                "There is no answer to go through yet: F5 asks."
            )

    def put(self, card: Card, name: str) -> None:
        self.forget(self.card)
        self.card, self.part_name = card, name
        self.token = min(max(0, len(card.begun) - 1), len(self.part.pieces) - 1)
        self.option = first_other(self.part.pieces[self.token])
        self.panel.display = True
        self.redraw_cursor()

    def back(self) -> bool:
        """Leave the answer. False where the cursor is in none."""
        if self.card is None:
            return False
        self.forget(self.card)
        self.card, self.part_name = None, ""
        self.panel.display = False
        self.lines.redraw()
        return True

    def move_to(self, token: int) -> None:
        self.token = max(0, min(token, len(self.part.pieces) - 1))
        self.option = first_other(self.part.pieces[self.token])
        self.redraw_cursor()

    def choose(self, option: int) -> None:
        last = len(options_of(self.part.pieces[self.token])) - 1
        self.option = max(0, min(option, last))
        self.panel.redraw()

    def next_answer(self, by: int) -> None:
        places = self.places()
        at = next(
            (
                i
                for i, (card, name) in enumerate(places)
                if card is self.card and name == self.part_name
            ),
            0,
        )
        self.put(*places[(at + by) % len(places)])

    def go_on(self) -> None:
        """Another answer, which has the chosen alternative here."""
        assert self.card is not None
        token = self.part.pieces[self.token]
        if not token.options:
            problem = "Its alternatives were not kept; r asks again and tells them."
        else:
            option = options_of(token)[self.option]
            problem = self.asking.go_on(self.card, self.part, self.token, option)
        if problem:
            self.app.tell(problem, "warning")  # type: ignore[attr-defined]
        else:
            self.back()

    def redraw_cursor(self) -> None:
        self.forget(self.card)
        # As high as the longest list, so that nothing moves while one goes through the tokens.
        most = max(len(one.options) for one in self.part.pieces) + 3
        self.panel.styles.height = 1 + max(4, min(PANEL, most, self.size.height // 2))
        self.lines.redraw()
        self.panel.redraw()
        self.call_after_refresh(self.keep_in_view)

    def keep_in_view(self) -> None:
        """Scroll so that the token with the cursor is seen."""
        inks = [{ink for _, ink in line} for line in self.lines.lines]
        y = next((y for y, one in enumerate(inks) if "token-here" in one), None)
        height = self.lines.scrollable_content_region.height
        top = round(self.lines.scroll_y)
        if y is not None and not top <= y < top + height - 1:
            self.lines.scroll_to(y=max(0, y - height // 3), animate=False, force=True)

    # --- what is shown -----------------------------------------------------------------------

    def show(self, cards: list[Card], changed: Card | None, to_top: bool) -> None:
        self.cards = cards
        if changed is None:
            self.laid_out.clear()
        else:
            self.forget(changed)
        if self.card is not None and not any(one is self.card for one in cards):
            self.back()
        if self.card is not None and changed is self.card:
            if self.part_name not in self.card.parts:
                self.back()
            else:
                self.panel.redraw()
        self.lines.redraw(to_top and self.card is None)

    def turn_colours(self) -> None:
        self.colours = not self.colours
        self.laid_out.clear()
        self.lines.redraw()

    def forget(self, card: Card | None) -> None:
        self.laid_out.pop(id(card), None)

    def redraw(self) -> None:
        self.lines.redraw()

    def fail(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self.lines.redraw(to_top=bool(problem))

    # --- drawing -----------------------------------------------------------------------------

    def draw_panel(self, width: int) -> list[Line]:
        if self.card is None or not self.part.pieces:
            return []
        height = max(3, self.panel.size.height or PANEL)
        token = min(self.token, len(self.part.pieces) - 1)
        return panel_lines(self.part.pieces, token, self.option, width, height)

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
                *wrap("alt+r lets all variants answer the same rows, side by side.", width),
            ]
        lines = self.draw_problem(width)
        if self.colours:
            lines.append(legend())
        for card in self.cards:
            kept = self.laid_out.get(id(card))
            if not kept or kept[0] != width:
                here = card is self.card
                looks = Looks(self.colours, self.part_name, self.token) if here else None
                laid = card_lines(card, width, looks or Looks(self.colours))
                kept = self.laid_out[id(card)] = (width, laid)
            lines += kept[1]
        return lines
