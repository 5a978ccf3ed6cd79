"""Data: modules that know their shapes, hold samples in memory as tensors, and prepare them without leaking."""

from lightune.data.audio_folder import AudioFolder, AudioRegression
from lightune.data.csv_table import CSV, CSVRegression
from lightune.data.image_folder import ImageFolder, ImageRegression
from lightune.data.images import TorchvisionImages
from lightune.data.memory import InMemoryData
from lightune.data.samples import Samples
from lightune.data.tables import BreastCancer, Diabetes, Digits, Wine
from lightune.data.text_table import TextCSV

__all__ = [
    "CSV",
    "AudioFolder",
    "AudioRegression",
    "BreastCancer",
    "CSVRegression",
    "Diabetes",
    "Digits",
    "ImageFolder",
    "ImageRegression",
    "InMemoryData",
    "Samples",
    "TextCSV",
    "TorchvisionImages",
    "Wine",
]
