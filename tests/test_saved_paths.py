"""What configurations, checkpoints and users' code name by its path stays where it is."""

from importlib import import_module

import pytest

TARGETS = [
    "lightune.callbacks.BestAndLast",
    "lightune.cli.preflight.Preflight",
    "lightune.data.BreastCancer",
    "lightune.data.Diabetes",
    "lightune.data.Digits",
    "lightune.data.TorchvisionImages",
    "lightune.data.Wine",
    "lightune.losses.BinaryCrossEntropy",
    "lightune.losses.CrossEntropy",
    "lightune.losses.Huber",
    "lightune.losses.MAE",
    "lightune.losses.MSE",
    "lightune.metrics.ClassificationMetrics",
    "lightune.metrics.RegressionMetrics",
    "lightune.models.CNN",
    "lightune.models.MLP",
    "lightune.optim.warmup_cosine",
    "lightune.regularization.Regularization",
    "lightune.reporting.csv_logger.ResumableCSVLogger",
    "lightune.reporting.tensorboard.TensorBoard",
    "lightune.tasks.SupervisedTask",
    "lightune.validation.Bootstrap",
    "lightune.validation.CrossValidation",
    "lightune.validation.Holdout",
    "hydra_plugins.hydra_lightune.cluster.ClusterLauncher",
    "hydra_plugins.hydra_lightune.fused.FusedLauncher",
    "hydra_plugins.hydra_lightune.launcher.LocalLauncher",
    "hydra_plugins.hydra_lightune.sweeper.LightuneSweeper",
]
"""Those that version 0.1 wrote into the configurations of runs and studies."""

IMPORTS = [
    "lightune.compose",
    "lightune.evaluate",
    "lightune.resume",
    "lightune.train",
    "lightune.trust",
    "lightune.data.InMemoryData",
    "lightune.data.Samples",
    "lightune.errors.CheckpointError",
    "lightune.errors.ConfigError",
    "lightune.errors.LightuneError",
    "lightune.run.InterruptedRun",
    "lightune.run.TrainingError",
    "lightune.study.PrunedError",
    "lightune.study.current_trial",
]
"""Those that the guide of version 0.1 told people to import."""


@pytest.mark.parametrize("path", [*TARGETS, *IMPORTS])
def test_a_path_that_was_written_down_still_leads_to_its_object(path):
    module, _, name = path.rpartition(".")

    assert callable(getattr(import_module(module), name))


def test_what_went_wrong_is_one_class_by_either_path():
    from lightune import errors, run

    assert run.TrainingError is errors.TrainingError
    assert run.InterruptedRun is errors.InterruptedRun
