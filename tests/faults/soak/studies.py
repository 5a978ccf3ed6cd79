"""The studies that faults are injected into: small, real, of every launcher and way to prune."""

from dataclasses import dataclass

__all__ = ["KINDS", "Kind"]

_ALWAYS = (
    "-m",
    "search.study=s",
    "search.max_failures=100",
    "trainer=cpu",
    "metrics.bootstrap=0",
    "callbacks.early_stopping.patience=10",
)
_RATES = "optimizer.lr=tag(log,interval(1e-3,1e-1))"


@dataclass(frozen=True)
class Kind:
    """A study, as it is typed.

    Args:
        name: says what it is.
        n_trials: how many trials it has when it is finished.
        overrides: of the command.
        is_repeatable: whether a trial's figure depends on its point alone, not on what else was under way.
    """

    name: str
    n_trials: int
    overrides: tuple[str, ...]
    is_repeatable: bool = True

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command's arguments."""
        return (*_ALWAYS, *self.overrides)


KINDS = (
    Kind("grid, local", 8, ("seed=range(0,8)", "data=wine", "model.units=6", "trainer.max_epochs=2")),
    Kind("grid, basic", 6, ("seed=range(0,6)", "data=wine", "model.units=4", "trainer.max_epochs=1",
                            "hydra/launcher=basic")),
    Kind("grid, fused", 24, ("seed=range(0,12)", "optimizer.lr=1e-3,1e-2", "data=wine", "model.units=6",
                             "trainer.max_epochs=3", "trainer.precision=64-true", "hydra/launcher=fused")),
    Kind("random, local, two places", 12, ("search=random", "search.n_trials=12", "search.n_jobs=2", _RATES,
                                           "data=wine", "model.units=4", "trainer.max_epochs=2",
                                           "search.keep_checkpoints=best:2")),
    Kind("random, local, always saving", 6, ("search=random", "search.n_trials=6", _RATES, "model.units=4",
                                             "trainer.max_epochs=3", "callbacks.checkpoint.every_seconds=0",
                                             "model.dropout=0.2")),
    Kind("hyperband, local", 12, ("search=hyperband", "search.n_trials=12", _RATES, "data=wine", "model.units=4",
                                  "trainer.max_epochs=3")),
    Kind("median, basic", 7, ("search=median", "search.n_trials=7", _RATES, "data=wine", "model.units=4",
                              "trainer.max_epochs=3", "hydra/launcher=basic")),
    Kind("asha, fused", 16, ("search=asha", "search.n_trials=16", _RATES, "data=wine", "model.units=4",
                             "trainer.max_epochs=3", "trainer.precision=64-true", "hydra/launcher=fused")),
    Kind("tpe, local, csv", 8, ("search=tpe", "search.n_trials=8", _RATES, "model.units=4,8", "data=wine",
                                "trainer.max_epochs=1", "logger=csv")),
    Kind("folds, local", 6, ("seed=range(0,6)", "validation=kfold", "validation.k=3", "data=wine", "model.units=4",
                             "trainer.max_epochs=2")),
    Kind("random, fused, two places", 12, ("search=random", "search.n_trials=12", "search.n_jobs=2",
                                           "search.fused_width=3", _RATES, "data=wine", "model.units=4",
                                           "trainer.max_epochs=3", "trainer.precision=64-true",
                                           "hydra/launcher=fused")),
    Kind("grid, retries", 6, ("seed=range(0,6)", "search.retries=2", "data=wine", "model.units=4",
                              "trainer.max_epochs=2")),
)  # fmt: skip
