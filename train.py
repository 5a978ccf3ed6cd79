"""Train one network, or sweep over many: `python train.py --help`."""

from lightune.cli.start import train  # Hydra's completion wants to read @hydra.main here

if __name__ == "__main__":
    train()
