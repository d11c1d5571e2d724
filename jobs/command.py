"""A command line as a workload: ``command: "python train.py --lr {lr} --seed {seed}"``.

The command is split into words first and filled in then, without a shell: no value can become more
than a part of its word. Its results are a JSON file, or a line ``runner: {...}`` of its output.
What it is told beside its words stands in its environment.
"""

from __future__ import annotations

import codecs
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from string import Formatter
from typing import Any, Final

from artifacts.columns import RESERVED
from cluster.machine import GIB
from jobs import work_folder
from jobs.context import Context
from jobs.errors import BadResult, BadWorkload, CommandFailed, StopRequested
from jobs.frozen import copy_of

PROMPT: Final = "$ "
"""What the name of such a workload begins with, in specs and records."""
GIVEN: Final = ("seed", "trial", "target")
"""Placeholders that are filled by the runner, and are no parameters."""
RESULTS_LINE: Final = "runner:"

_LOOK_S: Final = 0.1
_KEPT_BYTES: Final = 2**20
"""Of the end of the output: the results are looked for there."""
_SHOWN_LINES: Final = 30
"""Of the end of the output of a command that failed, in the record."""

Word = tuple[tuple[str, str | None], ...]
"""Pieces of (text, placeholder behind it)."""


@dataclass(frozen=True)
class Command:
    """A command line, read."""

    words: tuple[Word, ...]
    """Split as a shell would, not yet filled."""
    folder: str
    """Where it runs: the first of the folders that has the script it names; of frozen code a folder
    that looks like it, see ``jobs.work_folder``."""
    script: Path | None = None
    """That script."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the placeholders that the grid fills, in their order."""
        names = (
            name
            for word in self.words
            for _, name in word
            if name is not None and name not in GIVEN
        )
        return tuple(dict.fromkeys(names))

    def filled(self, values: Mapping[str, Any]) -> list[str]:
        """Return the words with the values in them: text as it is, everything else as JSON."""
        return [
            "".join(text + ("" if name is None else _spelled(values[name])) for text, name in word)
            for word in self.words
        ]


def read(name: str, folders: tuple[str, ...]) -> Command:
    """Read the command line behind the prompt.

    Args:
        folders: Where its script may lie; the first one if it names none.

    Raises:
        BadWorkload: It cannot be split, a placeholder is none, or its script is in none of the
            folders.
    """
    try:
        words = tuple(_pieces(name, word) for word in shlex.split(name.removeprefix(PROMPT)))
    except ValueError as error:
        raise BadWorkload(
            name,
            f"cannot be split into words ({error}); write a literal brace twice, {{{{ or }}}}",
        ) from None
    if not words:
        raise BadWorkload(name, "is empty: write a command such as python train.py --lr {lr}")
    files = [text for ((text, placeholder), *rest) in words if placeholder is None and not rest]
    places = folders or (str(Path.cwd()),)
    for file in files:
        found = next((folder for folder in places if _is_file(folder, file)), None)
        if found is not None:
            return Command(words, found, Path(found) / file)
        if file.endswith(".py"):
            raise BadWorkload(name, f"there is no {file} in {' or '.join(places)}")
    return Command(words, places[0])


def run(command: Command, /, *, context: Context, **values: Any) -> dict[str, Any] | None:
    """Run the command to its end and return its results; its output is this trial's.

    Raises:
        StopRequested: It was told to stop, and ended without results.
        CommandFailed: Its exit code is not 0, or a signal ended it.
        BadResult: What it gave as results is no JSON object.
    """
    given = {"seed": context.seed, "trial": context.trial, "target": context.target}
    # a script that is named by its whole path was found live, and is run from the frozen code
    live = str(command.script)
    words = [
        (copy_of(word) or word) if word == live else word
        for word in command.filled({**values, **given})
    ]
    results = context.files / f"results-{context.attempt}.json"
    results.unlink(missing_ok=True)
    folder = work_folder.make(command.folder, context.files)
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=_environment(context, results),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all it starts can be told, and ended, together
        )
    except OSError as error:
        raise CommandFailed(
            shlex.join(words), f"could not be started ({error.strerror})", ""
        ) from None
    try:
        code, output = _follow(process, context)
    finally:
        _signal(
            process, signal.SIGKILL
        )  # what it left behind, or itself where something ends this attempt
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        work_folder.tidy(context.files)
    found = _results(results, output)
    if context.stop_requested() and (code != 0 or found is None):
        raise StopRequested("the command was asked to stop")
    if code != 0:
        raise CommandFailed(
            shlex.join(words), _word(code), "\n".join(output.splitlines()[-_SHOWN_LINES:]), code
        )
    return found


