"""Which parameters mattered: PED-ANOVA, as Optuna computes it, with the line that chance alone would reach."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.report.findings import Importance
from lightune.report.points import grouped
from lightune.report.study_data import Parameter, StudyData, TrialData
from lightune.statistics.noise import noise_lines

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = ["LEAST_TRIALS", "importances_of", "judged_trials"]

LEAST_TRIALS = 10
"""Trials with a value that importances take, at least."""
_TOP = 0.1  # share of the trials whose parameters are compared with all others
_LEAST_TOP = 12  # trials; fewer tell little from chance
_MOST_TOP = 0.34  # share of the trials
_MOST_LISTED = 6  # numbers that are listed and compared one by one; more are an interval


def judged_trials(study: StudyData, objective: int = 0) -> list[TrialData]:
    """Return the trials that importances are computed of: those with a value, pruned ones of one objective too."""
    if len(study.objectives) > 1 or objective:
        return list(study.complete)
    return [trial for trial in study.trials if trial.reached is not None]


def importances_of(
    study: StudyData, *, objective: int = 0, permutations: int = 60, seed: int = 0
) -> list[Importance]:
    """Return the importance of each parameter for being among the best, the greatest first.

    The best are a tenth of the trials, twelve at least, a third at most.

    Seeds of a point count once, by their mean, and pruned trials by the best value that they reached: what falls
    behind is not among the best.

    Args:
        study: read from its files.
        objective: its number.
        permutations: of the values, by which the line of chance is drawn, > 1.
        seed: of the permutations.

    Returns:
        Nothing if there are too few trials, or no parameter differs.

    Source: Watanabe, Bansal & Hutter 2023, PED-ANOVA (IJCAI), conditional parameters by arXiv 2601.20800;
    computed by Optuna.
    """
    study = grouped(study)
    trials = judged_trials(study, objective)
    parameters = [
        parameter for parameter in study.searched if len({trial.point.get(parameter.key) for trial in trials}) > 1
    ]
    if len(trials) < LEAST_TRIALS or not parameters:
        return []
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    sign = -1.0 if study.objectives[objective][1] == "max" else 1.0
    costs = [sign * _value(trial, study, objective) for trial in trials]
    distributions = {parameter.key: _distribution(parameter, trials) for parameter in parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what is experimental, and on targets, which are minimized here
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            memory = optuna.create_study()
            memory.add_trials(
                [
                    create_trial(value=cost, **_point(trial, parameters, distributions))
                    for trial, cost in zip(trials, costs, strict=True)
                ]
            )
            evaluator = PedAnovaImportanceEvaluator(
                target_quantile=min(_MOST_TOP, max(_TOP, _LEAST_TOP / len(trials)))
            )

            def measured(values: Sequence[float]) -> list[float]:
                def target(trial: "FrozenTrial") -> float:
                    return float(values[trial.number])

                found: Mapping[str, float] = get_param_importances(
                    memory, evaluator=evaluator, params=list(distributions), target=target, normalize=False
                )
                return [max(0.0, float(found.get(key, 0.0))) for key in distributions]

            real = measured(costs)
            generator = np.random.default_rng(seed)
            by_chance = np.array([measured(list(generator.permutation(costs))) for _ in range(permutations)])
        finally:
            optuna.logging.set_verbosity(before)
    total = sum(real)
    if not total or not math.isfinite(total):
        return []
    lines = noise_lines(by_chance)
    found = [
        Importance(key, figure / total, float(line) / total)
        for key, figure, line in zip(distributions, real, lines, strict=True)
    ]
    return sorted(found, key=lambda each: -each.share)


def _value(trial: TrialData, study: StudyData, objective: int) -> float:
    value = trial.values[objective] if trial.values is not None else trial.reached
    assert value is not None
    return value


def _distribution(parameter: Parameter, trials: Sequence[TrialData]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if _is_interval(parameter):
        numbers = [float(trial.point[parameter.key]) for trial in trials if parameter.key in trial.point]
        low = min([parameter.low or 0.0, *numbers])
        return FloatDistribution(low, max([parameter.high or 0.0, *numbers]), log=parameter.log and low > 0)
    texts = [*parameter.values, *(trial.point[parameter.key] for trial in trials if parameter.key in trial.point)]
    return CategoricalDistribution(tuple(dict.fromkeys(texts)))


def _is_interval(parameter: Parameter) -> bool:
    return parameter.is_number and (parameter.interval or len(parameter.values) > _MOST_LISTED)


def _point(
    trial: TrialData, parameters: Sequence[Parameter], distributions: Mapping[str, "BaseDistribution"]
) -> dict[str, Any]:
    there = [parameter for parameter in parameters if parameter.key in trial.point]
    values = {
        parameter.key: float(trial.point[parameter.key]) if _is_interval(parameter) else trial.point[parameter.key]
        for parameter in there
    }
    return {"params": values, "distributions": {key: distributions[key] for key in values}}
