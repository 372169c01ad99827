"""The model in memory, and the worker itself: there, busy, or gone."""

from typing import TYPE_CHECKING

from workbench.protocol import (
    AnyEvent,
    Failed,
    Hello,
    HostLost,
    LoadModel,
    ModelLoaded,
    ModelStatus,
    Progress,
    Welcome,
)

if TYPE_CHECKING:
    from workbench.ui.base import Base


HEADLESS = "without a head"  # in what is said of a bare encoder


class Modelling:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.status: ModelStatus | None = None
        self.problem = ""  # why there is no model
        self.loading = ""  # what is done before it is there
        self.trouble = ""  # why there is no worker
        self.load_request = -1
        self.headed = False  # weights of a run were taken by themselves
        self.starters: list[tuple[str, str]] = []  # datasets to begin with: name, what it is

    def open_everything(self) -> None:
        """Ask for all that the session needs; again where the worker was restarted."""
        self.app.send(Hello())
        self.app.browsing.open()
        self.load()

    def load(self) -> None:
        self.status, self.problem, self.loading = None, "", "loading the model"
        self.app.output_pane.fail("")
        model = self.app.session.model
        self.load_request = self.app.send(LoadModel(model=model, folder=str(self.app.workspace)))
        self.app.show_state()

    def handle(self, event: AnyEvent) -> bool:
        match event:
            case Welcome():
                self.trouble, self.starters = "", event.starters
            case Progress() if event.request == self.load_request:
                share = f" {event.done / event.total * 100:.0f} %" if event.total else ""
                self.loading = event.what + share
            case ModelLoaded():
                self.status, self.loading, self.problem = event.model, "", ""
                self.app.output_pane.fail("")
                self.app.browsing.render()
                if event.model.note:
                    self.app.tell(event.model.note, "warning")
            case Failed() if event.request == self.load_request:
                self.problem, self.loading = event.message, ""
                self.app.prompt_pane.fail(event.message)
                self.app.output_pane.fail(event.message)
                if HEADLESS in event.message:  # nothing is wrong: a run comes first
                    self.app.note(event.message)
                    self.give_head()
                    self.app.show_state()
                else:
                    self.app.report(event, self.app.output_pane.display)
            case HostLost():
                self.lose(event)
            case Failed():
                self.app.report(event)
            case _:
                return False
        return True

    def give_head(self) -> None:
        """A model without a head answers by a run's weights alone: those of its newest run are
        taken, unless they were laid down by the person just now."""
        run = self.app.watching.of_model()
        if not run:
            self.app.tell("This model answers once a run gave it a head: F7 starts one.")
        elif self.headed:
            self.app.tell(f"Without a run's head this model does not answer: alt+u takes {run}'s.")
        else:
            self.headed = True
            self.app.watching.attach(run)
            self.app.tell(f"Answers come from {run}: its model has no head of its own.")

    def lose(self, event: HostLost) -> None:
        self.status, self.loading = None, ""
        self.trouble = "" if event.restarted else "the worker is gone"
        self.app.tell(event.message, "error")
        if event.restarted:
            self.open_everything()
