"""What several attempts saw, told as one trial's."""

from __future__ import annotations

import pytest

from jobs.measure.readings import Readings


@pytest.mark.parametrize(
    ("earlier", "now", "together"),
    [
        (None, None, None),
        ([], None, None),
        (None, [], None),
        ([], [], []),
        (["steal"], None, ["in an earlier attempt: steal"]),
        (["steal"], ["load"], ["in an earlier attempt: steal", "load"]),
        (["in an earlier attempt: steal", "steal"], [], ["in an earlier attempt: steal"]),
    ],
)
def test_a_disturbance_of_any_attempt_is_the_trials(
    earlier: list[str] | None, now: list[str] | None, together: list[str] | None
) -> None:
    assert Readings(now).after(Readings(earlier)).disturbed_by == together


def test_energy_is_that_of_all_attempts_or_missing() -> None:
    now = Readings([], {"gpu_energy_j": 2.0, "cpu_energy_j": 3.0})
    assert now.after(Readings([], {"gpu_energy_j": 5.0})).energy_j == {"gpu_energy_j": 7.0}
