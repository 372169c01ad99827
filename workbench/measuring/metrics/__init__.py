"""Metrics: each a family a file; which there are, and how figures are made of them."""

from workbench.measuring.metrics.calibration import Calibration
from workbench.measuring.metrics.choosing import check, choose_metrics
from workbench.measuring.metrics.classes import confusion
from workbench.measuring.metrics.figures import figure, score
from workbench.measuring.metrics.metric import Metric, RowError

__all__ = [
    "Calibration",
    "Metric",
    "RowError",
    "check",
    "choose_metrics",
    "confusion",
    "figure",
    "score",
]
