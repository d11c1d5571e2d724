"""An array task with a supervisor: the pack runs in a child process, so that a trial that dies
costs itself and not its pack.

The supervisor imports nothing heavy and starts no thread, so that forking from it is safe. It
writes the record that its own dead child could not write, ends a trial that outlives its own limit,
and starts a new child for what is left of the pack.
"""

from __future__ import annotations

import faulthandler
import itertools
import multiprocessing
import signal
import sys
import time
import traceback
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

from artifacts.record import Outcome
from artifacts.store import Store
from cluster import startup
from cluster.child import Child
from cluster.errors import ProcessLost, ProcessSpent, Requeue
from cluster.place import here
from cluster.processes import OomKills
from cluster.signals import after_stop, stop_requested
from runner.errors import PackFailed, PublishFailed
from runner.sweep.attempts import outcome_after, publish_derived, unrecorded
from runner.sweep.journal import AttemptEnded, AttemptStarted, Entry, Journal, entries
from runner.sweep.submission import read_array

_LOOK_S = 0.5
_MARGIN_S = 15.0
"""Of the time between the warning and the end, this much is left to the supervisor for writing
records."""

_SAME_KILL_S = 1.0
"""A scheduler that kills all processes of a task is done with it within this time."""

_FAILED, _WANTS_REQUEUE = 70, 75  # EX_SOFTWARE and EX_TEMPFAIL of sysexits.h
_SPENT = 79  # none of theirs
_OWN_FAULT = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
)


def run_supervised(array_path: str, index: int) -> None:
    """Run pack ``index`` like ``worker.run_task``, in a child.

    Raises:
        PublishFailed: A record could not be written; the rest of the pack is not begun.
        PackFailed: The child could not go on, for a reason that is not a trial's; the task's output
            says which.
        Requeue: The scheduler asked to stop; what is left of the pack wants to be run later.
    """
    supervisor = _Supervisor(Path(array_path))
    for number in itertools.count():
        startup.count_from(time.time() if number else startup.process_began())
        child = Child(partial(_run_in_child, array_path, index, number))
        first = number == 0
        verdict = supervisor.watch(child, first=first)
        code = child.code or 0
        # With an attempt left open neither code is the worker's: a trial has ended the process.
        if code in (0, _WANTS_REQUEUE) and not supervisor.left_open(child):
            if code == 0:
                return
            raise Requeue
        if code == PublishFailed.code:
            raise PublishFailed(f"of task {index}", "its process says why above")
        if code == _FAILED:
            raise PackFailed("its worker stopped with the error above")
        if code == _SPENT:
            supervisor.settle(
                child,
                Outcome.killed,
                "it left its process unable to write its record; the task's output says why",
            )
        elif not supervisor.settle(
            child, *(verdict or supervisor.explain_death(child, first=first))
        ):
            raise PackFailed(f"its worker ended with {_word(code)} before it began a trial")
        if stop_requested():
            raise Requeue


