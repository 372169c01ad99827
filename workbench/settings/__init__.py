"""The settings of a session: their shapes, limits and what they mean.

Field names are those of the libraries that use them (transformers, peft, datasets). Knows nothing
of files.
"""

from workbench.settings.base import (
    DataFormat,
    Metric,
    Pane,
    Positive,
    PositiveFloat,
    ProblemKind,
    Section,
    Seed,
    Share,
)
from workbench.settings.data import DatasetSettings
from workbench.settings.layout import LayoutSettings
from workbench.settings.measuring import EvaluationSettings, JudgeSettings, OptimizeSettings
from workbench.settings.models import GenerationSettings, ModelSettings
from workbench.settings.prompts import ExampleSettings, Prompt, Turn
from workbench.settings.training import (
    ClassificationSettings,
    MaskingSettings,
    Method,
    PreferenceSettings,
    ReinforcementSettings,
    SweepSettings,
    Task,
    TrainingSettings,
    VirtualTokenSettings,
)

__all__ = [
    "ClassificationSettings",
    "DataFormat",
    "DatasetSettings",
    "EvaluationSettings",
    "ExampleSettings",
    "GenerationSettings",
    "JudgeSettings",
    "LayoutSettings",
    "MaskingSettings",
    "Method",
    "Metric",
    "ModelSettings",
    "OptimizeSettings",
    "Pane",
    "Positive",
    "PositiveFloat",
    "PreferenceSettings",
    "ProblemKind",
    "Prompt",
    "ReinforcementSettings",
    "Section",
    "Seed",
    "Share",
    "SweepSettings",
    "Task",
    "TrainingSettings",
    "Turn",
    "VirtualTokenSettings",
]
