"""The fits of one run: which are trained, in which order, and how they are tested."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from pytorch_lightning import Callback, Trainer

from lightune.callbacks import Pruning
from lightune.config.build import FitPlan, build_fit
from lightune.config.trainer import build_loggers
from lightune.reporting.fits import FitResult, mean_objective, read_fit
from lightune.training.context import RunContext
from lightune.training.fit import Fit
from lightune.training.resumable_checkpoints import newest_checkpoint
from lightune.training.run_record import RunRecord

__all__ = ["Fits", "Report"]

log = logging.getLogger(__name__)

Report = Callable[[int, float], bool]


class Fits:
    """Train and test the fits of a run, as one program where that is possible, else one by one.

    Args:
        context: of the run.
        record: to which the results of the fits are added.
        trainer: made of the configuration and not used yet; the first fit takes it.
        watchers: callbacks beside those of the configuration.
        report: called with (epochs trained, monitored metric), or, of several fits, with (fits finished, mean of
            their objectives); the run is pruned when it returns True.
    """

    def __init__(
        self,
        context: RunContext,
        record: RunRecord,
        trainer: Trainer,
        watchers: Sequence[Callback] = (),
        report: Report | None = None,
    ) -> None:
        self._context, self._record, self._report = context, record, report
        if report is not None and not context.has_several_fits:
            watchers = [*watchers, Pruning(context.cfg.monitor.metric, report)]
        self._watchers = tuple(watchers)
        self._trainer: Trainer | None = trainer

    def train(self) -> None:
        """Train every fit that is not finished, from scratch or from its newest sound checkpoint."""
        context, record, several = self._context, self._record, self._context.has_several_fits
        if several:
            record.open_session(build_loggers(context.cfg, context.run_dir))
        fused = self._train_fused() if several else {}
        for plan in context.parts.plans:
            folder = context.folder(plan)
            if several and context.resumed and (done := read_fit(folder)):
                record.finished.append(done)
                continue
            if plan.index in fused:
                if isinstance(ending := fused[plan.index], Exception):
                    raise ending
                record.finished.append(ending)
                continue
            self._fit_one(plan, newest_checkpoint(folder) if context.resumed or several else None)
            context.interruption.stop_if_asked()
            if several and self._is_pruned():
                record.pruned = True
                return

    def test(self) -> None:
        """Measure the test part with the best weights of each fit, if the configuration asks for it."""
        context, record = self._context, self._record
        if not context.cfg.test or record.pruned:
            return
        measured, predictions, untold = [], [], ""
        for plan in context.parts.plans:
            fit = record.current if not context.has_several_fits and record.current else self._open(plan)
            if not fit.can_be_tested:
                record.say(f"the test is left out: {fit.lacks_for_test}")
                return
            try:
                if context.has_several_fits:
                    fit.log_at(record.finished[plan.index].logged_steps)
                figures, predicted = fit.test()
                untold = untold or fit.untold
            finally:
                self._close(fit)
            record.test_seconds += fit.record.test_seconds
            measured.append(figures)
            predictions += [predicted] if predicted else []
        record.add_test(measured, predictions, untold)

    def _train_fused(self) -> dict[int, FitResult | Exception]:
        """Train as one program those of several fits that can be; return a fit's number → its result or error."""
        from lightune.training.fused.fold_strategy import train_fused  # late: one fit starts sooner without

        return train_fused(self._context, self._record, self._watchers, is_pruned=self._report is not None)

    def _fit_one(self, plan: FitPlan, checkpoint: Path | None) -> None:
        record = self._record
        record.current = fit = self._open(plan, checkpoint)
        if not self._context.has_several_fits:
            record.open_session(fit.trainer.loggers)
        else:
            log.info("fit %d of %d: seed %d", plan.index + 1, len(self._context.parts.plans), plan.seed)
        try:
            fit.train()
            record.finished.append(record.conclude(fit))
        finally:
            self._close(fit)

    def _open(self, plan: FitPlan, checkpoint: Path | None = None) -> Fit:
        """Make a fit ready; the task and the trainer that were built with the parts serve once."""
        context, parts = self._context, self._context.parts
        trainer, self._trainer = self._trainer, None
        is_built = trainer is not None and plan.index == 0
        folder = context.folder(plan)
        return Fit(
            context.cfg,
            parts.data,
            parts.task if is_built else build_fit(context.cfg, parts.data, plan),
            plan,
            folder=folder,
            run_dir=context.run_dir,
            console=context.console,
            trainer=trainer,
            watchers=(context.interruption, *self._watchers),
            checkpoint=checkpoint,
            resumed=context.resumed or checkpoint is not None or any(folder.glob("events.*")),
            fits=len(parts.plans),
        )

    def _close(self, fit: Fit) -> None:
        """Close the boards of one of several fits; those of a single one are the run's, which closes them."""
        for board in fit.boards if self._context.has_several_fits else []:
            board.close()

    def _is_pruned(self) -> bool:
        """Report the mean of the finished fits, unless these are all; the first process asks, all of them stop."""
        stop, done = False, len(self._record.finished)
        if self._report is not None and done < len(self._context.parts.plans):
            mean = mean_objective(self._record.finished).value
            stop = mean is not None and self._report(done, mean)
        return self._context.processes.agree(stop)
