"""Hydra's composing and running of jobs, many times over."""
