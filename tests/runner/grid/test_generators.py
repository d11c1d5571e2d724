"""Axes given by their ends have the values that a person would have written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.grid.generators import BadGenerator, generate


@pytest.mark.parametrize(
    ("generator", "values"),
    [
        ({"linspace": [0, 1, 11]}, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ({"linspace": [5, 1, 3]}, [5, 3, 1]),
        ({"linspace": [0.1, 7, 1]}, [0.1]),
        ({"linspace": [-0.1, 0.1, 3]}, [-0.1, 0, 0.1]),
        ({"logspace": [1e-5, 1e-2, 4]}, [1e-5, 1e-4, 1e-3, 1e-2]),
        ({"logspace": [1e-2, 1e-5, 4]}, [1e-2, 1e-3, 1e-4, 1e-5]),
        ({"logspace": [16, 128, 4]}, [16, 32, 64, 128]),
        ({"logspace": [3e-4, 1, 1]}, [3e-4]),
        ({"range": [0, 4]}, [0, 1, 2, 3]),
        ({"range": [1, 9, 2]}, [1, 3, 5, 7]),
        ({"range": [0, 0.5, 0.1]}, [0, 0.1, 0.2, 0.3, 0.4]),
        ({"range": [3, 0, -1]}, [3, 2, 1]),
        ({"range": [3, 3]}, []),
        ({"linspace": [1, 2, 0]}, []),
    ],
)
def test_values(generator: dict[str, Any], values: list[float]) -> None:
    assert generate(generator, most=100) == (len(values), values)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        ({"linspace": [1, 2]}, "linspace needs [first, last, n]"),
        ({"linspace": 3}, "linspace needs [first, last, n]"),
        ({"linspace": [1, 2, 2.5]}, "a whole one, not 2.5"),
        ({"linspace": [1, 2, -1]}, "the number of values"),
        ({"linspace": [1, float("inf"), 3]}, "all numbers"),
        ({"logspace": [0, 1, 3]}, "above 0"),
        ({"logspace": ["a", 1, 3]}, "all numbers"),
        ({"range": [1]}, "[start, stop] or [start, stop, step]"),
        ({"range": [1, 2, 0]}, "steps of 0"),
        ({"range": [True, 2]}, "all numbers"),
    ],
)
def test_arguments_of_another_form_are_refused(generator: dict[str, Any], message: str) -> None:
    with pytest.raises(BadGenerator) as caught:
        generate(generator, most=100)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "generator", [{"range": [0, 1e15]}, {"linspace": [0, 1, 10**15]}, {"logspace": [1, 2, 10**15]}]
)
def test_an_endless_axis_is_counted_and_not_built(generator: dict[str, Any]) -> None:
    assert generate(generator, most=1000) == (10**15, [])


WRITTEN = st.builds(
    lambda digits, power: float(f"{digits}e{power}"), st.integers(1, 999), st.integers(-9, 6)
)


@settings(deadline=None)
@given(WRITTEN, WRITTEN, st.integers(2, 50))
def test_both_ends_are_exact(first: float, last: float, n: int) -> None:
    for name in ("linspace", "logspace"):
        count, values = generate({name: [first, last, n]}, most=100)
        assert (count, len(values), values[0], values[-1]) == (n, n, first, last)
        assert values == sorted(values, reverse=first > last)
