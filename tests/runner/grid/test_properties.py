"""What holds for every grid: ids do not depend on how it is written, and every point is accounted
for."""

from __future__ import annotations

import json
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.grid.expand import Expanded, load_grid
from tests.runner.grid.conftest import TARGETS

small = settings(deadline=None, max_examples=30)

# Parameters of the SVM that act on each other: gamma, degree and coef0 only with some kernels.
POOL: dict[str, list[Any]] = {
    "kernel": ["linear", "poly", "rbf", "sigmoid"],
    "C": [0.5, 1, 2, 1e-3],
    "degree": [1, 2, 3, 4],
    "gamma": ["scale", "auto", 0.1, 1],
    "coef0": [0, 0.5, 2],
    "scaling": ["unit", "none"],
}
AXES = st.fixed_dictionaries(
    {},
    optional={
        key: st.lists(st.sampled_from(values), min_size=1, max_size=3)
        for key, values in POOL.items()
    },
)
SEVERAL = AXES.map(
    lambda axes: {key: values for key, values in axes.items() if len(set(map(str, values))) > 1}
)


def expand(grid: dict[str, Any]) -> Expanded:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grid.yaml")
        path.write_text(json.dumps(grid), encoding="utf-8")
        return load_grid(path, targets=TARGETS, profile_name="cluster.yaml")


def group(matrix: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"workload": "svm", "matrix": matrix, **others}


@small
@given(SEVERAL, st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_order_of_keys_changes_no_id(matrix: dict[str, Any], random: Any, repeats: int) -> None:
    keys = list(matrix)
    random.shuffle(keys)
    one = expand({"name": "x", **group(matrix, repeats=repeats)})
    other = expand(
        {
            "name": "y",
            **dict(reversed(group({key: matrix[key] for key in keys}, repeats=repeats).items())),
        }
    )
    assert sorted(one.ids) == sorted(other.ids)


@small
@given(
    st.floats(1e-12, 1e12) | st.integers(1, 10**12),
    st.sampled_from(["{!r}", "{:.17e}", "+{:.17g}", "{:.17E}"]),
)
def test_the_spelling_of_a_number_changes_no_id(value: float, spelling: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grid.yaml")
        ids = []
        for text in (repr(value), spelling.format(value)):
            path.write_text(f"name: x\nworkload: svm\nfixed: {{C: {text}}}", encoding="utf-8")
            ids += load_grid(path, targets=TARGETS, profile_name="cluster.yaml").ids
    assert ids[0] == ids[1]


@small
@given(st.lists(SEVERAL, min_size=1, max_size=3), st.integers(1, 2))
def test_every_point_is_accounted_for_and_no_trial_is_there_twice(
    matrices: list[dict[str, Any]], repeats: int
) -> None:
    expanded = expand(
        {
            "name": "x",
            "groups": [
                group(matrix, repeats=repeats, target=["cpu", "a30"]) for matrix in matrices
            ],
        }
    )
    assert len(set(expanded.ids)) == len(expanded.ids) == len(expanded.specs)
    assert expanded.ids == [spec.trial_id for spec in expanded.specs]
    for count in expanded.groups:
        assert count.points == count.excluded + count.merged + count.collapsed + count.trials
    assert sum(count.trials for count in expanded.groups) == len(expanded.specs)


@small
@given(SEVERAL, SEVERAL)
def test_a_union_of_groups_is_the_union_of_their_trials(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    apart = [expand({"name": "x", **group(matrix)}).ids for matrix in (one, other)]
    together = expand({"name": "x", "groups": [group(one), group(other)]})
    assert together.ids == list(dict.fromkeys(apart[0] + apart[1]))


@small
@given(SEVERAL, st.data())
def test_exclude_is_a_filter_over_the_product(matrix: dict[str, Any], data: st.DataObject) -> None:
    names = (
        "C",
        "scaling",
    )  # these act with every kernel, so each point of the product is a trial of its own
    matrix = {key: list(dict.fromkeys(matrix.get(key, POOL[key]))) for key in names}
    points = [
        dict(zip(names, values, strict=True), seed=seed)
        for values in product(*matrix.values())
        for seed in (0, 1)
    ]
    chosen = data.draw(st.lists(st.sampled_from(points), max_size=2))
    entries = [
        {
            key: point[key]
            for key in data.draw(st.sets(st.sampled_from([*names, "seed"]), min_size=1))
        }
        for point in chosen
    ]
    left = [
        point for point in points if not any(entry.items() <= point.items() for entry in entries)
    ]
    defaults = {"C": 1, "scaling": "unit"}
    specs = expand({"name": "x", **group(matrix, exclude=entries, repeats=2)}).specs
    assert [{**defaults, **spec.params, "seed": spec.seed} for spec in specs] == left
