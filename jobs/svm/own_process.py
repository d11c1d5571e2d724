"""An SVM's fit in a process of its own, where a limit is kept by this process itself.

The fit is one call into native code, and no signal reaches Python before it returns. A backend that
ends processes needs nothing of this; the inline backend has only an alarm, whose handler would wait
for the end of the fit.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from jobs.errors import CommandFailed

_CODE = "from jobs.svm.own_process import serve; serve()"


def is_called_for() -> bool:
    """Return whether an alarm is set in this process."""
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


class FitProcess:
    """A process that has imported an engine; a context manager, after which it is gone.

    Args:
        engine: Name of the module whose SVC is to be fitted.
        threads: To compute with.
    """

    def __init__(self, engine: str, threads: int) -> None:
        # Without the current folder on its path, where a file may hide a module that is needed.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._send((engine, threads))

    def __enter__(self) -> FitProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def imported(self) -> None:
        """Wait until the engine is imported."""
        self._receive()

    def fit(self, constants: Mapping[str, Any], images: Any, labels: Any) -> Any:
        """Return the classifier, fitted; what its fit raises is raised here."""
        self._send((dict(constants), images, labels))
        model, error = self._receive()
        if error is not None:
            raise error
        return model

    def _send(self, what: Any) -> None:
        try:
            pickle.dump(what, cast(BinaryIO, self._process.stdin), protocol=5)
            cast(BinaryIO, self._process.stdin).flush()
        except BrokenPipeError:
            self._receive()

    def _receive(self) -> Any:
        try:
            return pickle.load(cast(BinaryIO, self._process.stdout))
        except EOFError:
            code = self._process.wait()
            raise CommandFailed(
                "the process of the fit", f"ended with {code}", "", code or 1
            ) from None


def serve() -> None:
    """Be that process."""
    import os
    from importlib import import_module

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    engine, threads = pickle.load(sys.stdin.buffer)
    classifier = import_module(engine).SVC
    if engine.startswith("sklearnex"):
        import_module("daal4py").daalinit(threads)
    _answer(answers, None)
    constants, images, labels = pickle.load(sys.stdin.buffer)
    try:
        _answer(answers, (classifier(**constants).fit(images, labels), None))
    except Exception as error:
        _answer(answers, (None, error))


def _answer(answers: BinaryIO, what: Any) -> None:
    pickle.dump(what, answers, protocol=5)
    answers.flush()
