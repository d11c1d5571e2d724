"""A Ray of our own on this machine, or the cluster that RAY_ADDRESS names: connected quietly, left without a trace."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.job_config import JobConfig

from cluster import ray_guard
from cluster.errors import BackendUnavailable
from cluster.shares import Room

_OBJECT_STORE_BYTES = 128 * 2**20  # nothing big travels through it; what results there are lie in the store of records
_MODEL = "accelerator_type:"  # how Ray names a node's GPU model among its resources
_GONE_WITHIN_S = 5
_ANSWERS_WITHIN_S = 10
_TOKEN = secrets.token_hex(32)  # one per process: Ray reads it once


class RaySession:
    """The connection of this process to one Ray."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        """Ours, for Ray's own files and our crash reports; None on a cluster that is not ours."""
        self._connected = False  # by us
        self._own_room: Room | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Connect, or start a Ray; nothing happens if that is done.

        Raises:
            BackendUnavailable: There is no Ray at RAY_ADDRESS, or none starts here.
        """
        if ray.is_initialized():
            return
        try:
            with _handlers_kept():
                self._connect(os.environ.get("RAY_ADDRESS"))
        except BaseException as problem:
            self.stop()
            if isinstance(problem, Exception) and not isinstance(problem, BackendUnavailable):
                raise BackendUnavailable("ray", str(problem).strip() or type(problem).__name__, _cure()) from problem
            raise

    def stop(self) -> None:
        """Disconnect; of a Ray of our own, end every process and remove its folder."""
        if not self._connected:
            return
        self._connected = False
        try:
            ray.shutdown()
        finally:
            if self.folder is not None:
                ray_guard.end(self.folder, _GONE_WITHIN_S)
                self.folder, self._own_room = None, None
            if self._guard is not None:
                self._guard.kill()
                self._guard.wait()
                self._guard = None

    def rooms(self) -> list[Room]:
        """The nodes that are alive."""
        if self._own_room is not None:
            return [self._own_room]
        return [_room(node["Resources"]) for node in ray.nodes() if node["Alive"]]

    def search_path(self) -> list[str]:
        """Where this process finds modules, for workers of this machine; elsewhere they are to be installed."""
        return [os.path.abspath(entry) for entry in sys.path] if self.folder is not None else []  # noqa: PTH100

    def alive(self, node_id: str) -> bool:
        """Whether Ray still counts on a node."""
        return any(node["Alive"] and node["NodeID"] == node_id for node in ray.nodes())

    def model_resource(self, model: str | None) -> dict[str, float]:
        """The sliver of a resource that makes Ray choose nodes of this GPU model."""
        names = ray.cluster_resources() if model is not None and self.folder is None else {}
        return {name: 0.001 for name in names if name.startswith(_MODEL) and _model(name) == str(model).lower()}

    def _connect(self, address: str | None) -> None:
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "job_config": _JobConfig()}
        self._connected = True
        if address == "local" or not address:
            self._start_own(quiet)
        elif "://" in address:
            raise BackendUnavailable(
                "ray", f"RAY_ADDRESS={address} is of the Ray Client kind", "set it to the head's own address, HOST:6379"
            )
        else:
            _knock(address)
            ray.init(address=address, **quiet)

    def _start_own(self, quiet: Mapping[str, Any]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="runner-ray-", dir=_short_folder()))
        self._guard = subprocess.Popen([sys.executable, "-I", "-S", ray_guard.__file__, self.folder], start_new_session=True)
        self._own_room = room = Room.here()  # and we know more models of GPU than Ray does
        variables: dict[str, str | None] = {
            "RAY_AUTH_MODE": None,  # unset, Ray asks for a token: on a shared machine others reach the ports that it opens
            "RAY_AUTH_TOKEN": _TOKEN,  # else it writes one into the home folder
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a worker without a GPU sees none
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ADDRESS": None,
            "RAY_worker_niceness": "0",  # with Ray's own 15, any other process starves a measurement
            ray_guard.MARK: str(self.folder),
            "SPT_NOENV": "1",  # else Ray writes the titles of its processes over their environment, and the mark
        }
        with _environment(variables):
            ray.init(
                address="local",
                num_cpus=room.cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _memory=room.memory,
                _temp_dir=str(self.folder),
                _system_config={"process_group_cleanup_enabled": True},  # what a dead worker started goes with it
                **quiet,
            )


class _JobConfig(JobConfig):  # type: ignore[misc]
    """Keeps the current folder out of the workers' search path, where Ray puts it first: a cluster.py in there is not ours."""

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _room(resources: Mapping[str, float]) -> Room:
    """A node from Ray's account of it."""
    models = frozenset(_model(name) for name in resources if name.startswith(_MODEL))
    return Room(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)), models, int(resources.get("memory", 0)))


def _model(resource: str) -> str:
    return resource.removeprefix(_MODEL).lower()


def _knock(address: str) -> None:
    """OSError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWERS_WITHIN_S).close()


def _cure() -> str:
    if os.environ.get("RAY_ADDRESS"):
        return "start that cluster (ray start --head), or unset RAY_ADDRESS to have one started here"
    return "or use --backend inline, which needs none"


def _short_folder() -> str:
    """/tmp rather than TMPDIR: the path of a Unix socket has at most 107 characters, and Ray adds some 65."""
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
def _handlers_kept() -> Iterator[None]:
    """Ray puts its own SIGTERM handler over the caller's; a caller without one may keep Ray's, which ends by SystemExit."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
