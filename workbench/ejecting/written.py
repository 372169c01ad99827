"""What a task adds to the script of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.ejecting.source import Constant


@dataclass(frozen=True)
class Written:
    """`rows` are what the script reads, a JSON line each; `functions` are what it defines of its
    own: functions and classes, or their source; `main` are lines, indented by four, that make
    `train`, `evaluation` and then `trainer`; `notes` are for whoever opens it, a sentence each.

    `loading` are further arguments of the model's `from_pretrained`, `arguments` of the Trainer's
    arguments. With `trainer_lays` the Trainer lays `config`, the adapter, over the model. `files`
    stand beside the script, by what ends their names.
    """

    rows: list[dict[str, Any]]
    constants: list[Constant]
    functions: Sequence[Any]
    main: str
    notes: list[str]
    model: str = "AutoModelForCausalLM"
    loading: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ("peft",)
    trainer_lays: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
