"""Faults injected by seed into real studies, and what must hold after each. `make soak SEED=0 FAULTS=50`."""
