"""An empty Textual app: what the start-up of ours is compared with."""

from textual.app import App, ComposeResult
from textual.widgets import Static


class EmptyApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("An empty app that shows one line of text.")


if __name__ == "__main__":
    EmptyApp().run()
