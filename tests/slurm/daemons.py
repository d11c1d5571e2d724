"""Daemons as children of the tests: started in the foreground, waited for, and gone when the tests
are gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.patience import PATIENCE_S


class DaemonDied(Exception):
    """A daemon ended, or never became ready; its log says why."""

    def __init__(self, name: str, log: Path, why: str) -> None:
        super().__init__(name, log, why)
        self.name, self.log, self.why = name, log, why

    def __str__(self) -> str:
        tail = (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            if self.log.exists()
            else "(no log)"
        )
        return f"{self.name} {self.why}; the end of {self.log}:\n{tail}"


class Daemon:
    """One process in the foreground, its output in a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        user: str | None = None,
    ) -> None:
        # The kernel kills it when this process dies, even of SIGKILL: no atexit, no fixture could
        # promise that.
        guard = ["setpriv", "--pdeathsig", "KILL"]
        if user is not None:
            guard += ["--reuid", user, "--regid", user, "--init-groups"]
        program = (
            shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or command[0]
        )
        self.name, self.log = name, log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*guard, program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                # a Ctrl-C at the keyboard is for pytest, which then stops the daemons in order
                start_new_session=True,
            )

    def ready(self, when: Callable[[], bool]) -> None:
        """Block until `when()` holds; DaemonDied if the process ends before that, or it never
        does."""
        end = time.monotonic() + PATIENCE_S
        while not when():
            if self.process.poll() is not None:
                raise DaemonDied(self.name, self.log, f"ended with {self.process.returncode}")
            if time.monotonic() > end:
                raise DaemonDied(self.name, self.log, "never was ready")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM, within_s: float = 60) -> None:
        """End the process, harder if it does not listen; nothing if it has ended already."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def free_ports(n: int) -> list[int]:
    """`n` different TCP ports that nothing listens on just now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def processes_with(variable: str, value: str) -> Iterator[int]:
    """The ids of all processes whose environment holds `variable=value`: what a daemon started and
    left behind."""
    wanted = f"{variable}={value}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):  # it ended while we looked
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
