"""What runs trials: one protocol, and a folder for each place where they run."""