def _pieces(name: str, word: str) -> Word:
    pieces = []
    for text, placeholder, form, conversion in Formatter().parse(word):
        if placeholder is not None:
            if not placeholder or placeholder.isdigit() or form or conversion:
                raise BadWorkload(
                    name,
                    f"'{word}' has a placeholder that is not a name: write {{lr}}, and {{{{ }}}} "
                    "for braces",
                )
            if placeholder in RESERVED and placeholder not in GIVEN:
                problem = "is a column of every record and no parameter"
                raise BadWorkload(
                    name,
                    f"its placeholder '{placeholder}' {problem}: call it something else, or read "
                    "$RUNNER_...",
                )
        pieces.append((text, placeholder))
    return tuple(pieces) or (("", None),)


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _environment(context: Context, results: Path) -> dict[str, str]:
    """Return the command's environment: this process's, its Python first on the path, and what a
    function's context has."""
    variables = {
        "RUNNER_TRIAL": context.trial,
        "RUNNER_SWEEP": context.sweep,
        "RUNNER_ATTEMPT": str(context.attempt),
        "RUNNER_SEED": str(context.seed),
        "RUNNER_TARGET": context.target,
        "RUNNER_DEVICE": context.device,
        "RUNNER_THREADS": str(context.threads),
        "RUNNER_FILES": str(context.files),
        "RUNNER_CHECKPOINT": str(context.checkpoint_folder),
        "RUNNER_RESULTS": str(results),
    }
    if context.data_dir is not None:
        variables["RUNNER_DATA"] = str(context.data_dir)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **variables}


def _follow(process: subprocess.Popen[bytes], context: Context) -> tuple[int, str]:
    """Pass its output on until it has ended, and the wish to stop to all it started; the exit code
    and the end of the output."""
    assert process.stdout is not None
    output = _Output(process.stdout.fileno())
    end = os.pidfd_open(process.pid)
    asked = False
    try:
        with DefaultSelector() as selector:
            selector.register(end, EVENT_READ)
            selector.register(output.pipe, EVENT_READ)
            while end not in (ready := {key.fd for key, _ in selector.select(_LOOK_S)}):
                if output.pipe in ready and not output.pass_on():
                    selector.unregister(output.pipe)
                if not asked and context.stop_requested():
                    asked = True
                    _signal(process, signal.SIGTERM)
    finally:
        os.close(end)
    # a process that it left behind may hold the pipe open: what is there now is all
    output.pass_on()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    context.note(host_rss_gb=usage.ru_maxrss * 1024 / GIB)
    return process.returncode, output.end


class _Output:
    """What a command prints, passed on to this trial's own output."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self._kept = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(pipe, False)

    @property
    def end(self) -> str:
        """Return the end of all that was passed on."""
        return self._kept.decode("utf-8", "replace")

    def pass_on(self) -> bool:
        """Pass on what is in the pipe now; whether more can come."""
        try:
            while chunk := os.read(self.pipe, 2**16):
                sys.stdout.write(self._decoder.decode(chunk))
                sys.stdout.flush()
                self._kept = (self._kept + chunk)[-_KEPT_BYTES:]
        except BlockingIOError:
            return True
        return False


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _results(file: Path, output: str) -> dict[str, Any] | None:
    """Return the content of the file, else of the last line that says so; None if there is
    neither."""
    try:
        text = file.read_text(encoding="utf-8")
        where = file.name
    except FileNotFoundError:
        lines = [line for line in output.splitlines() if line.startswith(RESULTS_LINE)]
        if not lines:
            return None
        text, where = lines[-1].removeprefix(RESULTS_LINE), f"the line '{RESULTS_LINE} ...'"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadResult((("", f"{where} is not JSON: {error}"),)) from None
    if not isinstance(found, dict):
        raise BadResult((("", f'{where} holds no JSON object: write {{"test_accuracy": 0.93}}'),))
    return found


def _word(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {-code} ({signal.strsignal(-code) or 'unknown'})"


def _is_file(folder: str, text: str) -> bool:
    return os.path.isfile(os.path.join(folder, text))  # noqa: PTH113, PTH118  # of any text
