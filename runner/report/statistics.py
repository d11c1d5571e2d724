"""Estimate effects from repeats: intervals, p-values, tests of equivalence, and verdicts.

Few pairs (n < 8) get the paired t interval, more get the studentized bootstrap (bootstrap-t), and
two independent sides get Welch's interval. docs/comparing.md has the reasons, and the coverage that
benchmarks/coverage.py has simulated. Everything is computed for many effects at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE: Final = 0.95
ALPHA: Final = 1 - CONFIDENCE
POWER: Final = 0.8
"""Chance with which the repeats that are proposed should decide."""
BOOTSTRAP_FROM: Final = 8
"""Number of pairs from which the bootstrap's intervals are used in place of the t interval."""

_RESAMPLES: Final = 1999
_AT_ONCE: Final = 1000
"""Effects that one step of the bootstrap holds in memory."""
_TAIL: Final = 50
"""How many of the largest resampled values describe the tail beyond them."""
_SKEWED: Final = 1.0
_MOST_REPEATS: Final = 1000
_MOST_STEPS: Final = 1_000_000


class Verdict(StrEnum):
    """What the repeats say of one effect."""

    better = "better"
    worse = "worse"
    equivalent = "equivalent"
    undecided = "undecided"


class Method(StrEnum):
    """How an interval was computed."""

    none = "none"
    t = "paired t"
    bootstrap = "bootstrap-t"
    welch = "Welch"


@dataclass(frozen=True)
class Estimates:
    """Effects that were estimated from equally many repeats each; every array has shape
    (n_effects,).

    With a single repeat there is no spread, so all but ``effect`` are NaN.
    """

    method: Method
    n: int
    """Pairs; of two independent sides, the repeats of the smaller."""
    effect: Floats
    sd: Floats
    """Standard deviation of one difference, so that ``sd / sqrt(n)`` is the standard error."""
    low: Floats
    high: Floats
    """The interval of the asked confidence."""
    p: Floats
    """Of the hypothesis that the effect is zero, two-sided."""
    p_equivalent: Floats
    """Of the hypothesis that the effect is at least as large as the margin; NaN without one."""
    skewed: NDArray[np.bool_]
    """Where the repeats are so skewed that the interval is optimistic."""


