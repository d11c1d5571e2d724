"""Every second belongs to one phase, or to the runner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import UnknownPhase
from jobs.measure.clock import PHASES, PhaseClock


class Hands:
    """A clock that is moved by hand; counts how often the device was waited for."""

    def __init__(self) -> None:
        self.at, self.waits = 100.0, 0
        self.clock = PhaseClock(lambda: self.at, self.wait)

    def wait(self) -> None:
        self.waits += 1


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_an_inner_phase_stops_the_outer_one(hands: Hands) -> None:
    hands.at += 1
    with hands.clock.phase("train"):
        hands.at += 2
        with hands.clock.phase("eval"):
            hands.at += 4
            with hands.clock.phase("train"):
                hands.at += 8
        hands.at += 16
    hands.at += 32
    assert hands.clock.ledger() == {
        "train_s": 26.0,
        "eval_s": 4.0,
        "overhead_s": 33.0,
        "total_s": 63.0,
    }


def test_a_phase_that_was_not_entered_is_missing(hands: Hands) -> None:
    assert hands.clock.ledger() == {"overhead_s": 0.0, "total_s": 0.0}


def test_the_device_is_waited_for_at_the_edges_only(hands: Hands) -> None:
    with hands.clock.phase("train"):
        assert hands.waits == 1
    assert hands.waits == 2
    hands.clock.ledger()
    assert hands.waits == 2


def test_an_exception_closes_the_phase_and_comes_out_as_it_was(hands: Hands) -> None:
    def broken() -> None:
        raise RuntimeError("the device is gone")

    clock = PhaseClock(lambda: hands.at, lambda: broken() if hands.waits else hands.wait())

    def fail() -> None:
        hands.at += 1
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"), clock.phase("train"):
        fail()
    hands.at += 2
    assert clock.ledger() == {"train_s": 1.0, "overhead_s": 2.0, "total_s": 3.0}


def test_a_running_phase_is_read_up_to_now(hands: Hands) -> None:
    with hands.clock.phase("data"):
        hands.at += 3
        assert hands.clock.phases() == {"data": 3.0}
        hands.at += 1
    assert hands.clock.phases() == {"data": 4.0}


def test_earlier_attempts_count(hands: Hands) -> None:
    with hands.clock.phase("train"):
        hands.at += 1
        hands.clock.carry({"train": 10.0, "write": 2.0})
        hands.at += 1
    assert hands.clock.ledger() == {
        "train_s": 12.0,
        "write_s": 2.0,
        "overhead_s": 0.0,
        "total_s": 14.0,
    }


def test_unknown_phases_are_refused(hands: Hands) -> None:
    with pytest.raises(UnknownPhase), hands.clock.phase("lunch"):
        pass
    with pytest.raises(UnknownPhase):
        hands.clock.carry({"lunch": 1.0})


@given(
    st.recursive(
        st.integers(0, 9),
        lambda inner: st.tuples(st.sampled_from(PHASES), st.lists(inner, max_size=3)),
        max_leaves=8,
    )
)
def test_however_they_nest_the_phases_and_the_runner_make_the_total(plan: object) -> None:
    hands = Hands()

    def follow(step: object) -> None:
        if isinstance(step, tuple):
            with hands.clock.phase(step[0]):
                for inner in step[1]:
                    follow(inner)
        else:
            assert isinstance(step, int)
            hands.at += step

    follow(plan)
    ledger = hands.clock.ledger()
    total = ledger.pop("total_s")
    assert total == hands.at - 100
    assert sum(ledger.values()) == total
    assert min(ledger.values()) >= 0
