"""How the screen was left."""

from typing import Annotated

from msgspec import Meta

from workbench.settings.base import (
    Pane,
    Section,
)


class LayoutSettings(Section):
    theme: str = ""
    focus: Pane = "dataset"
    row: Annotated[int, Meta(ge=0, description="The selected row, counted from 0.")] = 0
    run: Annotated[str, Meta(description="The run shown in the monitor; empty: the latest.")] = ""
