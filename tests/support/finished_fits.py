"""Fits that a run is done with, as their files say."""

from lightune.reporting.fits import FitResult, write_fit
from lightune.reporting.result import Objective

OBJECTIVE = Objective("val/accuracy", "max", 0.75, 1)
SECONDS = {"setup": 0.5, "train": 2.0, "validate": 0.25, "test": 0.125}


def finish_fit(run_dir, index, status="completed", checkpoint=None):
    """Leave what a fit of 2 epochs and 26 steps leaves in a run's folder."""
    write_fit(
        FitResult(index, 0, 0, index, status, OBJECTIVE, {}, 2, 26, SECONDS, 100.0, checkpoint),
        run_dir / "fits" / str(index),
    )
