import csv

import pytest

from lightune.reporting.csv_logger import ResumableCSVLogger


@pytest.fixture
def write(tmp_path):
    """Log (step, value) pairs with a logger of their own, as a run, or a run that is resumed, does."""

    def log(*points, purge_step=None):
        logger = ResumableCSVLogger(str(tmp_path))
        logger.purge_step = purge_step
        for step, value in points:
            logger.log_metrics({"val/loss": value}, step=step)
        logger.flush()
        with (tmp_path / "metrics.csv").open(newline="") as file:
            return [(int(row["step"]), float(row["val/loss"])) for row in csv.DictReader(file)]

    return log


def test_figures_are_in_one_file_of_the_runs_folder(write):
    assert write((1, 0.5), (2, 0.25)) == [(1, 0.5), (2, 0.25)]


@pytest.mark.filterwarnings("ignore:Experiment logs directory")  # which a run keeps quiet
def test_a_resumed_run_adds_to_the_rows_before_its_step(write):
    write((1, 0.5), (2, 0.25), (3, 0.125))
    assert write((2, 0.3), (3, 0.2), purge_step=2) == [(1, 0.5), (2, 0.3), (3, 0.2)]


def test_rows_are_kept_where_nothing_was_logged_before(write):
    assert write((4, 0.1), purge_step=2) == [(4, 0.1)]
