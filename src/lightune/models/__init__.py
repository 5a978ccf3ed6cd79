"""Networks: plain modules that take the shape of their input and the number of their outputs."""

from lightune.models.audio_cnn import AudioCNN
from lightune.models.cnn import CNN
from lightune.models.mlp import MLP
from lightune.models.text_mean import TextMean

__all__ = ["CNN", "MLP", "AudioCNN", "TextMean"]
