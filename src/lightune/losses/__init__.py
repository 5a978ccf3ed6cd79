"""Losses: how wrong an output is, and how an output reads as a prediction."""

from lightune.losses.classification import BinaryCrossEntropy, ClassWeighted, CrossEntropy, Focal, weighted_mean
from lightune.losses.regression import MAE, MSE, Huber

__all__ = ["MAE", "MSE", "BinaryCrossEntropy", "ClassWeighted", "CrossEntropy", "Focal", "Huber", "weighted_mean"]
