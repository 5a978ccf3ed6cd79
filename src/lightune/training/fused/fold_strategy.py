"""The fits of one run as one program: folds, resamples and repeats differ in their samples and seeds only.

Each fit keeps its folder, curves, checkpoints and early stopping, and its figures are those that it would have by
itself. What cannot train together trains one by one, and `train.log` says why.
"""

import logging
from collections.abc import Collection, Mapping, Sequence

from omegaconf import OmegaConf

from lightune.checkpoints import read_checkpoint
from lightune.config.build import FitPlan, build_fit
from lightune.data import InMemoryData
from lightune.engine.fused.data import alike
from lightune.engine.fused.loop import Member
from lightune.errors import ConfigError
from lightune.reporting.fits import read_fit
from lightune.run import Run
from lightune.tasks import SupervisedTask
from lightune.training.fused.build_loop import device_of
from lightune.training.fused.compatibility import check_supported
from lightune.training.fused.cost import check_cost, most_members
from lightune.training.fused.equivalence import check_equivalence
from lightune.training.fused.fold_group import Endings, FitsTogether, Start, is_in_vain
from lightune.training.fused.group import checkpoint_of, spans
from lightune.training.fused.planner import chunks, makes_default_batches

__all__ = ["train_together"]

log = logging.getLogger(__name__)

# Steps of all fits together: below, writing the program down and trying it takes as long as it saves. Digits MLP,
# five folds, 2026-11-22, processor's time one by one over fused: 500 steps 1.2, 1000 steps 1.6, 4000 steps 2.0.
LEAST_STEPS_ON_CPU = 500


def train_together(run: Run) -> Endings:
    """Train as one program those fits of a run that can be; leave the others alone.

    Args:
        run: one with several fits, under way.

    Returns:
        A fit's number → its result, or the error that ended it. The fits behind one that failed are not here, nor
        are those that are to be trained one by one.
    """
    starts = _starts(run)
    open_plans = [plan for plan in run.parts.plans if plan.index in starts]
    if reason := _why_no_fit(run, open_plans):
        log.info("fits are trained one by one: %s", reason)
        return {}
    device = device_of(run.cfg)
    first = _member(run, open_plans[0])
    if reason := _check_cost(run, first, starts.values(), device):
        log.info("fits are trained one by one: %s", reason)
        return {}
    members = {open_plans[0].index: first, **{plan.index: _member(run, plan) for plan in open_plans[1:]}}
    same_steps = alike([member.data.rows_in_batches("train").batches for member in members.values()])
    endings: Endings = {}
    for same in ([open_plans[place] for place in places] for places in same_steps.values()):
        own = [members[plan.index] for plan in same]
        for places in chunks(list(range(len(same))), min(len(same), most_members(own, device))):
            chosen = [same[place] for place in places]
            if all(is_in_vain(plan, endings) for plan in chosen):
                continue
            alone = "no other has as many batches an epoch" if len(same) < 2 else "no room for another beside it"
            reason = check_equivalence([members[plan.index] for plan in chosen]) if len(chosen) > 1 else alone
            if reason:
                log.info("%s: trained one by one: %s", _named(chosen), reason)
                continue
            said = f"{_named(chosen)}: trained as one program on {device}"
            log.info(said)
            run.console.print(said, highlight=False, soft_wrap=True)
            together = None
            try:
                together = FitsTogether(run, chosen, [members[plan.index] for plan in chosen], starts, device)
                together.train()
            except Exception as error:  # noqa: BLE001 - what breaks the program is found out by each fit alone
                said = " ".join(f"{type(error).__name__}: {error}".split())
                log.warning("%s: go on one by one: the program ended with %s", _named(chosen), said)
            endings |= together.endings if together is not None else {}
    return endings


def _starts(run: Run) -> dict[int, Start]:
    """Return a fit's number → where it begins, of those that are left and may begin with others."""
    starts: dict[int, Start] = {}
    for plan in run.parts.plans:
        folder = run.folder(plan)
        if run.resume and read_fit(folder):
            continue
        try:
            checkpoint = checkpoint_of(folder)
        except ConfigError as error:
            log.info("%s: trained one by one: %s", _named([plan]), error.problems[0].message)
            continue
        epoch = read_checkpoint(checkpoint)["epoch"] if checkpoint is not None else 0
        starts[plan.index] = Start(checkpoint, epoch)
    return starts


def _why_no_fit(run: Run, plans: Sequence[FitPlan]) -> str | None:
    """Say why none of some fits of a run is trained with others; None if some may be."""
    if run.cfg.validation.get("fused", "auto") == "never":
        return "as validation.fused says"
    if run.tell is not None:
        return "a pruner judges the run after each of them"
    if run.watchers:
        return f"{type(run.watchers[0]).__name__} watches each of them"
    if run.group.size > 1:
        return "several processes share them"
    if len(plans) < 2:
        return "no two are left that may begin together"
    tree = OmegaConf.to_container(run.cfg, resolve=True)
    assert isinstance(tree, Mapping)
    if reason := check_supported({str(key): value for key, value in tree.items()}):
        return reason
    data, task = run.parts.data, run.parts.task
    if not (isinstance(data, InMemoryData) and makes_default_batches(data)):
        return f"{type(data).__name__} makes batches of its own"
    if data.is_streamed:
        return "data are streamed"
    assert isinstance(task, SupervisedTask)
    return "the loss has a state of its own" if task.loss.state_dict() else None


def _check_cost(run: Run, first: Member, starts: Collection[Start], device: str) -> str | None:
    """Return why fits like the first are trained faster one by one; None if they are not."""
    if reason := check_cost(first, device):
        return reason
    epochs = sum(max(0, int(run.cfg.trainer.max_epochs) - start.epoch) for start in starts)
    steps = epochs * first.data.rows_in_batches("train").batches
    if device == "cpu" and steps < LEAST_STEPS_ON_CPU:
        return f"{steps} steps are too few for a program to be worth it"
    return None


def _member(run: Run, plan: FitPlan) -> Member:
    assert isinstance(run.parts.data, InMemoryData)
    data = run.parts.data.undivided()
    task = build_fit(run.cfg, data, plan)
    assert isinstance(task, SupervisedTask)
    return Member(task, data, plan.seed, run.cfg.regularization.get("gradient_clip"))


def _named(plans: Sequence[FitPlan]) -> str:
    return f"{'fits' if len(plans) > 1 else 'fit'} {spans([plan.index + 1 for plan in plans])}"
