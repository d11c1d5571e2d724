"""What every backend promises; a subclass supplies the ``backend`` fixture, and says where a
promise cannot be its own."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from cluster.backend import ArrayHandle, Backend, LocalBackend, TaskEvent
from cluster.environment import THREAD_VARIABLES
from cluster.errors import BackendClosed, CallDoesNotPickle, Infeasible, UnknownArray
from cluster.open import is_local
from cluster.resources import Resources
from cluster.state import State
from tests.cluster import tasks
from tests.patience import PATIENCE_S

TINY = Resources(cpus=1)

COMPLETED, FAILED, CANCELLED = State.COMPLETED, State.FAILED, State.CANCELLED


def events_until_settled(
    backend: Backend, handles: Sequence[ArrayHandle], within_s: float
) -> list[TaskEvent]:
    """Everything that happens until each task of the arrays has ended."""
    events: list[TaskEvent] = []
    outstanding = sum(handle.n_tasks for handle in handles)
    ids = {handle.id for handle in handles}
    until = time.monotonic() + within_s
    while outstanding:
        assert time.monotonic() < until, (
            f"{outstanding} tasks did not end within {within_s} s: {events}"
        )
        for event in backend.wait(1.0):
            if event.handle_id in ids:  # a backend may be shared between tests
                events.append(event)
                outstanding -= event.state.final
    return events


def settle(backend: Backend, handle: ArrayHandle, within_s: float) -> list[State]:
    """The states of an array once each of its tasks has ended."""
    events_until_settled(backend, [handle], within_s)
    return backend.states(handle)


def wait_for(backend: Backend, handle: ArrayHandle, state: State, within_s: float) -> TaskEvent:
    """The next event of that state."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        for event in backend.wait(1.0):
            if event.handle_id == handle.id and event.state is state:
                return event
    raise AssertionError(f"no task was {state} within {within_s} s")


