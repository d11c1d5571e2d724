"""A Ray of our own on this machine, or the cluster that RAY_ADDRESS names: connected quietly, left
without a trace."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import ray
from ray.job_config import JobConfig

from cluster.errors import BackendLost, BackendUnavailable
from cluster.ray import guard as ray_guard
from cluster.room import Room

_OBJECT_STORE_BYTES = (
    128 * 2**20
)  # nothing big travels through it; what results there are lie in the store of records
_MODEL = "accelerator_type:"  # how Ray names a node's GPU model among its resources
_GONE_WITHIN_S = 5
_ANSWERS_WITHIN_S, _SHUTS_WITHIN_S = 10, 30
"""A call to Ray that has not returned in this time is given up. Some wait for ever for a process
that is gone, and some have Ray end this process without a word, a minute after its head went
away."""

_TRIES, _BETWEEN_TRIES_S = 5, 1.0  # a head that is restarted is back by then
_LOOK_S, _ASK_S = (
    0.5,
    10.0,
)  # between two looks at Ray's processes, and between two questions to them
_DAEMONS = frozenset({"gcs_server", "raylet"})
"""Names of Ray's own processes; without either of them nothing goes on, and nothing says so."""

_TOKEN = secrets.token_hex(32)  # one per process: Ray reads it once


T = TypeVar("T")


class RaySession:
    """The connection of this process to one Ray.

    Calls to Ray that may never come back go through ``answered``, after ``check`` has seen that
    somebody is there to answer.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        """Ours, for Ray's own files and our crash reports; None on a cluster that is not ours.
        Nobody else may enter it: Ray has everybody write to its own part."""
        self.node_id = ""
        """Ray's name for this machine."""
        self._head = ""  # HOST:PORT of the one process that knows everything
        self._connected = False  # by us
        self._daemons: list[tuple[str, psutil.Process]] = []  # of our own Ray
        self._next_look = self._next_question = 0.0
        self._own_room: Room | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Connect, or start a Ray; nothing happens if that is done.

        Raises:
            BackendUnavailable: There is no Ray at RAY_ADDRESS, or none starts here.
        """
        try:
            if not ray.is_initialized():
                with _handlers_kept():
                    self._connect(os.environ.get("RAY_ADDRESS"))
            place = ray.get_runtime_context()
            self.node_id, self._head = place.get_node_id(), place.gcs_address
        except BaseException as problem:
            self.stop()
            if isinstance(problem, Exception) and not isinstance(problem, BackendUnavailable):
                raise BackendUnavailable(
                    "ray", str(problem).strip() or type(problem).__name__, _how_to_reach_ray()
                ) from problem
            raise

    def stop(self) -> None:
        """Disconnect; of a Ray of our own, end every process and remove its folder."""
        if not self._connected:
            return
        self._connected = False
        ended = False
        try:
            with suppress(BackendLost):
                answered(
                    ray.shutdown, _ANSWERS_WITHIN_S if self.folder is None else _SHUTS_WITHIN_S
                )
                ended = True
        finally:
            if not ended:
                atexit.unregister(ray.shutdown)  # it would wait once more
            if self.folder is not None:
                ray_guard.end(self.folder, _GONE_WITHIN_S)
                self.folder, self._own_room, self._daemons = None, None, []
            if self._guard is not None and ended:
                self._guard.kill()
                self._guard.wait()
            # of a shutdown that was cut short it stays, and removes what Ray's exit handler leaves
            self._guard = None

    def check(self, *, at_once: bool = False) -> None:
        """Look whether Ray is still there; quick, and only now and then unless ``at_once``.

        Raises:
            BackendLost: It is gone, or does not answer.
        """
        now = time.monotonic()
        if not self._connected or (now < self._next_look and not at_once):
            return
        self._next_look = now + _LOOK_S
        for name, daemon in self._daemons:
            if not daemon.is_running() or daemon.status() == psutil.STATUS_ZOMBIE:
                raise _lost(f"its process {daemon.pid} ({name}) has ended")
        if not self._daemons:
            _wait_for_answer(self._head)
        if now >= self._next_question:
            self._next_question = now + _ASK_S
            if not self.alive(self.node_id):
                raise _lost("its part on this machine is counted as dead")

    def rooms(self) -> list[Room]:
        """Return the nodes that are alive."""
        if self._own_room is not None:
            return [self._own_room]
        self.check(at_once=True)
        return [_room(node["Resources"]) for node in answered(ray.nodes) if node["Alive"]]

    def search_path(self) -> list[str]:
        """Return where this process finds modules, for workers of this machine; elsewhere they are
        to be installed."""
        return [os.path.abspath(entry) for entry in sys.path] if self.folder is not None else []  # noqa: PTH100

    def alive(self, node_id: str) -> bool:
        """Return whether Ray still counts on a node."""
        return any(node["Alive"] and node["NodeID"] == node_id for node in answered(ray.nodes))

    def model_resource(self, model: str | None) -> dict[str, float]:
        """Return the sliver of a resource that makes Ray choose nodes of this GPU model."""
        names = answered(ray.cluster_resources) if model is not None and self.folder is None else {}
        return {
            name: 0.001
            for name in names
            if name.startswith(_MODEL) and _model(name) == str(model).lower()
        }

    def _connect(self, address: str | None) -> None:
        quiet: dict[str, Any] = {
            "logging_level": logging.ERROR,
            "log_to_driver": False,
            "job_config": _JobConfig(),
        }
        self._connected = True
        if address == "local" or not address:
            self._start_own(quiet)
        elif "://" in address:
            raise BackendUnavailable(
                "ray",
                f"RAY_ADDRESS={address} is of the Ray Client kind",
                "set it to the head's own address, HOST:6379",
            )
        else:
            _connect(address)
            ray.init(address=address, **quiet)

    def _start_own(self, quiet: Mapping[str, Any]) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="runner-ray-", dir=_short_folder())
        )  # only ours: mode 0700
        rays_own = self.folder / "ray"  # which Ray makes, for everybody to write to
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", ray_guard.__file__, self.folder], start_new_session=True
        )
        self._own_room = room = Room.here()  # and we know more models of GPU than Ray does
        variables: dict[str, str | None] = {
            # unset, Ray asks for a token: on a shared machine others reach the ports that it opens
            "RAY_AUTH_MODE": None,
            "RAY_AUTH_TOKEN": _TOKEN,  # else it writes one into the home folder
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a worker without a GPU sees none
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ADDRESS": None,
            # with Ray's own 15, any other process starves a measurement
            "RAY_worker_niceness": "0",
            ray_guard.MARK: str(self.folder),
            # else Ray writes the titles of its processes over their environment, and the mark
            "SPT_NOENV": "1",
        }
        with _environment(variables), _hangups_kept_from_children():
            ray.init(
                address="local",
                num_cpus=room.cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _memory=room.memory_bytes,
                _temp_dir=str(rays_own),
                _system_config={
                    "process_group_cleanup_enabled": True
                },  # what a dead worker started goes with it
                **quiet,
            )
        family = psutil.Process().children()
        self._daemons = [
            (name, process) for process in family if (name := process.name()) in _DAEMONS
        ]


def answered(call: Callable[[], T], within_s: float = _ANSWERS_WITHIN_S) -> T:
    """Return what a call to Ray returns.

    Raises:
        BackendLost: It failed, or did not return in time; it may still be waiting, in a thread of
            its own.
    """
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as problem:
            answer.set_exception(problem)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(within_s)
    except TimeoutError:
        raise _lost(f"it has not answered for {within_s:g} s") from None
    except Exception as problem:
        raise _lost(str(problem).strip() or type(problem).__name__) from problem


def _lost(reason: str) -> BackendLost:
    if os.environ.get("RAY_ADDRESS"):
        return BackendLost(
            "ray", reason, "look after that cluster, and submit again: what is recorded is kept"
        )
    return BackendLost(
        "ray",
        reason,
        "what is recorded is kept: submit again, or with --backend inline, which needs no Ray",
    )


class _JobConfig(JobConfig):  # type: ignore[misc]
    """Keeps the current folder out of the workers' search path, where Ray puts it first: a
    cluster.py in there is not ours."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _room(resources: Mapping[str, float]) -> Room:
    """A node from Ray's account of it."""
    models = frozenset(_model(name) for name in resources if name.startswith(_MODEL))
    return Room(
        int(resources.get("CPU", 0)),
        int(resources.get("GPU", 0)),
        models,
        int(resources.get("memory", 0)),
    )


