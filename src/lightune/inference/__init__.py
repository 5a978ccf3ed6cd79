"""From a checkpoint to predictions: load, predict, export. Plain values and files only, no configuration."""
