"""python main.py fit --config config.yaml."""

from digits import Classifier, Digits
from pytorch_lightning.cli import LightningCLI

if __name__ == "__main__":
    LightningCLI(Classifier, Digits)
