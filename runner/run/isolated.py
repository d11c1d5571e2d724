"""Trials in processes of their own on the inline backend, which has but one: ``python -m
runner.run.isolated ARRAY INDEX`` runs a pack.

A group asks for it with ``isolate: true``. Once a trial has left the driver's process unfit for
others, all that follow get a process each, too.
"""

from __future__ import annotations

import faulthandler
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from cluster.errors import ProcessLost, ProcessSpent, Requeue
from cluster.processes import kill_tree
from cluster.signals import WARNING, stop_requested
from cluster.state import State
from jobs.frozen import fits
from runner.errors import PackFailed, PublishFailed
from runner.run.interruption import STOPPING
from runner.run.worker import run_task, warm_up
from runner.sweep.submission import read_array

_LOOK_S = 0.2
_FAILED, _WANTS_REQUEUE = 70, 75  # EX_SOFTWARE and EX_TEMPFAIL of sysexits.h
_OWN_FAULT = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
)

_spent = False


def run_inline(array_path: str, index: int) -> None:
    """Run pack ``index`` like ``worker.run_task``, in a new process if its trial or the state of
    this one calls for it.

    Raises:
        ProcessLost: The new process died of what its trial did.
        PackFailed: The new process could not go on, for a reason that is not a trial's; its output
            says which.
        PublishFailed, Requeue, ProcessSpent: As in ``worker.run_task``.
    """
    global _spent
    submission, array = read_array(Path(array_path))
    if not fits(submission.copies):
        _spent = True  # other code of the user's is loaded that cannot be dropped
    if _spent or any(submission.spec(line).isolate for line, _ in array.packs[index]):
        _run_in_new_process(array_path, index)
        return
    try:
        run_task(array_path, index)
    except ProcessSpent:
        _spent = True
        raise


def _run_in_new_process(array_path: str, index: int) -> None:
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, {WARNING, *STOPPING}
    )  # the child must not die of them before it listens
    try:
        # -P: a file in the current folder that is called like one of our modules is not taken for
        # it.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "runner.run.isolated", array_path, str(index)]
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        while (code := _wait(child)) is None:
            if stop_requested():
                child.send_signal(WARNING)
    finally:  # a second Ctrl-C, or a limit of time
        if child.poll() is None:
            kill_tree(child.pid)
            child.wait()
    if code == _WANTS_REQUEUE and stop_requested():  # else a trial has ended its process with it
        raise Requeue
    if code == PublishFailed.code:
        raise PublishFailed(f"of task {index}", "its process says why above")
    if code == _FAILED:
        raise PackFailed("its process stopped with the error above")
    if code:
        how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        raise ProcessLost(
            State.CRASHED if -code in _OWN_FAULT else State.KILLED, f"its process ended with {how}"
        )


def _wait(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return None


def _main(array_path: str, index: str) -> int:
    faulthandler.enable()
    # the process that started this one decides what follows, and sends the warning, which stays
    # pending
    for number in STOPPING:
        signal.signal(number, lambda _number, _frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    warm_up(array_path)
    try:
        run_task(array_path, int(index))
    except ProcessSpent:
        pass
    except Requeue:
        return _WANTS_REQUEUE
    except PublishFailed as error:
        print(error, file=sys.stderr)
        return error.code
    except Exception:  # not Python's own code 1, with which scripts like to end
        traceback.print_exc()
        return _FAILED
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
