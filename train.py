"""Train one network, or sweep over many: `python train.py --help`."""

from lightune.cli.start import train

if __name__ == "__main__":
    train()
