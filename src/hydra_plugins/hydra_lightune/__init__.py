"""Doors between Hydra and lightune; the rooms are in `lightune`."""
