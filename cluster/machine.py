"""What this machine has, as far as this process may use it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml

_CGROUP = Path("/sys/fs/cgroup")
_GENERATION = ("RTX", "GTX")
_SUFFIXES = ("TI", "SUPER")


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process may see."""

    name: str  # "NVIDIA A30"
    model: str  # "a30"
    uuid: str


def cpus() -> int:
    """CPUs this process may use: the smaller of its affinity and its cgroup's quota, at least 1."""
    granted = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _cgroup_words("cpu.max")
    if len(quota) == 2 and quota[0].isdigit():
        granted = min(granted, max(1, int(quota[0]) // int(quota[1])))
    return granted


def memory_bytes() -> int:
    """Memory this process may use: the smaller of the machine's and its cgroup's limit."""
    limit = _cgroup_words("memory.max")
    total = psutil.virtual_memory().total
    return min(total, int(limit[0])) if limit and limit[0].isdigit() else total


def gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that CUDA_VISIBLE_DEVICES leaves visible, in its order; none without a
    driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no NVIDIA driver, or no device
        return ()
    try:
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            with suppress(
                pynvml.NVMLError
            ):  # one that the cgroup hides; CUDA does not count it either
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                found.append(
                    _gpu(pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle))
                )
    finally:
        pynvml.nvmlShutdown()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(found)
    chosen = [word.strip() for word in visible.split(",") if word.strip()]
    return tuple(
        gpu
        for word in chosen
        for index, gpu in enumerate(found)
        if word == str(index) or (word[:4] == "GPU-" and gpu.uuid.startswith(word))
    )


def model_of(name: str) -> str:
    """A GPU's product name as the short word for a target.

    "NVIDIA A100-SXM4-80GB" is ``a100``, "Tesla T4" ``t4``, "NVIDIA GeForce RTX 3080 Ti"
    ``rtx3080ti``.
    """
    words = [word for word in re.split(r"[\s/-]+", name.upper()) if word]
    for place, word in enumerate(words):
        if any(character.isdigit() for character in word):
            before = [
                previous for previous in words[max(0, place - 1) : place] if previous in _GENERATION
            ]
            after = [suffix for suffix in words[place + 1 : place + 3] if suffix in _SUFFIXES]
            return "".join((*before, word, *after)).lower()
    return "-".join(words).lower()


def _gpu(name: str | bytes, uuid: str | bytes) -> Gpu:
    text, identity = (
        value.decode() if isinstance(value, bytes) else value for value in (name, uuid)
    )
    return Gpu(name=text, model=model_of(text), uuid=identity)


def _cgroup_words(file: str) -> list[str]:
    """The words of a file of this process's cgroup (version 2), as a container sees it; empty where
    there is none."""
    try:
        return (_CGROUP / file).read_text().split()
    except OSError:
        return []
