"""One submit at a time per sweep: an advisory lock that a killed process gives back by dying."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from artifacts.publish import translate_write_errors
from runner.errors import LocksMissing, SweepBusy

_FILE = "lock"
_RETRY_S = 0.2
_GLANCE_S = 1.0


@contextmanager
def sweep_lock(sweep_folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the sweep for this process; SweepBusy if another one still holds it after ``wait_s``
    seconds.

    The lock file goes with its sweep only. Whoever waited for one that is gone takes the new one:
    else two processes could both believe they hold the sweep.
    """
    path = sweep_folder / _FILE
    # A command that only looks holds it for a moment: that is no other submit.
    deadline = time.monotonic() + max(wait_s, _GLANCE_S)
    while True:
        with translate_write_errors(path):
            sweep_folder.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        with file:
            _acquire(file, path, deadline)
            if not _is_at(file, path):
                continue
            # sbatch takes it along (cluster/slurm/commands.py): a submit that is killed leaves
            # nothing that still queues without it.
            os.set_inheritable(file.fileno(), True)
            file.truncate(0)
            json.dump(
                {
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                },
                file,
            )
            file.flush()
            yield
            return


def _acquire(file: TextIO, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise SweepBusy(path.parent.name, _holder(path.parent)) from None
            time.sleep(_RETRY_S)
        except OSError as error:
            raise LocksMissing(str(path), error.strerror or type(error).__name__) from None


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether an open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_held(sweep_folder: Path) -> bool:
    """Return whether a submit is driving the sweep right now; changes nothing."""
    try:
        with (sweep_folder / _FILE).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (
        OSError
    ):  # there is none, or it cannot be asked: a colleague's, or on a file system without locks
        return False
    return False


def _holder(sweep_folder: Path) -> str:
    try:
        words = json.loads((sweep_folder / _FILE).read_text())
        return f"process {words['pid']} on {words['host']} since {words['since']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "its holder is just starting"
