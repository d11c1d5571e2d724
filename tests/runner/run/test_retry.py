"""retry knows why something failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.record import Outcome
from artifacts.store import Store
from cluster.resources import Resources
from runner.run.retry import choose
from tests.runner.builders import profile, record, spec

SITE = profile(cpu=Resources(mem_gb=8))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.create()
    return store


def test_results_are_left_alone_unless_forced(store: Store) -> None:
    raised, fine = spec(1), spec(2)
    store.publish(record(raised.trial_id, outcome=Outcome.failed))
    store.publish(record(fine.trial_id))
    kept = choose([raised, fine], store.index("toy"), SITE, {})
    assert (kept.trials, dict(kept.results)) == (frozenset(), {"failed": 1})
    assert choose([raised, fine], store.index("toy"), SITE, {}, force=True).trials == {
        raised.trial_id
    }


def test_completed_trials_are_forced_where_named_or_where_nothing_else_is_left(
    store: Store,
) -> None:
    first, second, raised = spec(1), spec(2), spec(3)
    for fine in (first, second):
        store.publish(record(fine.trial_id))
    assert choose([first, second], store.index("toy"), SITE, {}).trials == frozenset()
    forced = choose([first, second], store.index("toy"), SITE, {}, force=True)
    assert forced.trials == forced.completed == {first.trial_id, second.trial_id}
    store.publish(record(raised.trial_id, outcome=Outcome.failed))
    assert choose([first, second, raised], store.index("toy"), SITE, {}, force=True).trials == {
        raised.trial_id
    }
    named = choose(
        [first, second, raised],
        store.index("toy"),
        SITE,
        {},
        force=True,
        only=frozenset({first.trial_id}),
    )
    assert named.trials == {first.trial_id}


def test_each_kill_for_memory_asks_for_half_as_much_again_up_to_the_target(store: Store) -> None:
    hungry = spec(1, mem_gb=4)
    store.publish(record(hungry.trial_id, 1, Outcome.out_of_memory))
    assert choose([hungry], store.index("toy"), SITE, {}).extra == {
        hungry.trial_id: {"mem_gb": 6.0}
    }
    store.publish(record(hungry.trial_id, 2, Outcome.out_of_memory))
    assert choose([hungry], store.index("toy"), SITE, {}).extra == {
        hungry.trial_id: {"mem_gb": 8.0}
    }
    store.publish(record(hungry.trial_id, 3, Outcome.out_of_memory))
    assert choose([hungry], store.index("toy"), SITE, {}).at_limit == (hungry.trial_id,)


def test_a_failed_node_is_avoided(store: Store) -> None:
    lost = spec(1)
    store.publish(record(lost.trial_id, outcome=Outcome.node_failed, node="n7"))
    assert choose([lost], store.index("toy"), SITE, {lost.trial_id: "n7"}).extra == {
        lost.trial_id: {"exclude": "n7"}
    }


@pytest.mark.parametrize(
    "outcome",
    [Outcome.timed_out, Outcome.killed, Outcome.interrupted, Outcome.preempted, Outcome.unknown],
)
def test_what_was_no_fault_of_the_trial_runs_again(store: Store, outcome: Outcome) -> None:
    unlucky = spec(1)
    store.publish(record(unlucky.trial_id, outcome=outcome))
    assert choose([unlucky], store.index("toy"), SITE, {}).trials == {unlucky.trial_id}


def test_disturbed_measurements_run_again_once_a_good_one_is_missing(store: Store) -> None:
    noisy = spec(1)
    store.publish(record(noisy.trial_id, 1, disturbed=True))
    assert choose([noisy], store.index("toy"), SITE, {}).trials == frozenset()
    assert choose([noisy], store.index("toy"), SITE, {}, disturbed=True).trials == {noisy.trial_id}
    store.publish(record(noisy.trial_id, 2, disturbed=False))
    assert choose([noisy], store.index("toy"), SITE, {}, disturbed=True).trials == frozenset()


def test_trials_that_were_not_named_or_never_ran_are_left_alone(store: Store) -> None:
    one, two, never = spec(1), spec(2), spec(3)
    for each in (one, two):
        store.publish(record(each.trial_id, outcome=Outcome.killed))
    assert choose(
        [one, two, never], store.index("toy"), SITE, {}, only=frozenset({two.trial_id})
    ).trials == {two.trial_id}
