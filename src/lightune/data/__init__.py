"""Data: modules that know their shapes, hold samples in memory as tensors, and scale them without leaking."""

from lightune.data.images import TorchvisionImages
from lightune.data.memory import InMemoryData
from lightune.data.samples import Samples
from lightune.data.tables import BreastCancer, Diabetes, Digits, Wine

__all__ = ["BreastCancer", "Diabetes", "Digits", "InMemoryData", "Samples", "TorchvisionImages", "Wine"]
