"""A worker with other packages or variables than submit found says which."""

from __future__ import annotations

import json
import platform

import msgspec

from runner.sweep.surroundings import compared, digest_of
from tests.runner.sweep.test_submission import ENVIRONMENT

PACKAGES = {"numpy": "2.1.0", "torch": "2.5.1"}
SUBMITTED = msgspec.structs.replace(
    ENVIRONMENT, packages=PACKAGES, variables={"OMP_PROC_BIND": "close"}
)


def test_where_all_agrees_only_the_digest_is_noted() -> None:
    assert compared(SUBMITTED, dict(PACKAGES), {"OMP_PROC_BIND": "close"}) == {
        "python_version": platform.python_version(),
        "packages_digest": digest_of(PACKAGES),
    }


def test_what_differs_is_told_with_both_values() -> None:
    found = compared(SUBMITTED, {"numpy": "1.26.4", "scipy": "1.14"}, {"NCCL_DEBUG": "INFO"})
    assert found["packages_digest"] != digest_of(PACKAGES)
    assert json.loads(found["packages_differ"]) == {
        "numpy": ["2.1.0", "1.26.4"],
        "scipy": [None, "1.14"],
        "torch": ["2.5.1", None],
    }
    assert json.loads(found["variables_differ"]) == {
        "NCCL_DEBUG": [None, "INFO"],
        "OMP_PROC_BIND": ["close", None],
    }


def test_the_threads_that_a_trial_is_given_are_no_difference() -> None:
    asked = msgspec.structs.replace(SUBMITTED, variables={"OMP_NUM_THREADS": "8"})
    assert "variables_differ" not in compared(asked, PACKAGES, {"OMP_NUM_THREADS": "1"})


def test_variables_that_no_submission_froze_are_not_compared() -> None:
    before = msgspec.structs.replace(SUBMITTED, variables=None)
    assert "variables_differ" not in compared(before, PACKAGES, {"NCCL_DEBUG": "INFO"})
