"""Intervals, p-values and verdicts against simulated data of known truth.

benchmarks/coverage.py simulates the same at length. Seeds are fixed, and a bound leaves room for
three standard errors of the simulation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ttest_ind

from runner.report.statistics import (
    Floats,
    Method,
    Verdict,
    holm,
    independent,
    paired,
    repeats_for_half_width,
    repeats_to_decide,
    share_of_wins,
    step_of,
    verdict,
)

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

SYMMETRIC: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, size=shape),
    "Laplace": lambda rng, shape: rng.laplace(size=shape),
}
SKEWED: dict[str, Draw] = {
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "two variances": lambda rng, shape: (
        rng.normal(size=shape) * rng.choice([0.2, 2], size=(shape[0], 1))
    ),
}
SIZES = (3, 5, 8, 30)


def simulations(n: int) -> int:
    """How many samples of n pairs are drawn: the bootstrap takes longer."""
    return 20_000 if n < 8 else 1000


def coverage(draw: Draw, n: int) -> tuple[float, float]:
    """Share of the intervals that hold the true mean of 0, and three standard errors of it."""
    m = simulations(n)
    found = paired(draw(np.random.default_rng(n), (m, n)))
    share = float(np.mean((found.low <= 0) & (found.high >= 0)))
    return share, 3 * math.sqrt(0.05 * 0.95 / m)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_intervals_of_symmetric_data_cover_as_often_as_they_say(name: str) -> None:
    for n in SIZES:
        share, room = coverage(SYMMETRIC[name], n)
        assert 0.93 - room <= share <= 0.97 + room, n


@pytest.mark.parametrize("name", SKEWED)
def test_intervals_of_skewed_data_are_not_far_too_narrow(name: str) -> None:
    for n in SIZES:
        share, room = coverage(SKEWED[name], n)
        assert share >= (0.91 if n >= 8 else 0.88) - room, n


@pytest.mark.parametrize(("n_a", "n_b"), [(3, 3), (3, 10), (8, 5), (20, 20)])
def test_intervals_of_independent_sides_hold_with_unequal_variances(n_a: int, n_b: int) -> None:
    rng = np.random.default_rng(1)
    found = independent(5 * rng.normal(size=(20_000, n_a)), rng.normal(size=(20_000, n_b)))
    assert 0.93 <= np.mean((found.low <= 0) & (found.high >= 0)) <= 0.97


@pytest.mark.parametrize("n", [3, 6, 10])
def test_a_hundred_true_nulls_are_rarely_called_different(n: int) -> None:
    families = 1000 if n < 8 else 60
    p = paired(np.random.default_rng(n).normal(size=(families * 100, n))).p
    wrong = np.mean([holm(family).min() <= 0.05 for family in p.reshape(families, 100)])
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)


@pytest.mark.parametrize("n", [3, 7, 10])
def test_an_effect_at_the_margin_is_rarely_called_equivalent(n: int) -> None:
    m = simulations(n)
    for margin in (0.5, 2.0):
        found = paired(np.random.default_rng(n).normal(margin, 0.5, (m, n)), margin=margin)
        assert np.mean(found.p_equivalent <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / m)
        sides = np.random.default_rng(n).normal(margin, 0.5, (m, n)), np.zeros((m, n))
        assert np.mean(independent(*sides, margin=margin).p_equivalent <= 0.05) <= 0.07


@pytest.mark.parametrize("n", [2, 5, 8, 40])
def test_p_values_and_intervals_agree(n: int) -> None:
    found = paired(np.random.default_rng(n).normal(0.5, 1, (300, n)))
    outside = (found.low > 0) | (found.high < 0)
    clear = np.abs(found.p - 0.05) > 2e-3  # as fine as the resamples are
    assert np.array_equal(outside[clear], (found.p <= 0.05)[clear])


def test_a_clear_effect_survives_a_large_family_whatever_the_resamples() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0, 1, (500, 10))
    differences[0] += 12
    adjusted = holm(paired(differences).p)
    assert adjusted[0] <= 0.05
    assert adjusted[1:].min() > 0.05


def test_the_t_interval_is_that_of_the_textbook() -> None:
    found = paired(np.array([[1.0, 2.0, 3.0, 4.0]]))
    half = 3.182446 * math.sqrt(5 / 3) / 2
    assert found.method is Method.t
    assert found.low[0] == pytest.approx(2.5 - half, abs=1e-5)
    assert found.high[0] == pytest.approx(2.5 + half, abs=1e-5)
    assert found.p[0] == pytest.approx(0.0304662, abs=1e-6)


def test_welch_is_that_of_scipy() -> None:
    a = np.array([[27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6]])
    b = np.array([[27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1]])
    found = independent(a, b)
    assert found.p[0] == pytest.approx(ttest_ind(a[0], b[0], equal_var=False).pvalue, abs=1e-9)


def test_one_pair_has_no_interval_and_no_verdict_and_two_have_a_wide_one() -> None:
    alone = paired(np.array([[0.4]]))
    assert alone.method is Method.none
    assert math.isnan(alone.low[0])
    assert verdict(0.4, float(alone.p[0]), math.nan, more_is_better=True) is None
    two = paired(np.array([[0.4, 0.5]]))
    assert two.high[0] - two.low[0] > 1


def test_what_repeats_exactly_is_known_no_better_than_it_was_rounded() -> None:
    step = 1 / 36
    once = paired(np.full((1, 3), step), resolution=step, margin=0.005)
    assert once.p[0] > 0.05, "three equal steps are a coincidence of coarse values"
    far = paired(np.full((1, 3), 10 * step), resolution=step)
    assert far.p[0] < 0.01
    same = paired(np.zeros((1, 3)), resolution=step, margin=0.005)
    assert same.p[0] == 1
    assert same.p_equivalent[0] > 0.05, "the margin is finer than the values"


def test_without_a_step_an_exact_difference_is_certain() -> None:
    exact = paired(np.array([[0.3, 0.3, 0.3], [0.0, 0.0, 0.0]]), margin=0.1)
    assert exact.p.tolist() == [0.0, 1.0]
    assert exact.p_equivalent.tolist() == [1.0, 0.0]


def test_steps_are_found_from_the_values() -> None:
    assert step_of([35 / 36, 1.0, 0.5]) == pytest.approx(1 / 36)
    assert step_of([float(np.float32(351 / 360)), 350 / 360]) == pytest.approx(1 / 360)
    assert step_of([1e-12, 3e-12]) == 0, "small, not multiples of 1"
    assert step_of(np.random.default_rng(0).uniform(size=20).tolist()) == 0


def test_holm_adjusts_in_steps_and_leaves_out_what_has_no_p_value() -> None:
    adjusted = holm(np.array([0.01, math.nan, 0.04, 0.03]))
    assert adjusted[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert math.isnan(adjusted[1])


def test_verdicts_know_the_direction_and_the_margin() -> None:
    def said(effect: float, p: float, p_equivalent: float, more: bool) -> Verdict | None:
        return verdict(effect, p, p_equivalent, more_is_better=more)

    assert said(0.2, 0.01, math.nan, True) is Verdict.better
    assert said(0.2, 0.01, math.nan, False) is Verdict.worse
    assert said(-0.2, 0.01, math.nan, False) is Verdict.better
    assert said(0.2, 0.2, math.nan, True) is Verdict.undecided
    assert said(0.001, 0.01, 0.01, True) is Verdict.equivalent, "the margin says what matters"


def test_the_repeats_that_are_proposed_would_decide_most_of_the_time() -> None:
    (n,) = repeats_to_decide(np.array([1.0]), np.array([1.5]))
    rng = np.random.default_rng(0)
    decided = np.mean(paired(rng.normal(1, 1.5, (1000, int(n)))).p <= 0.05)
    assert 0.75 <= decided <= 0.9
    (more,) = repeats_to_decide(np.array([1.0]), np.array([1.5]), tests=20)
    assert more > n
    assert repeats_to_decide(np.array([0.0]), np.array([1.5])) == [0], "no number of repeats would"
    assert repeats_to_decide(np.array([0.0]), np.array([1.5]), margin=1.0)[0] > 2


def test_repeats_for_a_width() -> None:
    assert repeats_for_half_width(1.0, 10.0) == 2
    n = repeats_for_half_width(1.0, 0.5)
    assert n is not None
    assert 15 <= n <= 20
    assert repeats_for_half_width(1.0, 1e-3) is None


def test_the_best_wins_as_often_as_its_lead_is_sure() -> None:
    rng = np.random.default_rng(0)
    clear = share_of_wins(rng.normal([[0.0], [5.0]], 1, (2, 6)), more_is_better=True)
    assert clear.tolist() == [0.0, 1.0]
    tied = share_of_wins(np.array([[1.0, 2.0], [1.0, 2.0], [5.0, 6.0]]), more_is_better=False)
    assert tied.tolist() == [0.5, 0.5, 0.0]
