"""What runs on the node: ``python -P -m cluster.slurm.task PICKLE FIRST`` makes one call of an
array."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from pathlib import Path

from cluster import place, signals
from cluster.errors import ProcessSpent, Requeue, TaskError
from cluster.slurm import requeue as slurm_requeue

_SHARED_FILES_LAG_S = 60


def main(pickle: str, first: str) -> int:
    """Load the callable, call it with this task's index, and queue the task again if it asks for
    that; returns the exit code."""
    slurm_requeue.listen()  # before anything slow: until then USR2 kills
    signals.ask_scheduler(
        slurm_requeue.after_stop, slurm_requeue.earlier_end, slurm_requeue.neighbors
    )
    place.enter(slurm_requeue.place())
    # Only now: submitit reads the environment, and takes time to import.
    from submitit.core.job_environment import JobEnvironment
    from submitit.core.utils import DelayedSubmission

    path = Path(pickle)
    os.environ["SUBMITIT_FOLDER"] = str(path.parent)
    job = JobEnvironment()
    _wait_for(path)
    delayed = DelayedSubmission.load(path)
    try:
        if (warm := delayed.kwargs["warm"]) is not None:
            warm()
        delayed.function(int(first) + int(job.array_task_id))
    except Requeue:
        task_end = slurm_requeue.task_end()
        logging.getLogger("submitit").info("asked to stop; this task %s", task_end)
        if task_end is slurm_requeue.TaskEnd.ASKS_AGAIN:
            slurm_requeue.queue_again()
        return 1  # if it runs again, this exit counts for nothing
    except ProcessSpent:
        return 0  # this one ends here in any case
    except TaskError as error:
        traceback.print_exc()
        return error.code
    except SystemExit as leaving:
        return (
            leaving.code if isinstance(leaving.code, int) and leaving.code else 1
        )  # a call that leaves has not come to its end
    return 0


def _wait_for(path: Path) -> None:
    """A file that the login node has written may take a while to be seen from here."""
    end = time.monotonic() + _SHARED_FILES_LAG_S
    while not path.exists():
        if time.monotonic() > end:
            raise FileNotFoundError(
                f"{path}: is its folder on a file system that this node shares with the login node?"
            )
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