class _Supervisor:
    """Watches one child after another."""

    def __init__(self, path: Path) -> None:
        submission, self._array = read_array(path)
        self._store = Store(path.parents[4])
        self._folder = self._store.sweep_folder(submission.sweep)
        self._place = here()
        self._oom = OomKills()
        self._grace_s = max(_MARGIN_S, (self._array.warning_s or 0) - _MARGIN_S)

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self._folder, self._place.worker)

    def watch(self, child: Child, *, first: bool) -> tuple[Outcome, str] | None:
        """Wait until the child has ended; return the outcome and the reason if it had to be killed.

        Args:
            child: Runs the pack.
            first: No child of this run of the task was there before.
        """
        asked_at: float | None = None
        verdict: tuple[Outcome, str] | None = None
        while child.wait(_LOOK_S) is None:
            if (
                child.birth is not None and child.birth.lives
            ):  # what killed it must stay a thing of late while its guard clears up
                self._oom.tick()
            if verdict is not None:
                continue
            if stop_requested():
                asked_at = asked_at or time.monotonic()
                if time.monotonic() - asked_at > self._grace_s:
                    verdict = (
                        self._stopped(child, first),
                        "it could not be interrupted in time when the task was asked to stop",
                    )
            elif self._outlived_its_limit(child):
                verdict = (
                    Outcome.timed_out,
                    f"it ran longer than its own limit of {self._array.trial_time_min:g} min "
                    "(resources: time_min)",
                )
            if verdict is not None:
                child.kill()
        return verdict

    def explain_death(self, child: Child, *, first: bool) -> tuple[Outcome, str]:
        """Return what became of the trial that the dead child was at."""
        code = child.code or 0
        if -code in _OWN_FAULT:
            return Outcome.crashed, f"its process died of {_word(code)}; its log has the stack"
        if -code == signal.SIGKILL and self._oom.lately():
            return (
                Outcome.out_of_memory,
                "the kernel killed its process for its memory: give the group more (resources: "
                "{mem_gb: ...})",
            )
        if code == -signal.SIGKILL:
            # Of a task that the scheduler kills the worker may be the first to go. If that is so
            # this process does not get any further.
            time.sleep(_SAME_KILL_S)
            if stop_requested():
                return self._stopped(
                    child, first
                ), "it was killed before it had stopped, after its task was asked to"
        return Outcome.killed, f"its process ended with {_word(code)}"

    def settle(self, child: Child, outcome: Outcome, message: str) -> int:
        """Write the record of every attempt that the child left open; how many there were."""
        opened = self.left_open(child)
        for started in opened:
            if publish_derived(
                self._store, started, outcome, message, time.time()
            ):  # else it died right after writing its own
                self._journal.write(
                    AttemptEnded(started.trial, started.attempt, outcome, error=message)
                )
        return len(opened)

    def left_open(self, child: Child) -> list[AttemptStarted]:
        """Return the attempts that the child began and did not finish."""
        return list(unrecorded(self._entries(child)).values())

    def _outlived_its_limit(self, child: Child) -> bool:
        limit = self._array.trial_time_min
        return limit is not None and any(
            time.time() - started.at > 60 * limit for started in self.left_open(child)
        )

    def _stopped(self, child: Child, first: bool) -> Outcome:
        """What the attempt is called that the child was at when the task was asked to stop."""
        begun = sum(isinstance(entry, AttemptStarted) for entry in self._entries(child))
        return outcome_after(after_stop(), alone=first and begun == 1)[0]

    def _entries(self, child: Child) -> list[Entry]:
        """What this very process has noted; another of its number may have written to the same file
        before."""
        if child.birth is None:
            return []
        noted = entries(self._folder, self._place.worker_name(child.birth.pid))
        first = next(
            (
                at
                for at, entry in enumerate(noted)
                if isinstance(entry, AttemptStarted) and entry.process == child.birth
            ),
            len(noted),
        )
        return noted[first:]


def _run_in_child(array_path: str, index: int, number: int) -> int:
    """Run the pack and return the exit code.

    Args:
        array_path: Of the frozen array.
        index: Of the pack.
        number: How many children this run of the task had before.
    """
    from runner.run.worker import run_task, warm_up

    faulthandler.enable()
    multiprocessing.set_start_method(
        None, force=True
    )  # which the fork has fixed: it is the trial's to choose
    code = _FAILED
    try:
        warm_up(array_path)
        run_task(array_path, index, number)
        code = 0
    except Requeue:
        code = _WANTS_REQUEUE
    except ProcessSpent:
        code = _SPENT
    except ProcessLost as lost:
        code = _SPENT
        with suppress(OSError):
            print(lost, file=sys.stderr)
    except PublishFailed as error:
        code = error.code
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
    return code


def _word(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {-code} ({signal.strsignal(-code) or 'unknown'})"
