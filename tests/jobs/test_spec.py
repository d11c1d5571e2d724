"""Equal specs have equal ids, on any machine and in any year."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.spec import JobSpec, NotPlain, decode, encode, plain

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def spec(params: dict[str, Any], **changes: Any) -> JobSpec:
    return JobSpec(**{"workload": "train", "target": "a30", "seed": 0, "params": params, **changes})


@pytest.mark.parametrize(
    ("given_spec", "trial_id"),
    [
        (spec({}), "6609c876adc0f472"),
        (spec({"dataset": "mnist", "lr": 1e-4, "split": [0.7, 0.1, 0.2]}), "5989793513634c06"),
        (spec({"kernel": "poly"}, workload="svm", target="cpu", seed=4), "15c855bfd4d9414f"),
        (
            spec({"a": None, "b": {"c": [True, "ü", 1e300]}}, workload="my.module:main"),
            "495a0fe16ae90e05",
        ),
    ],
)
def test_ids_never_change(given_spec: JobSpec, trial_id: str) -> None:
    """If this fails, every store in the world has lost its trials: mend the code, not the test."""
    assert given_spec.trial_id == trial_id


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (0, -0.0), (1e-3, 0.001), (100, 1e2), ([1, 2], (1.0, 2.0)), ({"a": 3.0}, {"a": 3})],
)
def test_the_spelling_of_a_number_does_not_matter(one: Any, other: Any) -> None:
    assert spec({"x": one}).trial_id == spec({"x": other}).trial_id


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (0, None), ("1", 1), (0.1, 0.1 + 1e-17 + 2e-17), ([1], 1)],
)
def test_different_values_differ(one: Any, other: Any) -> None:
    assert spec({"x": one}).trial_id != spec({"x": other}).trial_id


def test_the_order_of_keys_does_not_matter() -> None:
    assert (
        spec({"a": 1, "b": {"c": 1, "d": 2}}).trial_id
        == spec({"b": {"d": 2, "c": 1}, "a": 1}).trial_id
    )


@pytest.mark.parametrize(
    "change", [{"workload": "svm"}, {"target": "t4"}, {"seed": 1}, {"params": {"lr": 0.5}}]
)
def test_what_defines_the_computation_is_part_of_the_id(change: dict[str, Any]) -> None:
    assert spec(**{"params": {}, **change}).trial_id != spec({}).trial_id


def test_resources_and_group_are_not_part_of_the_id() -> None:
    assert spec({}, resources={"time_min": 3}, group="first").trial_id == spec({}).trial_id


def test_another_process_with_another_hash_seed_finds_the_same_id() -> None:
    code = (
        "from jobs.spec import JobSpec; print(JobSpec(workload='w', target='t', seed=1, "
        "params={'b': 2.0, 'a': ['x']}).trial_id)"
    )
    ids = {
        subprocess.check_output(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, text=True
        ).strip()
        for seed in "12"
    }
    assert ids == {spec({"a": ["x"], "b": 2}, workload="w", target="t", seed=1).trial_id}


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_a_spec_survives_its_file(params: dict[str, Any]) -> None:
    original = spec({key: plain(params[key]) for key in sorted(params)})
    assert decode(encode([original])) == [original]
    assert decode(encode([original]))[0].trial_id == original.trial_id == spec(params).trial_id


@given(VALUES)
def test_plain_values_stay_as_they_are(value: Any) -> None:
    assert plain(plain(value)) == plain(value)
    assert json.loads(json.dumps(plain(value))) == plain(value)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**63, -(2**63) - 1, object(), {1: 2}, [float("-inf")], {1, 2}],
)
def test_what_json_would_bend_is_refused(value: Any) -> None:
    with pytest.raises(NotPlain):
        plain(value)


def test_a_line_that_is_no_spec_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"workload": "train", "target": "cpu", "seed": 0, "params": {}, "color": "red"}\n')
