"""An array task with a keeper: the pack runs in a child process, so that a trial that dies costs itself and not its pack.

The keeper imports nothing heavy and starts no thread, so that forking from it is safe. It writes the record that a dead child could
not write, ends a trial that outlives its own limit, and starts a new child for what is left of the pack.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.context import ForkProcess
from pathlib import Path

from artifacts.record import Outcome
from artifacts.store import Store
from cluster.errors import ProcessLost, ProcessSpent, Requeue
from cluster.place import here
from cluster.processes import OomKills, kill_tree
from cluster.signals import sequel, stop_requested
from runner.derive import OUTCOME_AFTER, array_name, publish_derived
from runner.errors import PackFailed
from runner.freeze import read_array
from runner.journal import Ended, Journal, Started, entries

_LOOK_S = 0.5
_MARGIN_S = 15.0
"""Of the time between the warning and the end, this much is left to the keeper for writing records."""

_FAILED, _WANTS_REQUEUE = 70, 75  # EX_SOFTWARE and EX_TEMPFAIL of sysexits.h
_SPENT = 79  # none of theirs
_OWN_FAULT = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})


def run_supervised(array_path: str, index: int) -> None:
    """Run pack ``index`` like ``worker.run_task``, in a child.

    Raises:
        PackFailed: The child could not go on, for a reason that is not a trial's; the task's output says which.
        Requeue: The scheduler asked to stop; what is left of the pack wants to be run later.
    """
    keeper = _Keeper(Path(array_path))
    while True:
        child = multiprocessing.get_context("fork").Process(target=_run_in_child, args=(array_path, index))
        child.start()
        verdict = keeper.watch(child)
        code = child.exitcode
        if code == 0 and not keeper.left_open():
            return
        if code == _WANTS_REQUEUE:
            raise Requeue
        if code == _FAILED:
            raise PackFailed("its worker stopped with the error above")
        if code == _SPENT:
            keeper.settle(Outcome.killed, "it left its process unable to write its record; the task's output says why")
        elif not keeper.settle(*(verdict or keeper.cause_of_death(code or 0))):
            raise PackFailed(f"its worker ended with {_word(code or 0)} before it began a trial")
        if stop_requested():
            raise Requeue


class _Keeper:
    """Watches one child after another."""

    def __init__(self, path: Path) -> None:
        submission, self._array = read_array(path)
        self._store = Store(path.parents[4])
        self._name = array_name(self._store, path)
        self._journal = Journal(self._store.sweep_folder(submission.sweep), here().worker)
        self._oom = OomKills()
        self._grace_s = max(_MARGIN_S, (self._array.warning_s or 0) - _MARGIN_S)

    def watch(self, child: ForkProcess) -> tuple[Outcome, str] | None:
        """Until the child has ended; the outcome and the reason if it had to be killed."""
        asked_at: float | None = None
        verdict: tuple[Outcome, str] | None = None
        while child.exitcode is None:
            child.join(_LOOK_S)
            if child.exitcode is None:
                self._oom.tick()
            if verdict is not None:
                continue
            if stop_requested():
                asked_at = asked_at or time.monotonic()
                if time.monotonic() - asked_at > self._grace_s:
                    verdict = OUTCOME_AFTER[sequel()], "it could not be interrupted in time when the task was asked to stop"
            elif self._outlived_its_limit():
                verdict = Outcome.timed_out, f"it ran longer than its own limit of {self._array.trial_time_min:g} min (resources: time_min)"
            if verdict is not None and child.pid is not None:
                kill_tree(child.pid)
        return verdict

    def cause_of_death(self, code: int) -> tuple[Outcome, str]:
        """What became of the trial that the dead child was at."""
        if -code in _OWN_FAULT:
            return Outcome.crashed, f"its process died of {_word(code)}; its log has the stack"
        if -code == signal.SIGKILL and self._oom.lately():
            return Outcome.out_of_memory, "the kernel killed its process for its memory: give the group more (resources: {mem_gb: ...})"
        return Outcome.killed, f"its process ended with {_word(code)}"

    def settle(self, outcome: Outcome, message: str) -> int:
        """Write the record of every attempt that the child left open; how many there were."""
        opened = self.left_open()
        for started in opened:
            publish_derived(self._store, started, outcome, message)
            self._journal.write(Ended(started.trial, started.attempt, outcome, error=message))
        return len(opened)

    def _outlived_its_limit(self) -> bool:
        limit = self._array.trial_time_min
        return limit is not None and any(time.time() - started.at > 60 * limit for started in self.left_open())

    def left_open(self) -> list[Started]:
        """Attempts that a child of this task began and did not finish."""
        begun: dict[tuple[str, int], Started] = {}
        for entry in entries(self._journal.path):
            if isinstance(entry, Ended):
                begun.pop((entry.trial, entry.attempt), None)
            elif entry.array == self._name:
                begun[entry.trial, entry.attempt] = entry
        return list(begun.values())


def _run_in_child(array_path: str, index: int) -> None:
    from runner.worker import run_task, warm_up

    faulthandler.enable()
    multiprocessing.set_start_method(None, force=True)  # which the fork has fixed: it is the trial's to choose
    code = _FAILED
    try:
        warm_up(array_path)
        run_task(array_path, index)
        code = 0
    except Requeue:
        code = _WANTS_REQUEUE
    except ProcessSpent:
        code = _SPENT
    except ProcessLost as lost:
        code = _SPENT
        with suppress(OSError):
            print(lost, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)  # not through the parent's exit handlers, which are not the child's


def _word(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {-code} ({signal.strsignal(-code) or 'unknown'})"
