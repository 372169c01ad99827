"""The line that says which rows are examples; enter on it opens their sheet."""

from collections.abc import Callable

from textual.binding import Binding

from workbench.ui.widgets.lines import Bar, Line


class ExamplesLine(Bar, can_focus=True):
    BINDINGS = [Binding("enter,space", "app.examples", show=False)]

    def __init__(self, draw: Callable[[int], list[Line]]) -> None:
        super().__init__(draw, id="examples-line")

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()
