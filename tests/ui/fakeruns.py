"""The scripted worker's answers about runs: plans, steering, export, sweeps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench import protocol as p
from workbench.protocol import AnyEvent

SCRIPT = "import torch\n\n# makes the run again\n"


class FakeRuns:
    """What is asked of the run under way is kept in `steered`."""

    on_event: Callable[[AnyEvent], None]

    def __init__(self) -> None:
        self.steered: list[tuple[str, float]] = []
        self.plan: dict[str, Any] = {}  # what differs from the usual plan
        self.existing: set[str] = set()  # folders and files that are there already

    def PlanTraining(self, request: p.PlanTraining) -> None:  # noqa: N802
        training = request.session.training
        usual: dict[str, Any] = {
            "task": "sft" if training.task == "auto" else training.task,
            "method": training.method,
            "model": request.session.model.name,
            "device": "cpu",
            "dtype": "bfloat16",
            "parameters": 134_515_008,
            "trainable": 4_884_480,
            "choices": [
                p.Choice(setting="training.task", value="sft", why="the rows say what to answer")
            ],
            "memory": [
                p.MemoryPart(name="weights", bytes=269_030_016, formula="134.5 M × 2 bytes"),
                p.MemoryPart(
                    name="activations", bytes=1_200_000_000, formula="4 rows × 512 tokens"
                ),
            ],
            "memory_free": 16_000_000_000,
            "rows": training.rows or 1000,
            "evaluation_rows": 100,
            "tokens": 47_000,
            "steps": (training.rows or 1000) // max(1, training.per_device_train_batch_size),
            "seconds": 361.0,
            "seconds_from": "the speed of film-reviews-1",
        }
        plan = p.Plan(**(usual | self.plan))
        event = p.TrainingPlanned(request=request.id, plan=plan, session=request.session)
        self.on_event(event)

    def SteerTraining(self, request: p.SteerTraining) -> None:  # noqa: N802
        self.steered.append((request.action, request.value))
        self.on_event(p.Done(request=request.id))

    def ExportRun(self, request: p.ExportRun) -> None:  # noqa: N802
        if request.to in self.existing and not request.overwrite:
            words = f"{request.to} is there already; choose another folder or replace it."
            self.on_event(p.Failed(request=request.id, message=words))
            return
        self.on_event(
            p.RunExported(
                request=request.id,
                path=str(Path(request.folder) / request.to),
                files=[("model.safetensors", 269_000_000), ("README.md", 2_100)],
                notes=["The base model's licence is not known."],
            )
        )

    def EjectRun(self, request: p.EjectRun) -> None:  # noqa: N802
        if request.to in self.existing and not request.overwrite:
            words = f"{request.to} is there already; choose another file or replace it."
            self.on_event(p.Failed(request=request.id, message=words))
            return
        self.on_event(p.RunEjected(request=request.id, text=SCRIPT, path=request.to))

    def StartSweep(self, request: p.StartSweep) -> None:  # noqa: N802
        self.on_event(sweep(request.id, state="finished"))
        self.on_event(p.Done(request=request.id))

    def ReadSweep(self, request: p.ReadSweep) -> None:  # noqa: N802
        self.on_event(sweep(request.id, name=request.name, state="finished"))


def sweep(request: int = 0, name: str = "film-reviews", state: Any = "running") -> p.SweepAdvanced:
    """Three runs: the second is the best, the last was behind."""
    rates, losses = (1e-4, 4e-4, 2e-3), (0.71, 0.52, 1.4)
    return p.SweepAdvanced(
        request=request,
        name=name,
        metric="eval_loss",
        greater_is_better=False,
        wanted=3,
        importance={"training.learning_rate": 0.9, "training.lora_r": 0.1},
        state=state,
        trials=[
            p.Trial(
                number=number,
                run=f"{name}-{number + 1}",
                state="pruned" if number == 2 else "finished",
                values={"training.learning_rate": rate, "training.lora_r": 8 << number},
                metric=loss,
                seconds=61.0,
            )
            for number, (rate, loss) in enumerate(zip(rates, losses, strict=True))
        ],
    )
