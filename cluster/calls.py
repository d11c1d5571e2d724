"""The callable on its way to a worker: what may travel, and what a failure of it says."""

from __future__ import annotations

import functools
import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from cluster.errors import CallDoesNotPickle, ProcessLost, ProcessSpent, Requeue, TaskError
from cluster.state import State


class CallEnded(NamedTuple):
    """How a task ended; ``spent``: its process cannot compute any more; ``code``: of a
    TaskError."""

    state: State
    detail: str = ""
    spent: bool = False
    code: int = 0


def pickled(call: Callable[..., None]) -> bytes:
    """Return the callable by reference, so that a worker imports it rather than being sent code.

    Raises:
        CallDoesNotPickle: A lambda, an inner function, one of the script itself, or an argument
            that does not pickle.
    """
    function: Any = call
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__":
        raise CallDoesNotPickle(
            name, "it is defined in the script itself, which a worker does not import"
        )
    try:
        return pickle.dumps(call)
    # pickle raises what it likes: PicklingError, TypeError, AttributeError, the object's own
    except Exception as problem:
        raise CallDoesNotPickle(name, f"{type(problem).__name__}: {problem}") from problem


def described(problem: BaseException) -> str:
    """Return the traceback of a failed call, without the frame that called it."""
    trace = problem.__traceback__.tb_next if problem.__traceback__ else None
    return "".join(traceback.format_exception(type(problem), problem, trace)).strip()


def attempt(call: Callable[[int], None], index: int) -> CallEnded:
    """Return how one task ended; only Ctrl-C and what a backend raises to stop the task leave it as
    an exception."""
    try:
        call(index)
    except Requeue as wish:
        return CallEnded(State.PREEMPTED, str(wish))  # only a scheduler has a queue to go back to
    except ProcessLost as lost:
        return CallEnded(lost.state, lost.reason, spent=True)
    except ProcessSpent:
        return CallEnded(State.COMPLETED, spent=True)
    except TaskError as error:
        return CallEnded(State.FAILED, str(error), code=error.code)
    except (Exception, SystemExit) as problem:
        return CallEnded(State.FAILED, described(problem))
    return CallEnded(State.COMPLETED)
