"""A project of one's own, written by `lightune init`."""
