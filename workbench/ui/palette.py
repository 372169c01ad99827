"""The command palette: every action of the table, and every theme."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.types import IgnoreReturnCallbackType

from workbench.text import one_line
from workbench.ui.actions import ACTIONS, shown_key

if TYPE_CHECKING:
    from workbench.ui.app import WorkbenchApp


class Commands(Provider):
    def commands(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        app = cast("WorkbenchApp", self.app)
        for action in ACTIONS:
            label = f"{action.label}  ({shown_key(action.keys.split(',')[0])})"
            name = f"{action.name}(0)" if action.numbered else action.name
            yield label, action.help, partial(app.run_action, name)
        for number, prompt in enumerate(app.session.prompts, 1):
            yield (
                f"Variant: {one_line(prompt.name, 40)}",
                "Change to this variant.",
                partial(app.action_variant, number),
            )
        for name in app.theme_names:
            yield (
                f"Theme: {one_line(name, 40)}",
                "Change the colours.",
                partial(app.set_theme, name),
            )

    async def discover(self) -> Hits:
        for label, words, run in self.commands():
            yield DiscoveryHit(Content(label), run, text=label, help=words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for label, words, run in self.commands():
            score = max(matcher.match(label), matcher.match(words) / 2)
            if score > 0:
                yield Hit(score, Content(label), run, text=label, help=words)
