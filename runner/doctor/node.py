"""Inspect the node on which a probe runs, and publish what it saw as a trial publishes its
record."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from platform import python_version

import msgspec

from artifacts.publish import publish
from cluster import machine
from cluster.errors import TaskError
from cluster.place import here
from jobs.data import missing
from jobs.errors import WrongDevice
from jobs.measure import device
from runner.doctor import packages
from runner.errors import RunnerError

MESSAGE = "from-the-login-node"


class Message(msgspec.Struct, frozen=True):
    """What the submitting side writes, again and again, for the probes to read."""

    word: str
    written_at: float
    """The writer's clock, seconds since 1970."""


class ProbeTask(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe has to look at: plain data, because it travels to a node."""

    folder: str
    target: str
    gpu: str | None = None
    gpus: float = 0
    cpus: int = 1
    data_dir: str | None = None
    datasets: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one probe saw; times are the node's clock, seconds since 1970."""

    node: str
    word: str
    read_at: float
    """When it read the message."""
    written_at: float
    """What the message said."""
    answered_at: float
    python: str
    executable: str
    installed: dict[str, str]
    broken: dict[str, str]
    pair_problem: str | None
    cpu_shortage: str | None
    gpu_names: list[str]
    wrong_device: str | None
    torch_gpus: int | None
    """GPUs that torch can use; None if it could not be asked."""
    torch_cuda: str | None
    """The CUDA that torch was built with; None for a torch without."""
    data_problems: dict[str, str]


class MessageNotVisible(RunnerError, TaskError):
    """This node does not see what the submitting side wrote."""

    code = 66  # EX_NOINPUT of sysexits.h

    path: str

    def __str__(self) -> str:
        return f"{self.path} is not there: keep the store on a file system that the nodes share"


def answer_path(folder: Path, target: str) -> Path:
    """Return where the answer of a target's probe appears."""
    return folder / f"{target}.answer"


def inspect_node(task: ProbeTask, _index: int) -> None:
    """Read what the login node wrote, look around, and publish the answer. This function travels to
    the nodes.

    Raises:
        MessageNotVisible: What it wrote is not seen here.
    """
    folder = Path(task.folder)
    try:
        message = msgspec.json.decode((folder / MESSAGE).read_bytes(), type=Message)
    except FileNotFoundError:
        raise MessageNotVisible(str(folder / MESSAGE)) from None
    read_at = time.time()
    expect = device.Expectation(task.gpu, task.gpus, task.cpus)
    broken = packages.broken()
    cuda, torch_gpus = _torch_gpus() if "torch" not in broken else (None, None)
    installed = packages.versions()
    answer = Answer(
        node=here().node,
        word=message.word,
        read_at=read_at,
        written_at=message.written_at,
        python=python_version(),
        executable=sys.executable,
        installed=installed,
        broken=broken,
        pair_problem=packages.pair_problem(installed),
        cpu_shortage=device.cpu_shortage(expect),
        gpu_names=[gpu.name for gpu in machine.gpus()],
        wrong_device=_wrong_device(expect),
        torch_gpus=torch_gpus,
        torch_cuda=cuda,
        data_problems=data_problems(task.data_dir, task.datasets),
        answered_at=time.time(),
    )
    publish(answer_path(folder, task.target), memoryview(msgspec.json.encode(answer)))


def data_problems(data_dir: str | None, datasets: tuple[str, ...]) -> dict[str, str]:
    """Return which of the datasets cannot be read here, and why; a problem of the folder itself has
    the name ""."""
    if data_dir is not None and not os.access(data_dir, os.R_OK | os.X_OK):
        return {
            "": f"{data_dir} is not there"
            if not Path(data_dir).exists()
            else f"{data_dir} may not be read"
        }
    reasons = {name: missing(name, Path(data_dir) if data_dir else None) for name in datasets}
    return {name: reason for name, reason in reasons.items() if reason}


def _wrong_device(expect: device.Expectation) -> str | None:
    try:
        device.check(expect)
    except WrongDevice as wrong:
        return f"the target promises {wrong.expected}, and the driver shows {wrong.found}"
    return None


def _torch_gpus() -> tuple[str | None, int]:
    import torch

    return torch.version.cuda, torch.cuda.device_count()
