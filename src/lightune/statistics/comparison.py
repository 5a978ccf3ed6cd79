"""Are two different? Tests with their assumption, and the smallest difference that they could have seen.

Each takes what was measured of both and returns a `Verdict`; SciPy computes.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Verdict", "holm", "mcnemar", "nadeau_bengio", "paired_bootstrap", "paired_t", "welch"]

Floats = NDArray[np.float64]
_POWER = 0.8  # with which the smallest difference would have been seen


class Verdict(NamedTuple):
    """What a test says of a difference.

    Args:
        test: its name.
        assumption: what it rests on, in one sentence.
        difference: the second's figure minus the first's.
        low: lower end of the interval of the difference; NaN where the test gives none.
        high: its upper end.
        p: the probability of a difference so large or larger if there is none.
        visible: the smallest true difference that would have been found in four of five such comparisons.
    """

    test: str
    assumption: str
    difference: float
    low: float
    high: float
    p: float
    visible: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_], *, level: float = 0.95) -> Verdict:
    """Compare two networks by which samples each gets right.

    Args:
        first: (n,) whether the first is right.
        second: (n,) whether the second is right, of the same samples in the same order.
        level: of the interval, in (0, 1).

    Source: McNemar 1947 in its exact form, Dietterich 1998 (Neural Computation 10); the interval is that of
    Agresti & Min 2005 (Statistics in Medicine 24), with half a sample added to each count.
    """
    from scipy.stats import binomtest, norm

    samples = len(first)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    p = float(binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0
    total = samples + 2
    shift = (gained - lost) / total
    share = (gained + lost + 1) / total
    error = math.sqrt(max(share - shift**2, 0.0) / total)
    half = float(norm.ppf((1 + level) / 2)) * error
    visible = float(norm.ppf((1 + level) / 2) + norm.ppf(_POWER)) * math.sqrt(share / samples)
    return Verdict(
        "exact McNemar test",
        "the samples were drawn independently, and neither network has learnt from them",
        (gained - lost) / samples, shift - half, shift + half, p, min(visible, 1.0),
    )  # fmt: skip


def paired_bootstrap(
    first: Floats, second: Floats, *, level: float = 0.95, resamples: int = 4000, seed: int = 0
) -> Verdict:
    """Compare two networks by a score of each sample, the mean of which is the figure.

    Args:
        first: (n,) scores of the first.
        second: (n,) scores of the second, of the same samples in the same order.
        level: of the interval, in (0, 1).
        resamples: of the interval, and permutations of the test, > 0.
        seed: of the draws.

    Source: Efron & Tibshirani 1993, chapters 14 (BCa) and 15 (permutation of the signs), by SciPy.
    """
    from scipy.stats import bootstrap, norm, permutation_test

    apart = second - first
    difference = float(apart.mean())
    if np.ptp(apart) == 0:
        low = high = difference
        p = 1.0 if difference == 0 else 2.0 ** (1 - len(apart))
    else:
        interval = bootstrap(
            (apart,), np.mean, n_resamples=resamples, confidence_level=level, method="BCa", batch=200,
            rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
        low, high = float(interval.low), float(interval.high)
        p = float(
            permutation_test(
                (apart,), np.mean, permutation_type="samples", n_resamples=resamples, batch=200,
                rng=np.random.default_rng(seed),
            ).pvalue
        )  # fmt: skip
    error = float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else math.nan
    return Verdict(
        "paired permutation test, interval by the bootstrap (BCa)",
        "the samples were drawn independently, and neither network has learnt from them",
        difference, low, high, p, float(norm.ppf((1 + level) / 2) + norm.ppf(_POWER)) * error,
    )  # fmt: skip


def nadeau_bengio(first: Floats, second: Floats, *, test_share: float, level: float = 0.95) -> Verdict:
    """Compare two networks by their figures in the same folds or resamples.

    Args:
        first: (J,) figures of the first, J > 1.
        second: (J,) figures of the second in the same folds.
        test_share: samples that a fold is judged on, over those that it is trained on, > 0.
        level: of the interval, in (0, 1).

    Source: Nadeau & Bengio 2003 (Machine Learning 52), eq. 8 and section 5: the corrected resampled t-test.
    """
    return _t_verdict(
        "corrected resampled t-test (Nadeau and Bengio)",
        "both were trained and judged on the same folds, which share training samples; it is conservative",
        second - first, 1 / len(first) + test_share, level,
    )  # fmt: skip


def paired_t(first: Floats, second: Floats, *, level: float = 0.95) -> Verdict:
    """Compare two networks by their figures with the same seeds.

    Args:
        first: (S,) figures of the first, S > 1.
        second: (S,) figures of the second with the same seeds in the same order.
        level: of the interval, in (0, 1).
    """
    return _t_verdict(
        "paired t-test over seeds",
        "differences between seeds are nearly normal; it speaks of these rows of the data, not of new ones",
        second - first, 1 / len(first), level,
    )  # fmt: skip


def welch(first: Floats, second: Floats, *, level: float = 0.95) -> Verdict:
    """Compare two networks by their figures with several seeds each.

    Args:
        first: (S,) figures of the first, S > 1.
        second: (T,) figures of the second, T > 1.
        level: of the interval, in (0, 1).

    Source: Welch 1947, by SciPy.
    """
    from scipy.stats import t as student
    from scipy.stats import ttest_ind

    difference = float(second.mean() - first.mean())
    name = "Welch's t-test over seeds"
    assumption = "figures of both are nearly normal; it speaks of these rows of the data, not of new ones"
    variances = [float(each.var(ddof=1)) / len(each) for each in (first, second)]
    error = math.sqrt(sum(variances))
    if error == 0:
        return Verdict(name, assumption, difference, difference, difference, float(difference == 0), 0.0)
    test = ttest_ind(second, first, equal_var=False)
    interval = test.confidence_interval(level)
    visible = float(student.ppf((1 + level) / 2, test.df) + student.ppf(_POWER, test.df)) * error
    return Verdict(
        name, assumption, difference, float(interval.low), float(interval.high), float(test.pvalue), visible
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values of several comparisons, corrected so that any false alarm at all is as rare as of one.

    Source: Holm 1979 (Scandinavian Journal of Statistics 6).
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, most = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = most
    return corrected


def _t_verdict(test: str, assumption: str, apart: Floats, factor: float, level: float) -> Verdict:
    from scipy.stats import t as student

    difference, freedom = float(apart.mean()), len(apart) - 1
    error = math.sqrt(float(apart.var(ddof=1)) * factor)
    if error == 0:
        return Verdict(test, assumption, difference, difference, difference, float(difference == 0), 0.0)
    p = 2 * float(student.sf(abs(difference) / error, freedom))
    critical = float(student.ppf((1 + level) / 2, freedom))
    visible = (critical + float(student.ppf(_POWER, freedom))) * error
    return Verdict(
        test, assumption, difference, difference - critical * error, difference + critical * error, p, visible
    )
