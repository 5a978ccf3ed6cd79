"""Networks: plain modules that take the shape of their input and the number of their outputs."""

from lightune.models.audio_cnn import AudioCNN
from lightune.models.cnn import CNN
from lightune.models.ft_transformer import FTTransformer
from lightune.models.huggingface import HuggingFace, OwnTokenizer
from lightune.models.mlp import MLP
from lightune.models.resnet import ResNet
from lightune.models.tabular_resnet import TabularResNet
from lightune.models.text_lstm import TextLSTM
from lightune.models.text_mean import TextMean
from lightune.models.text_transformer import TextTransformer
from lightune.models.timm import Timm
from lightune.models.torchvision import Torchvision
from lightune.models.transfer import TransferNetwork

__all__ = [
    "CNN",
    "MLP",
    "AudioCNN",
    "FTTransformer",
    "HuggingFace",
    "OwnTokenizer",
    "ResNet",
    "TabularResNet",
    "TextLSTM",
    "TextMean",
    "TextTransformer",
    "Timm",
    "Torchvision",
    "TransferNetwork",
]
