"""The command line: the Hydra application that trains, and the companion tool for everything else."""