def paired(
    differences: Floats,
    *,
    margin: float | None = None,
    resolution: float = 0.0,
    confidence: float = CONFIDENCE,
) -> Estimates:
    """Estimate the mean of paired differences.

    Args:
        differences: Shape (n_effects, n_pairs), all finite.
        margin: Effects smaller than this count as none in the test of equivalence.
        resolution: Step of which all values are multiples, 0 for continuous ones. A difference that
            repeats exactly is not known better than its rounding: the standard error is at least
            that of a rounded difference, ``resolution / sqrt(6 n)``.
        confidence: Of the intervals, in (0, 1).
    """
    n = differences.shape[1]
    effect = differences.mean(axis=1)
    if n < 2:
        return _without_spread(effect, n)
    skewed = _are_skewed(differences)
    sd = differences.std(axis=1, ddof=1)
    sd[sd <= 1e-12 * np.abs(differences).max(axis=1)] = 0.0  # what the rounding of doubles leaves
    rounded = sd < resolution / math.sqrt(6)
    sd = np.maximum(sd, resolution / math.sqrt(6))
    df = n - 1.0 - skewed  # where pairs are skewed, t is too narrow
    found = _student(effect, sd, sd / math.sqrt(n), df, margin, confidence)
    method = Method.t if n < BOOTSTRAP_FROM else Method.bootstrap
    if method is Method.bootstrap:
        spread = (sd > 0) & ~rounded
        for chosen in (spread & ~skewed, spread & skewed):
            rows = np.flatnonzero(chosen)
            for some in np.array_split(rows, -(-len(rows) // _AT_ONCE) or 1):
                if len(some):
                    found[:, some] = _bootstrap(
                        differences[some], found[:, some], margin, confidence,
                        skewed=bool(skewed[some[0]]),
                    )  # fmt: skip
    low, high, p, p_equivalent = found
    return Estimates(method, n, effect, sd, low, high, p, p_equivalent, skewed)


def independent(
    a: Floats,
    b: Floats,
    *,
    margin: float | None = None,
    resolution: float = 0.0,
    confidence: float = CONFIDENCE,
) -> Estimates:
    """Estimate the difference of the means of two independent sides, ``mean(a) - mean(b)``.

    Welch's t with the degrees of freedom of Satterthwaite (1946) and Welch (1947).

    Args:
        a: Shape (n_effects, n_repeats_a), all finite.
        b: Shape (n_effects, n_repeats_b), all finite.
        margin: As for ``paired``, and so are the others.
        resolution: Step of which all values are multiples.
        confidence: Of the intervals.
    """
    n_a, n_b = a.shape[1], b.shape[1]
    n = min(n_a, n_b)
    effect = a.mean(axis=1) - b.mean(axis=1)
    if n < 2:
        return _without_spread(effect, n)
    rounding = resolution**2 / 12
    of_a = np.maximum(a.var(axis=1, ddof=1), rounding) / n_a
    of_b = np.maximum(b.var(axis=1, ddof=1), rounding) / n_b
    both = of_a + of_b
    with np.errstate(divide="ignore", invalid="ignore"):
        df = both**2 / (of_a**2 / (n_a - 1) + of_b**2 / (n_b - 1))
    df = np.where(both > 0, df, n_a + n_b - 2)
    se = np.sqrt(both)
    sd = se * math.sqrt(n)
    low, high, p, p_equivalent = _student(effect, sd, se, df, margin, confidence)
    skewed = _are_skewed(a) | _are_skewed(b)
    return Estimates(Method.welch, n, effect, sd, low, high, p, p_equivalent, skewed)


def holm(p: Floats) -> Floats:
    """Return p-values adjusted for being a family (Holm, 1979); NaN stays, and does not count.

    A hypothesis is rejected where its adjusted p-value is at most the family's error rate.
    """
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def verdict(
    effect: float, p: float, p_equivalent: float, *, more_is_better: bool, alpha: float = ALPHA
) -> Verdict | None:
    """Return what adjusted p-values say of an effect; None where there is no p-value.

    An effect that is surely smaller than the margin is equivalent, even if it is surely not zero:
    the margin says what does not matter.
    """
    if math.isnan(p):
        return None
    if p_equivalent <= alpha:
        return Verdict.equivalent
    if p > alpha:
        return Verdict.undecided
    return Verdict.better if (effect > 0) == more_is_better else Verdict.worse


def repeats_to_decide(
    effect: Floats, sd: Floats, *, tests: int = 1, margin: float | None = None
) -> NDArray[np.int64]:
    """Return how many pairs would decide effects that are as large and as scattered as they seem.

    Each would be found different from zero, or equivalent, with a chance of 80 % by its t test.

    Args:
        effect: Shape (n_effects,).
        sd: Standard deviation of one difference, same shape.
        tests: Hypotheses among which alpha is shared: those that Holm has not rejected.
        margin: Of the test of equivalence, None if there is none.

    Returns:
        Pairs in all, shape (n_effects,); 0 where more than 1000 would be needed.
    """
    from scipy.special import stdtrit

    pairs = np.arange(2, _MOST_REPEATS + 1)
    df, alpha = pairs - 1.0, ALPHA / tests
    found = np.full(len(effect), _MOST_REPEATS + 1)
    power = stdtrit(df, POWER)
    rules = [(stdtrit(df, 1 - alpha / 2) + power, np.abs(effect))]
    if margin is not None:
        both_sides = stdtrit(df, 1 - (1 - POWER) / 2)
        rules.append((stdtrit(df, 1 - alpha) + both_sides, margin - np.abs(effect)))
    for factor, size in rules:
        reach = np.minimum.accumulate(factor / np.sqrt(pairs))
        with np.errstate(divide="ignore", invalid="ignore"):
            in_sds = np.nan_to_num(size / sd, nan=0.0, posinf=np.inf, neginf=-np.inf)
        enough = np.searchsorted(-reach, -in_sds)
        found = np.minimum(found, np.where(enough < len(pairs), enough + 2, _MOST_REPEATS + 1))
    return np.where(found > _MOST_REPEATS, 0, found)


def repeats_for_half_width(sd: float, half_width: float) -> int | None:
    """Return the fewest repeats whose t interval is expected to be so narrow; None above 1000.

    Args:
        sd: Standard deviation of one repeat, or of one paired difference.
        half_width: Half of the wanted width of the 95 % interval, in the same unit, positive.
    """
    from scipy.special import stdtrit

    repeats = np.arange(2, _MOST_REPEATS + 1)
    narrow = sd * stdtrit(repeats - 1.0, 1 - ALPHA / 2) / np.sqrt(repeats) <= half_width
    return int(repeats[narrow.argmax()]) if narrow.any() else None


def step_of(fractions: Sequence[float]) -> float:
    """Return the largest step 1/k of which all fractions are multiples; 0 if they have none.

    The accuracies on a test set of k rows are such multiples.
    """
    common = 1
    for value in dict.fromkeys(fractions):
        near = Fraction(value).limit_denominator(100_000)
        common = math.lcm(common, near.denominator)
        # Some were rounded to float32, whose relative error is 6e-8.
        if common > _MOST_STEPS or abs(near - value) > 1e-6 * abs(value):
            return 0.0
    return 1 / common


def share_of_wins(values: Floats, *, more_is_better: bool) -> Floats:
    """Return how often each configuration is the best in a bootstrap over its seeds.

    Args:
        values: Shape (n_configurations, n_seeds), all finite; a column holds one seed.
        more_is_better: Whether the largest mean wins.

    Returns:
        Shares, shape (n_configurations,), that sum to 1; a tie is shared.
    """
    means = resampled_means(values)
    best = means.max(axis=0) if more_is_better else means.min(axis=0)
    tied = np.abs(means - best) <= 1e-12 * np.abs(best)
    return np.asarray((tied / tied.sum(axis=0)).mean(axis=1))


def resampled_means(values: Floats) -> Floats:
    """Return the mean of each configuration in each resample of the seeds.

    Args:
        values: Shape (n_configurations, n_seeds); a column holds one seed.

    Returns:
        Shape (n_configurations, n_resamples); always the same for the same values.
    """
    n = values.shape[1]
    return np.asarray(values @ (_counts(n).T / n))


def _without_spread(effect: Floats, n: int) -> Estimates:
    nothing = np.full(len(effect), np.nan)
    nowhere = np.zeros(len(effect), dtype=bool)
    return Estimates(Method.none, n, effect, nothing, nothing, nothing, nothing, nothing, nowhere)


def _student(
    effect: Floats, sd: Floats, se: Floats, df: Floats, margin: float | None, confidence: float
) -> Floats:
    """Return low, high, p and p of equivalence by Student's t, shape (4, n_effects)."""
    from scipy.special import stdtr, stdtrit

    half = stdtrit(df, 0.5 + confidence / 2) * se
    p = 2 * stdtr(df, -np.abs(_in_errors(effect, se)))
    p_equivalent = np.full(len(effect), np.nan)
    if margin is not None:
        p_equivalent = stdtr(df, _in_errors(np.abs(effect) - margin, se))
    return np.array([effect - half, effect + half, p, p_equivalent])


def _in_errors(size: Floats, se: Floats) -> Floats:
    """Return sizes in standard errors; a size of zero is zero of them, even without any error."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size == 0, 0.0, size / se)


def _bootstrap(
    differences: Floats,
    student: Floats,
    margin: float | None,
    confidence: float,
    *,
    skewed: bool,
) -> Floats:
    """Return what ``_student`` does by the studentized bootstrap (Efron, 1981; Hall, 1988).

    Alone it is too narrow for symmetric data with heavy tails, where Student's t is too wide. So
    the statistic is compared with an equal mixture of its resamples and of Student's t. Where the
    pairs are skewed, the wider of the two intervals counts.

    p-values invert the interval: the p-value is the error rate at which the equal-tailed interval
    ends at the tested value.

    Args:
        differences: Shape (n_effects, n_pairs).
        student: What ``_student`` gives for them, shape (4, n_effects).
        margin: As for ``paired``.
        confidence: As for ``paired``.
        skewed: Whether all of the effects are skewed; otherwise none is.
    """
    m, n = differences.shape
    effect = differences.mean(axis=1)
    se = differences.std(axis=1, ddof=1) / math.sqrt(n)
    statistics = _resampled_t(differences)
    if not skewed:
        statistics = np.concatenate([statistics, np.tile(_student_sample(n), (m, 1))], axis=1)
    statistics.sort(axis=1)
    tail = round((1 - confidence) / 2 * (statistics.shape[1] + 1))
    low = effect - statistics[:, -tail] * se
    high = effect - statistics[:, tail - 1] * se
    zero = effect / se
    p = np.minimum(2 * np.minimum(_beyond(statistics, zero, n), _below(statistics, zero, n)), 1.0)
    p_equivalent = np.full(m, np.nan)
    if margin is not None:
        above_lower = _beyond(statistics, (effect + margin) / se, n)
        below_upper = _below(statistics, (effect - margin) / se, n)
        p_equivalent = np.maximum(above_lower, below_upper)
    if skewed:
        low, high = np.minimum(low, student[0]), np.maximum(high, student[1])
        p, p_equivalent = np.maximum(p, student[2]), np.maximum(p_equivalent, student[3])
    return np.array([low, high, p, p_equivalent])


def _resampled_t(differences: Floats) -> Floats:
    """Return the t statistics of resamples around the sample's mean, shape (n_effects,
    n_resamples).

    Every effect sees the same resamples, so that a product of matrices gives all of them.
    """
    n = differences.shape[1]
    centered = differences - differences.mean(axis=1, keepdims=True)
    centered /= differences.std(axis=1, ddof=1, keepdims=True)
    share = _counts(n).T / n
    means = centered @ share
    variances = np.maximum(centered**2 @ share - means**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics: Floats = means * math.sqrt(n - 1) / np.sqrt(variances)
    statistics[np.isnan(statistics)] = 0.0
    return statistics


@lru_cache(maxsize=4)
def _student_sample(n: int) -> Floats:
    """Return as many values of Student's t as there are resamples, evenly spread over its
    quantiles, shape (n_resamples,)."""
    from scipy.special import stdtrit

    sample: Floats = stdtrit(n - 1.0, (np.arange(_RESAMPLES) + 0.5) / _RESAMPLES)
    return sample


@lru_cache(maxsize=4)
def _counts(n: int) -> Floats:
    """Return how often each of n repeats is drawn in each resample, shape (n_resamples, n); always
    the same."""
    drawn = np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    return drawn.astype(np.float64)


def _beyond(statistics: Floats, at: Floats, n: int) -> Floats:
    """Return the chance of a t statistic of at least ``at``, shape (n_effects,).

    Beyond the largest statistics their share says nothing. There the tail is continued as a power
    law (Hill, 1975), and the larger of its chance and that of Student's t counts.

    Args:
        statistics: What may occur by chance, sorted, shape (n_effects, n_statistics).
        at: Observed ones, shape (n_effects,).
        n: Pairs behind each.
    """
    from scipy.special import stdtr

    size = statistics.shape[1] + 1
    share = (1 + np.count_nonzero(statistics >= at[:, None], axis=1)) / size
    top = statistics[:, -_TAIL:]
    first = np.maximum(top[:, 0], np.finfo(float).tiny)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exponent = 1 / np.log(top[:, 1:] / first[:, None]).mean(axis=1)
        continued = _TAIL / size * (at / first) ** -exponent
    continued = np.minimum(np.fmax(continued, stdtr(n - 1.0, -at)), _TAIL / size)
    rare = (share < _TAIL / 2 / size) & (top[:, 0] > 0)
    return np.asarray(np.where(rare, continued, share))


def _below(statistics: Floats, at: Floats, n: int) -> Floats:
    """Return the chance of a t statistic of at most ``at``, as ``_beyond`` does."""
    return _beyond(-statistics[:, ::-1], -at, n)


def _are_skewed(values: Floats) -> NDArray[np.bool_]:
    """Return whether the sample skewness of at least four values exceeds 1, shape (n_effects,)."""
    if values.shape[1] < 4:
        return np.zeros(len(values), dtype=bool)
    centered = values - values.mean(axis=1, keepdims=True)
    second, third = (centered**2).mean(axis=1), (centered**3).mean(axis=1)
    return np.asarray((second > 0) & (np.abs(third) > _SKEWED * second**1.5))
