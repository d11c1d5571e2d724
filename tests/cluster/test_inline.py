"""The suite in this process, and what is only true of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial

import pytest

from cluster.inline import InlineBackend
from cluster.resources import Resources
from cluster.state import State
from tests.cluster import tasks
from tests.cluster.suite import TINY, BackendSuite, settle


class TestInline(BackendSuite):
    survives_death = False
    fresh_process = False
    kills_running = False

    @pytest.fixture
    def backend(self) -> Iterator[InlineBackend]:
        with InlineBackend() as backend:
            yield backend

    def test_ctrl_c_cancels_the_task_and_goes_on_up(self, backend: InlineBackend) -> None:
        handle = backend.submit(tasks.raise_keyboard_interrupt, n_tasks=2, resources=TINY)
        backend.wait(1)
        with pytest.raises(KeyboardInterrupt):
            backend.wait(1)
        assert backend.states(handle)[0] is State.CANCELLED
        assert State.CANCELLED in [event.state for event in backend.wait(0)]

    def test_the_callers_own_alarm_is_put_back(self, backend: InlineBackend) -> None:
        before = signal.getsignal(signal.SIGALRM)
        settle(
            backend,
            backend.submit(partial(tasks.sleep_on, 0), 1, Resources(time_min=0.001)),
            self.within_s,
        )
        assert signal.getsignal(signal.SIGALRM) is before
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
