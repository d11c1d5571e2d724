"""What a request asks of the specs of its grid."""

from __future__ import annotations

from jobs.spec import JobSpec
from runner.planning.request import check_data, own_modules


def test_parameters_of_a_users_function_may_be_called_as_ours_and_be_of_any_type() -> None:
    params = {"model": {"depth": 2}, "dataset": ["a", "b"], "split": [[1, 2], 3]}
    specs = [JobSpec(workload="mylab.f:main", target="cpu", seed=0, params=params)]
    assert own_modules(specs) == ("mylab.f",)
    check_data(specs, None)
