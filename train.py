"""Train one network, or sweep over many: `python train.py --help`."""

from lightune.cli.train import main

if __name__ == "__main__":
    main()
