"""Trials in worker processes on the nodes of a Ray cluster."""
