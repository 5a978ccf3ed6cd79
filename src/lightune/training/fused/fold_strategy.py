"""The fits of one run as one program: folds, resamples and repeats differ in their samples and seeds only.

Each fit keeps its folder, curves, checkpoints and early stopping, and its figures are those that it would have by
itself. Fits that cannot be fused are trained one by one, and `train.log` says why.
"""

import logging
from collections.abc import Collection, Hashable, Mapping, Sequence

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback

from lightune.checkpoints import read_checkpoint
from lightune.config.build import FitPlan, build_fit
from lightune.data import InMemoryData
from lightune.engine.fused.data import alike
from lightune.engine.fused.loop import Member
from lightune.errors import ConfigError
from lightune.reporting.fits import read_fit
from lightune.tasks import SupervisedTask
from lightune.training.context import RunContext
from lightune.training.fused.build_loop import device_of
from lightune.training.fused.compatibility import check_supported
from lightune.training.fused.cost import check_cost, most_members
from lightune.training.fused.equivalence import check_equivalence
from lightune.training.fused.fold_group import Endings, FoldGroup, Start, is_superseded
from lightune.training.fused.group import checkpoint_of, spans
from lightune.training.fused.planner import chunks, makes_default_batches
from lightune.training.run_record import RunRecord

__all__ = ["train_fused"]

log = logging.getLogger(__name__)

# Steps of all fits together: below, writing the program down and trying it takes as long as it saves. Digits MLP,
# five folds, 2026-11-22, processor's time one by one over fused: 500 steps 1.2, 1000 steps 1.6, 4000 steps 2.0.
LEAST_STEPS_ON_CPU = 500

_ALONE = "no other has as many batches an epoch and a network of the same size"


def train_fused(
    context: RunContext, record: RunRecord, watchers: Sequence[Callback] = (), *, is_pruned: bool = False
) -> Endings:
    """Train as one program those fits of a run that can be; leave the others alone.

    Args:
        context: of a run with several fits.
        record: of the run.
        watchers: callbacks beside those of the configuration; fits that are watched are trained one by one.
        is_pruned: whether a pruner judges the run after each fit; its fits, too, are trained one by one.

    Returns:
        A fit's number → its result, or the error that ended it. The fits after one that failed are not here, nor
        are those that are to be trained one by one.
    """
    cfg = context.cfg
    starts = _starts(context)
    open_plans = [plan for plan in context.parts.plans if plan.index in starts]
    if reason := _why_no_fit(context, open_plans, watchers, is_pruned=is_pruned):
        log.info("fits are trained one by one: %s", reason)
        return {}
    device = device_of(cfg)
    first = _member(context, open_plans[0])
    if reason := _check_cost(cfg, first, starts.values(), device):
        log.info("fits are trained one by one: %s", reason)
        return {}
    members = {open_plans[0].index: first, **{plan.index: _member(context, plan) for plan in open_plans[1:]}}
    of_one_form = alike([_form(member) for member in members.values()])
    endings: Endings = {}
    for same in ([open_plans[place] for place in places] for places in of_one_form.values()):
        own = [members[plan.index] for plan in same]
        for places in chunks(list(range(len(same))), min(len(same), most_members(own, device))):
            chosen = [same[place] for place in places]
            if all(is_superseded(plan, endings) for plan in chosen):
                continue
            alone = _ALONE if len(same) < 2 else "no room for another beside it"
            reason = check_equivalence([members[plan.index] for plan in chosen]) if len(chosen) > 1 else alone
            if reason:
                log.info("%s: trained one by one: %s", _named(chosen), reason)
                continue
            said = f"{_named(chosen)}: trained as one program on {device}"
            log.info(said)
            context.console.print(said, highlight=False, soft_wrap=True)
            group = None
            try:
                own = [members[plan.index] for plan in chosen]
                group = FoldGroup(context, record, chosen, own, starts, device)
                group.train()
            except Exception as error:  # noqa: BLE001 - what breaks the program is found out by each fit alone
                said = " ".join(f"{type(error).__name__}: {error}".split())
                log.warning("%s: go on one by one: the program ended with %s", _named(chosen), said)
            endings |= group.endings if group is not None else {}
    return endings


def _starts(context: RunContext) -> dict[int, Start]:
    """Return a fit's number → where it begins, of those that are not finished and may begin with others."""
    starts: dict[int, Start] = {}
    for plan in context.parts.plans:
        folder = context.folder(plan)
        if context.resumed and read_fit(folder):
            continue
        try:
            checkpoint = checkpoint_of(folder)
        except ConfigError as error:
            log.info("%s: trained one by one: %s", _named([plan]), error.problems[0].message)
            continue
        epoch = read_checkpoint(checkpoint)["epoch"] if checkpoint is not None else 0
        starts[plan.index] = Start(checkpoint, epoch)
    return starts


def _why_no_fit(
    context: RunContext, plans: Sequence[FitPlan], watchers: Sequence[Callback], *, is_pruned: bool
) -> str | None:
    """Return why none of some fits of a run is trained with others; None if some may be."""
    if context.cfg.validation.get("fused", "auto") == "never":
        return "as validation.fused says"
    if is_pruned:
        return "a pruner judges the run after each of them"
    if watchers:
        return f"{type(watchers[0]).__name__} watches each of them"
    if context.processes.size > 1:
        return "several processes share them"
    if len(plans) < 2:
        return "no two are left that may begin together"
    tree = OmegaConf.to_container(context.cfg, resolve=True)
    assert isinstance(tree, Mapping)
    if reason := check_supported({str(key): value for key, value in tree.items()}):
        return reason
    data, task = context.parts.data, context.parts.task
    if not (isinstance(data, InMemoryData) and makes_default_batches(data)):
        return f"{type(data).__name__} makes batches of its own"
    if data.is_streamed:
        return "data are streamed"
    assert isinstance(task, SupervisedTask)
    return "the loss has a state of its own" if task.loss.state_dict() else None


def _check_cost(cfg: DictConfig, first: Member, starts: Collection[Start], device: str) -> str | None:
    """Return why fits like the first are trained faster one by one; None if they are not."""
    if reason := check_cost(first, device):
        return reason
    epochs = sum(max(0, int(cfg.trainer.max_epochs) - start.epoch) for start in starts)
    steps = epochs * first.data.rows_in_batches("train").batches
    if device == "cpu" and steps < LEAST_STEPS_ON_CPU:
        return f"{steps} steps are too few for a program to be worth it"
    return None


def _form(member: Member) -> tuple[Hashable, ...]:
    """Return what fits of one program share: batches an epoch, and the shapes of the weights.

    These differ where the training rows of one fit lack a category, or a missing number, that another has.
    """
    weights = member.task.model.state_dict().values()
    return member.data.rows_in_batches("train").batches, *(tuple(weight.shape) for weight in weights)


def _member(context: RunContext, plan: FitPlan) -> Member:
    assert isinstance(context.parts.data, InMemoryData)
    data = context.parts.data.undivided()
    task = build_fit(context.cfg, data, plan)
    assert isinstance(task, SupervisedTask)
    return Member(task, data, plan.seed, context.cfg.regularization.get("gradient_clip"))


def _named(plans: Sequence[FitPlan]) -> str:
    return f"{'fits' if len(plans) > 1 else 'fit'} {spans([plan.index + 1 for plan in plans])}"