def _model(resource: str) -> str:
    return resource.removeprefix(_MODEL).lower()


def _connect(address: str) -> None:
    """OSError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWERS_WITHIN_S).close()


def _wait_for_answer(address: str) -> None:
    """BackendLost if nobody listens at HOST:PORT for some seconds."""
    for left in reversed(range(_TRIES)):
        try:
            _connect(address)
        except OSError as problem:
            if not left:
                raise _lost(f"no Ray answers at {address} ({problem})") from None
            time.sleep(_BETWEEN_TRIES_S)
        else:
            return


def _how_to_reach_ray() -> str:
    if os.environ.get("RAY_ADDRESS"):
        return (
            "start that cluster (ray start --head), or unset RAY_ADDRESS to have one started here"
        )
    return "or use --backend inline, which needs none"


def _short_folder() -> str:
    """/tmp rather than TMPDIR: the path of a Unix socket has at most 107 characters, and Ray adds
    some 65."""
    return "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir()


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set (None: unset) environment variables for the block."""
    before = {name: os.environ.get(name) for name in values}
    _assign(values)
    try:
        yield
    finally:
        _assign(before)


def _assign(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _hangups_kept_from_children() -> Iterator[None]:
    """Whatever is started in the block sees no SIGHUP, as Ray has it see no SIGINT: a terminal that
    closes tells all that runs in it, and the trials under way are to be asked to stop, not to lose
    the ground they stand on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray puts its own SIGTERM handler over the caller's; a caller without one may keep Ray's,
    which ends by SystemExit."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
