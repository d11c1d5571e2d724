"""The plan: what is left to run, and how it is cut into arrays and packs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.profile import SlurmSettings
from cluster.resources import Resources
from jobs.spec import JobSpec
from runner.planning import packing as planning
from runner.planning.packing import TASKS_PER_ARRAY, UNLIMITED, History, Plan, Window
from tests.runner.builders import profile, spec


def make_plan(specs: list[JobSpec], *arguments: Any, **options: Any) -> Plan:
    """The plan of trials by their ids."""
    return planning.make_plan(specs, [spec.trial_id for spec in specs], *arguments, **options)


def test_recorded_and_queued_trials_are_left_alone() -> None:
    specs = [spec(width) for width in range(5)]
    ids = [one.trial_id for one in specs]
    plan = make_plan(
        specs,
        profile(),
        History(completed=frozenset(ids[:2]), queued=frozenset({ids[2]})),
        window=None,
    )
    assert [item.trial for pack in plan.arrays[0].packs for item in pack] == ids[3:]
    assert (plan.trials, plan.completed, plan.queued, plan.held_back) == (2, 2, 1, 0)


def test_the_next_attempt_has_the_next_number() -> None:
    first, second = spec(1), spec(2)
    plan = make_plan(
        [first, second], profile(), History(last_attempt={first.trial_id: 3}), window=None
    )
    assert {item.trial: item.attempt for pack in plan.arrays[0].packs for item in pack} == {
        first.trial_id: 4,
        second.trial_id: 1,
    }


@pytest.mark.parametrize("window", [None, UNLIMITED])
def test_failed_trials_stand_behind_the_others_and_within_a_limit_last(
    window: Window | None,
) -> None:
    specs = [spec(width) for width in range(5)]
    ids = [one.trial_id for one in specs]
    history = History(last_attempt=dict.fromkeys(ids[:3], 1), failed=frozenset(ids[:2]))
    plan = make_plan(specs, profile(), history, window=window, pack=5)
    assert [item.trial for pack in plan.arrays[0].packs for item in pack] == [*ids[2:], *ids[:2]]
    assert [
        item.trial
        for pack in make_plan(specs, profile(), history, window=window, limit=2).arrays[0].packs
        for item in pack
    ] == ids[2:4]


def test_isolated_trials_share_no_array_with_others() -> None:
    """Their workers run one trial each."""
    specs = [spec(0), msgspec.structs.replace(spec(1), isolate=True), spec(2)]
    assert specs[1].trial_id == spec(1).trial_id
    assert [
        array.trials
        for array in make_plan(specs, profile(), History(), window=UNLIMITED, pack=9).arrays
    ] == [2, 1]


def test_one_array_for_each_resource_class() -> None:
    site = profile(cpu=Resources(cpus=2), a30=Resources(gpus=1, gpu="a30", time_min=60))
    specs = [spec(0), spec(1, target="a30"), spec(2), spec(3, mem_gb=4), spec(4, target="a30")]
    plan = make_plan(specs, site, History(), window=None)
    assert [(array.target, array.resources.mem_gb, array.trials) for array in plan.arrays] == [
        ("cpu", None, 2),
        ("a30", None, 2),
        ("cpu", 4, 1),
    ]
    assert plan.arrays[1].gpu_hours == 2


def test_limit_takes_the_first_trials_and_says_how_many_wait() -> None:
    plan = make_plan(
        [spec(width) for width in range(10)], profile(), History(), window=None, limit=3
    )
    assert (plan.trials, plan.held_back) == (3, 7)


def test_packs_of_unknown_trials_keep_the_number_of_tasks_small() -> None:
    plan = make_plan(
        [spec(width) for width in range(10_000)], profile(), History(), window=UNLIMITED
    )
    (array,) = plan.arrays
    assert len(array.packs) <= TASKS_PER_ARRAY
    assert array.trials == 10_000


def test_packs_of_known_trials_last_as_long_as_the_profile_says() -> None:
    specs = [spec(width) for width in range(100)]
    site = msgspec.structs.replace(profile(), slurm=SlurmSettings(pack_min=10))
    plan = make_plan(
        specs,
        site,
        History(duration_s={specs[0].trial_id: 60.0, specs[1].trial_id: 60.0}),
        window=UNLIMITED,
    )
    assert {len(pack) for pack in plan.arrays[0].packs} == {10}


def test_a_packs_limit_is_the_sum_of_its_trials_limits_within_the_targets() -> None:
    site = profile(cpu=Resources(time_min=100))
    plan = make_plan(
        [spec(width, time_min=10) for width in range(30)], site, History(), window=UNLIMITED, pack=4
    )
    assert plan.arrays[0].resources.time_min == 40
    assert plan.arrays[0].trial_time_min == 10
    chosen = make_plan(
        [spec(width, time_min=10) for width in range(100_000)], site, History(), window=UNLIMITED
    )
    assert max(len(pack) for pack in chosen.arrays[0].packs) == 10


def test_a_retry_runs_only_what_it_names_with_what_it_needs() -> None:
    specs = [spec(width) for width in range(3)]
    name = specs[1].trial_id
    plan = make_plan(
        specs,
        profile(),
        History(),
        window=None,
        only=frozenset({name}),
        extra={name: {"mem_gb": 6.0}},
    )
    assert [(array.trials, array.resources.mem_gb) for array in plan.arrays] == [(1, 6.0)]


def test_completed_trials_run_again_only_when_told() -> None:
    one = spec(1)
    done = History(completed=frozenset({one.trial_id}))
    assert make_plan([one], profile(), done, window=None).trials == 0
    assert (
        make_plan(
            [one], profile(), done, window=None, only=frozenset({one.trial_id}), again=True
        ).trials
        == 1
    )


def test_arrays_are_cut_to_what_the_scheduler_takes() -> None:
    specs = [spec(width) for width in range(250)]
    plan = make_plan(
        specs, profile(), History(), window=Window(max_array=101, max_tasks=None), pack=1
    )
    assert [len(array.packs) for array in plan.arrays] == [101, 101, 48]
    assert (
        len({item.trial for array in plan.arrays for pack in array.packs for item in pack}) == 250
    )


def test_packs_grow_until_the_plan_fits_the_users_limit() -> None:
    plan = make_plan(
        [spec(width) for width in range(3000)],
        profile(),
        History(),
        window=Window(None, max_tasks=20),
    )
    assert len(plan.arrays[0].packs) <= 20
