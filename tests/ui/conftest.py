"""A workbench on real rows of the bundled kind, with a scripted worker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ui.fake import FakeLink
from workbench import session as sessions
from workbench.session import Prompt, Session
from workbench.ui.app import WorkbenchApp

THEMES = Path(__file__).parents[2] / "themes"

TEXTS = (
    "Brisk hack job.",
    "So young, so smart, such talent, such a waste.",
    "This is simply the most fun you'll ever have with a documentary.",
)


def film_rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": 1000 + index,
            "text": TEXTS[index % 3] + f" ({index})",
            "rating": index / 10,
            "label": ("negative", "positive", "positive")[index % 3],
        }
        for index in range(count)
    ]


def film_session() -> Session:
    return Session(
        prompts=[
            Prompt(
                name="plain",
                template="Positive or negative?\n\n{{ text }}",
                completion="{{ label }}",
            ),
            Prompt(name="critic", system="You judge films.", template="{{ text }}"),
        ],
        active_prompt="plain",
    )


class Bench:
    """A session file in a folder of its own, and apps opened on it."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder
        self.path = folder / "sessions" / "film-reviews.toml"
        self.rows = film_rows(250)
        sessions.save(film_session(), self.path)

    def open(self, link: FakeLink | None = None, **changes: Any) -> tuple[WorkbenchApp, FakeLink]:
        link = link or FakeLink(self.rows)
        app = WorkbenchApp(
            sessions.load(self.path), self.path, link, theme_folders=[THEMES], **changes
        )
        return app, link

    def saved(self) -> Session:
        return sessions.load(self.path)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Bench(tmp_path)


async def until(pilot: Any, condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until the condition holds; fail with the screen where it never does."""
    waited = 0.0
    while not condition():
        await pilot.pause(0.02)
        waited += 0.02
        assert waited < seconds, f"it never came:\n{screen_text(pilot.app)}"


async def ready(pilot: Any) -> None:
    app = pilot.app
    await until(pilot, lambda: app.begun and app.modelling.status and app.browsing.rendered)
    await pilot.pause()


def screen_text(app: WorkbenchApp) -> str:
    """What is on the screen, as a terminal would show it."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines[:height])[
        : width * height * 2
    ]