class BackendSuite:
    """The promises. Subclasses: a ``backend`` fixture."""

    within_s = PATIENCE_S
    """How long a few tiny tasks may take, scheduling included."""
    survives_death = True
    """A task that ends its process ends no more than that."""
    time_limit_min = 2 / 60
    """The smallest limit that this backend keeps."""
    fresh_process = True
    """A task's process was started for it, or for its array."""
    kills_running = True
    """A task that runs can be cancelled."""

    @pytest.fixture
    def closable(self, backend: Backend) -> Backend:
        """A backend that the test may close; to be overridden where ``backend`` is shared between
        tests."""
        return backend

    def test_every_task_runs_once(self, backend: Backend, tmp_path: Path) -> None:
        handle = backend.submit(
            partial(tasks.leave_a_mark, str(tmp_path)), n_tasks=5, resources=TINY
        )
        assert settle(backend, handle, self.within_s) == [COMPLETED] * 5
        assert {
            file.name: len(file.read_text().splitlines()) for file in tmp_path.iterdir()
        } == dict.fromkeys("01234", 1)

    def test_submit_returns_before_anything_ends(self, backend: Backend, tmp_path: Path) -> None:
        handle = backend.submit(
            partial(tasks.wait_for_file, str(tmp_path / "gate")), n_tasks=2, resources=TINY
        )
        assert State.COMPLETED not in backend.states(handle)
        (tmp_path / "gate").touch()
        settle(backend, handle, self.within_s)

    def test_a_task_is_told_to_run_and_to_end_once_each(self, backend: Backend) -> None:
        handle = backend.submit(tasks.nothing, n_tasks=3, resources=TINY)
        events = events_until_settled(backend, [handle], self.within_s)
        for index in range(3):
            told = [event.state for event in events if event.index == index]
            assert told == [State.RUNNING, State.COMPLETED]
        assert {event.handle_id for event in events} == {handle.id}

    def test_nothing_outstanding_means_nothing_to_wait_for(self, backend: Backend) -> None:
        handle = backend.submit(tasks.nothing, n_tasks=1, resources=TINY)
        settle(backend, handle, self.within_s)
        assert backend.wait(tasks.LONG_S) == []

    def test_a_failing_task_spares_its_siblings(self, backend: Backend) -> None:
        handle = backend.submit(partial(tasks.fail_on, 2), n_tasks=4, resources=TINY)
        assert settle(backend, handle, self.within_s) == [COMPLETED, COMPLETED, FAILED, COMPLETED]

    def test_a_failure_says_what_was_raised_and_where(self, backend: Backend) -> None:
        handle = backend.submit(partial(tasks.fail_on, 0), n_tasks=1, resources=TINY)
        event = wait_for(backend, handle, FAILED, self.within_s)
        assert "ValueError: task 0 is the bad one" in event.detail
        assert "in fail_on" in event.detail

    def test_a_failure_that_has_a_code_carries_it(self, backend: Backend) -> None:
        handle = backend.submit(partial(tasks.fail_with_a_code, 0), n_tasks=2, resources=TINY)
        ended = {
            event.index: (event.state, event.code)
            for event in events_until_settled(backend, [handle], self.within_s)
            if event.state.final
        }
        assert ended == {0: (FAILED, tasks.OutOfPaper.code), 1: (COMPLETED, 0)}

    def test_an_exception_about_memory_is_an_exception(self, backend: Backend) -> None:
        handle = backend.submit(partial(tasks.run_out_of_memory, 0), n_tasks=2, resources=TINY)
        assert settle(backend, handle, self.within_s) == [FAILED, COMPLETED]

    def test_a_task_that_calls_sys_exit_has_failed(self, backend: Backend) -> None:
        handle = backend.submit(
            partial(tasks.end_the_process, "sys.exit", 0), n_tasks=2, resources=TINY
        )
        assert settle(backend, handle, self.within_s) == [FAILED, COMPLETED]

    @pytest.mark.parametrize(
        ("how", "states"),
        [
            ("kill", {State.KILLED}),
            (
                "exit",
                {State.KILLED, State.FAILED},
            ),  # a scheduler that sees the exit code may call it what it is
            ("segfault", {State.CRASHED}),
            ("abort", {State.CRASHED}),
        ],
    )
    def test_a_worker_that_dies_costs_its_current_task_only(
        self, backend: Backend, how: str, states: set[State]
    ) -> None:
        if not self.survives_death:
            pytest.skip("its tasks run in this very process")
        handle = backend.submit(partial(tasks.end_the_process, how, 1), n_tasks=4, resources=TINY)
        ended = settle(backend, handle, self.within_s)
        assert ended[1] in states
        assert [ended[0], *ended[2:]] == [COMPLETED] * 3

    def test_a_spent_process_is_given_no_other_task(self, backend: Backend, tmp_path: Path) -> None:
        handle = backend.submit(
            partial(tasks.spend_the_process, str(tmp_path), 0), n_tasks=5, resources=TINY
        )
        assert settle(backend, handle, self.within_s) == [COMPLETED] * 5
        processes = [(tmp_path / str(index)).read_text().split() for index in range(5)]
        assert [len(runs) for runs in processes] == [1] * 5
        if self.survives_death:
            assert processes.count(processes[0]) == 1

    def test_a_task_over_its_time_has_timed_out(self, backend: Backend) -> None:
        resources = Resources(cpus=1, time_min=self.time_limit_min)
        handle = backend.submit(partial(tasks.sleep_on, 0), n_tasks=2, resources=resources)
        assert settle(backend, handle, self.within_s) == [State.TIMED_OUT, COMPLETED]

    def test_waiting_tasks_can_be_cancelled(self, backend: Backend, tmp_path: Path) -> None:
        handle = backend.submit(
            partial(tasks.wait_for_file, str(tmp_path / "gate")), n_tasks=6, resources=TINY
        )
        backend.cancel(handle, [3, 5])
        (tmp_path / "gate").touch()
        assert settle(backend, handle, self.within_s) == [
            COMPLETED,
            COMPLETED,
            COMPLETED,
            CANCELLED,
            COMPLETED,
            CANCELLED,
        ]

    def test_a_running_task_can_be_cancelled(self, backend: Backend) -> None:
        if not self.kills_running:
            pytest.skip("while a task runs, nobody is there to cancel it")
        handle = backend.submit(partial(tasks.sleep_on, 0), n_tasks=2, resources=TINY)
        while wait_for(backend, handle, State.RUNNING, self.within_s).index != 0:
            pass
        backend.cancel(handle, [0])
        assert settle_rest(backend, handle, self.within_s)[0] is CANCELLED

    def test_a_whole_array_can_be_cancelled(self, backend: Backend, tmp_path: Path) -> None:
        handle = backend.submit(
            partial(tasks.wait_for_file, str(tmp_path / "never")), n_tasks=200, resources=TINY
        )
        backend.cancel(handle)
        assert settle_rest(backend, handle, self.within_s) == [CANCELLED] * 200

    def test_the_environment_says_what_was_granted(self, backend: Backend, tmp_path: Path) -> None:
        file = tmp_path / "environment.json"
        call = partial(tasks.tell_environment, str(file))
        settle(
            backend,
            backend.submit(
                call, n_tasks=1, resources=Resources(cpus=2), environment={"MINE": "here"}
            ),
            self.within_s,
        )
        seen = json.loads(file.read_text())
        assert {name: seen.get(name) for name in THREAD_VARIABLES} == dict.fromkeys(
            THREAD_VARIABLES, "2"
        )
        assert seen["MINE"] == "here"

    def test_libraries_start_as_many_threads_as_cpus_were_granted(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        if not self.fresh_process:
            pytest.skip("its libraries were loaded long before")
        file = tmp_path / "threads.json"
        settle(
            backend,
            backend.submit(partial(tasks.count_threads, str(file)), n_tasks=1, resources=TINY),
            self.within_s,
        )
        counts = json.loads(file.read_text())
        assert counts
        assert set(counts) == {1}

    def test_each_worker_is_warmed_once_before_its_first_task(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        marks, warmed = tmp_path / "marks", tmp_path / "warmed"
        marks.mkdir()
        warmed.mkdir()
        handle = backend.submit(
            partial(tasks.leave_a_mark, str(marks)),
            n_tasks=6,
            resources=TINY,
            warm=partial(tasks.warm_up, str(warmed)),
        )
        assert settle(backend, handle, self.within_s) == [COMPLETED] * 6
        workers = {int(file.read_text()) for file in marks.iterdir()}
        assert {f"warm-{pid}" for pid in workers} <= {file.name for file in warmed.iterdir()}

    def test_a_failed_warm_up_fails_every_task_with_its_text(self, backend: Backend) -> None:
        handle = backend.submit(
            tasks.nothing, n_tasks=3, resources=TINY, warm=tasks.fail_to_warm_up
        )
        events = events_until_settled(backend, [handle], self.within_s)
        ended = [event for event in events if event.state.final]
        assert [event.state for event in ended] == [FAILED] * 3
        assert all("RuntimeError: no such dataset" in event.detail for event in ended)

    def test_what_no_node_could_run_is_refused_before_it_is_queued(self, backend: Backend) -> None:
        with pytest.raises(Infeasible, match="'big' can never run here"):
            backend.submit(tasks.nothing, n_tasks=1, resources=Resources(cpus=100_000), name="big")
        assert backend.wait(0.1) == []

    def test_a_call_that_cannot_travel_is_refused(self, backend: Backend) -> None:
        with pytest.raises(CallDoesNotPickle, match="lambda"):
            backend.submit(lambda index: None, n_tasks=1, resources=TINY)
        assert backend.wait(0.1) == []

    def test_a_handle_of_another_backend_is_unknown(self, backend: Backend) -> None:
        with pytest.raises(UnknownArray, match="nobody-7"):
            backend.states(ArrayHandle("nobody-7", "array", 1))

    def test_two_arrays_get_through_side_by_side(self, backend: Backend) -> None:
        one = backend.submit(tasks.nothing, n_tasks=4, resources=TINY)
        other = backend.submit(partial(tasks.fail_on, 1), n_tasks=3, resources=Resources(cpus=2))
        events_until_settled(backend, [one, other], self.within_s)
        assert backend.states(one) == [COMPLETED] * 4
        assert backend.states(other) == [COMPLETED, FAILED, COMPLETED]

    @pytest.mark.parametrize("heed", [True, False])
    def test_tasks_under_way_are_asked_to_stop_and_then_killed(
        self, closable: LocalBackend, tmp_path: Path, heed: bool
    ) -> None:
        if not is_local(closable.name):
            pytest.skip("its scheduler asks them")
        handle = closable.submit(
            partial(tasks.wait_to_be_stopped, str(tmp_path), heed), n_tasks=20, resources=TINY
        )
        grace_s = 2 * self.within_s if heed else 0.1
        with signal_once(lambda: any(tmp_path.iterdir()), lambda: closable.stop(grace_s)):
            events = events_until_settled(closable, [handle], self.within_s)
        begun = {event.index for event in events if event.state is State.RUNNING}
        ended = {event.index: event for event in events if event.state.final}
        assert len(begun) < 20
        for index, event in ended.items():
            assert event.state is (State.PREEMPTED if heed and index in begun else CANCELLED)
            assert ("asked to stop, and had not after 0.1 s" in event.detail) is (
                not heed and index in begun
            )

    def test_a_closed_backend_takes_nothing_more(self, closable: Backend) -> None:
        closable.submit(tasks.nothing, n_tasks=1, resources=TINY)
        closable.close()
        closable.close()
        with pytest.raises(BackendClosed):
            closable.submit(tasks.nothing, n_tasks=1, resources=TINY)


@contextmanager
def signal_once(when: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Have a signal's handler do something in the block, once a condition holds."""
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: act())
    over = threading.Event()

    def send() -> None:
        while not when() and not over.wait(0.02):
            pass
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGUSR1, before)


def settle_rest(backend: Backend, handle: ArrayHandle, within_s: float) -> list[State]:
    """The states once every task has ended, when some of the events were taken already."""
    until = time.monotonic() + within_s
    while not all(state.final for state in backend.states(handle)):
        assert time.monotonic() < until, f"not ended within {within_s} s: {backend.states(handle)}"
        backend.wait(0.5)
    return backend.states(handle)
