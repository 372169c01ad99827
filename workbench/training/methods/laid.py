"""What a method did to the model in memory, for the person to read."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Laid:
    """`reasons`: sentences on what was chosen and why; `about`: figures for the run's first event,
    such as the number of virtual tokens."""

    reasons: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
