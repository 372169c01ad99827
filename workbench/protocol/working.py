"""What the Worker says of itself, its model and its run."""

import msgspec

from workbench.protocol.answers import Advice
from workbench.protocol.base import Event, RunState


class Done(Event):
    """The request is finished; nothing more comes for it."""

    cancelled: bool = False


class Failed(Event):
    """The request is finished without success: one sentence, and the details for the log."""

    message: str
    details: str = ""
    advice: list[Advice] = []  # of a prompt that cannot be filled: where, and what to do


class Progress(Event):
    """A long request: what it does, how far it is (`total` 0: unknown), seconds left (-1)."""

    what: str
    done: float = 0
    total: float = 0
    unit: str = ""
    seconds_left: float = -1

    def merge(self, later: "Progress") -> "Progress | None":
        return later if later.request == self.request else None


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The model that answers; of one on a server `parameters` and `context_length` are 0."""

    name: str
    parameters: int
    device: str  # of a server its host
    dtype: str
    context_length: int
    adapter: str = ""  # where the adapter in memory comes from; empty: there is none
    trainable: int = 0
    chat: bool = True  # the tokenizer has a chat template
    base: bool = True  # the weights from before answer, too
    note: str = ""  # what the person should know of it, such as: the server does not list it


class RunStatus(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    folder: str
    state: RunState
    step: int = 0
    total_steps: int = 0
    message: str = ""


class Welcome(Event):
    version: str
    pid: int
    model: ModelStatus | None = None
    run: RunStatus | None = None
    session_path: str = ""
    starters: list[tuple[str, str]] = []  # datasets to begin with: name, what it is


class ModelLoaded(Event):
    model: ModelStatus


class TrainingStarted(Event):
    run: RunStatus


class TrainingAdvanced(Event):
    """There are new lines in the run's files. Only the latest matters."""

    run: RunStatus
    what: str = ""  # what it does now: preparing, training, evaluating, saving

    def merge(self, later: "TrainingAdvanced") -> "TrainingAdvanced | None":
        return later if later.run.name == self.run.name else None


class TrainingEnded(Event):
    run: RunStatus


class HostLost(Event):
    """Made by the Link: the Worker's process is gone, and with it all that was asked of it.

    `restarted`: a new one answers now; it has no dataset and no model open yet."""

    message: str
    restarted: bool
