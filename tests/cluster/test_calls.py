"""What may travel to a worker."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from functools import partial
from typing import cast

import pytest

from cluster.calls import attempt, pickled
from cluster.errors import CallDoesNotPickle, Requeue
from cluster.state import State
from tests.cluster import tasks


def ask_for_more_time(index: int) -> None:
    raise Requeue


def test_a_function_of_a_module_with_plain_arguments_travels() -> None:
    with pytest.raises(ValueError, match="task 3"):
        pickle.loads(pickled(partial(tasks.fail_on, 3)))(3)


def test_what_does_not_pickle_is_named_with_its_reason() -> None:
    with pytest.raises(CallDoesNotPickle, match=r"leave_a_mark cannot be sent.*lock"):
        pickled(partial(tasks.leave_a_mark, cast(str, threading.Lock())))


def test_a_function_of_the_script_itself_does_not_travel() -> None:
    script = "from cluster.calls import pickled\ndef mine(index): pass\npickled(mine)"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "mine cannot be sent to a worker: it is defined in the script itself" in ended.stderr


def test_a_task_that_wants_to_go_on_later_is_preempted() -> None:
    assert attempt(ask_for_more_time, 0)[0] is State.PREEMPTED
