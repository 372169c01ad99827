"""Changes to the run under way: asked for by a key, done after its step."""

from typing import TYPE_CHECKING, Any

from workbench.protocol import AnyEvent, Done, Failed, SteerTraining

if TYPE_CHECKING:
    from workbench.ui.base import Base

WORDS = {
    "learning_rate": "The learning rate changes after this step.",
    "evaluate": "The run is evaluated after this step.",
    "checkpoint": "A checkpoint is saved after this step.",
    "pause": "The run pauses after this step; p lets it go on.",
    "resume": "The run goes on.",
}


class Steering:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.asked: dict[int, str] = {}  # request → what

    @property
    def busy(self) -> str:
        return ""

    def stop(self) -> bool:
        return False

    def under_way(self) -> bool:
        """Whether there is a run to steer; says so where there is none."""
        if self.app.watching.live is None:
            soon = self.app.sweep_under_way
            self.app.tell(
                "The sweep's next run has not begun yet; press the key again once it has."
                if soon
                else "No run is under way; F7 starts one."
            )
            return False
        return True

    def steer(self, what: str, value: float = 0.0) -> None:
        if self.under_way():
            action: Any = what
            self.asked[self.app.send(SteerTraining(action=action, value=value))] = what

    def handle(self, event: AnyEvent) -> bool:
        if event.request not in self.asked:
            return False
        match event:
            case Done():
                self.app.tell(WORDS[self.asked.pop(event.request)])
            case Failed():
                del self.asked[event.request]
                self.app.report(event)
            case _:
                return False
        return True
