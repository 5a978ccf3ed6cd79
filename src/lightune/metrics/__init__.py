"""What is measured, by torchmetrics, once over every sample of a stage."""

from lightune.metrics.classification import ClassificationMetrics
from lightune.metrics.regression import RegressionMetrics

__all__ = ["ClassificationMetrics", "RegressionMetrics"]
