"""Simulate how often the intervals of `runner compare` cover the truth, and how often its verdicts
are wrong.

Prints the tables of docs/comparing.md: ``python -m benchmarks.coverage`` (some minutes), or with
a number of simulations per cell: ``python -m benchmarks.coverage 2000``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from runner.report.statistics import Floats, holm, independent, paired

SIMULATIONS: Final = 20_000
SIZES: Final = (3, 4, 5, 7, 8, 10, 15, 30)
AT_ONCE: Final = 2000

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

DISTRIBUTIONS: Final[dict[str, Draw]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "Laplace": lambda rng, shape: rng.laplace(size=shape),
    "Student's t, 3 degrees": lambda rng, shape: rng.standard_t(3, size=shape),
    "uniform": lambda rng, shape: rng.uniform(-1, 1, size=shape),
    "two normals of unequal variance, mixed": lambda rng, shape: (
        rng.normal(size=shape) * rng.choice([0.5, 2.0], size=shape)
    ),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "gamma of shape 2": lambda rng, shape: rng.gamma(2, size=shape) - 2,
    "lognormal, sigma 0.5": lambda rng, shape: rng.lognormal(0, 0.5, size=shape) - np.exp(0.125),
    "lognormal, sigma 1": lambda rng, shape: rng.lognormal(0, 1, size=shape) - np.exp(0.5),
}


def chunks(simulations: int) -> Iterable[int]:
    """Return the sizes of the steps in which so many simulations are run."""
    for start in range(0, simulations, AT_ONCE):
        yield min(AT_ONCE, simulations - start)


def coverage(draw: Draw, n: int, simulations: int) -> float:
    """Return the share of 95 % intervals from n pairs that hold the true mean, 0."""
    rng = np.random.default_rng(n)
    held = 0
    for m in chunks(simulations):
        found = paired(draw(rng, (m, n)))
        held += int(np.count_nonzero((found.low <= 0) & (found.high >= 0)))
    return held / simulations


def welch_coverage(n_a: int, n_b: int, ratio: float, simulations: int) -> float:
    """Return the share of Welch's intervals that hold the true difference, 0, where side a
    scatters ``ratio`` times as widely as side b."""
    rng = np.random.default_rng(n_a * 1000 + n_b)
    found = independent(
        ratio * rng.normal(size=(simulations, n_a)), rng.normal(size=(simulations, n_b))
    )
    return float(np.mean((found.low <= 0) & (found.high >= 0)))


def family_error(draw: Draw, n: int, families: int, size: int = 100) -> float:
    """Return how often a family of true null hypotheses has any verdict."""
    rng = np.random.default_rng(n)
    wrong = 0
    for m in chunks(families * size):
        p = paired(draw(rng, (m, n))).p.reshape(-1, size)
        wrong += sum(holm(family).min() <= 0.05 for family in p)
    return wrong / families


def false_equivalence(draw: Draw, n: int, simulations: int) -> float:
    """Return how often an effect that is exactly the margin is called equivalent."""
    rng = np.random.default_rng(n)
    wrong = 0
    for m in chunks(simulations):
        wrong += int(
            np.count_nonzero(paired(draw(rng, (m, n)) + 2, margin=2.0).p_equivalent <= 0.05)
        )
    return wrong / simulations


def row(name: str, shares: Iterable[float]) -> str:
    """Return a line of a Markdown table, shares in percent."""
    return f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |"


def head(first: str, columns: Sequence[object]) -> list[str]:
    """Return the two lines above a Markdown table."""
    return [
        f"| {first} | {' | '.join(map(str, columns))} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]


def main(simulations: int) -> None:
    """Print all tables."""
    print(*head("pairs", SIZES), sep="\n")
    for name, draw in DISTRIBUTIONS.items():
        print(row(name, (coverage(draw, n, simulations) for n in SIZES)), flush=True)
    sizes = [(3, 3), (3, 10), (10, 3), (8, 8), (20, 10)]
    print("", *head("spread of a, in that of b", [f"{a} and {b}" for a, b in sizes]), sep="\n")
    for ratio in (1.0, 3.0, 10.0):
        shares = (welch_coverage(a, b, ratio, simulations) for a, b in sizes)
        print(row(f"{ratio:g}", shares), flush=True)
    print("", *head("any verdict among 100 true nulls", SIZES), sep="\n")
    for name in ("normal", "Laplace", "uniform", "exponential"):
        families = max(1, simulations // 20)
        shares = (family_error(DISTRIBUTIONS[name], n, families) for n in SIZES)
        print(row(name, shares), flush=True)
    print("", *head("called equivalent at the margin", SIZES), sep="\n")
    for name in ("normal", "Laplace", "exponential"):
        shares = (false_equivalence(DISTRIBUTIONS[name], n, simulations) for n in SIZES)
        print(row(name, shares), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIMULATIONS)
