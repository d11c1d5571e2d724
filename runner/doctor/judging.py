"""Turn a probe's answer into findings, without looking at anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cluster.resources import Resources
from runner.doctor.findings import Finding, Level
from runner.doctor.node import Answer

MAX_SKEW_S = 2.0
"""Clocks that differ by more spoil queue_s, which subtracts one machine's time from the other's."""


@dataclass(frozen=True)
class LoginNode:
    """The submitting side, with which answers are compared."""

    word: str
    """What it wrote for the probes to read."""
    python: str
    """Its interpreter's version."""
    installed: Mapping[str, str]
    """Versions of its packages."""


def judge(
    target: str, resources: Resources, answer: Answer, seen_at: float, login_node: LoginNode
) -> list[Finding]:
    """Return what an answer says against running trials of this target there.

    Args:
        seen_at: When the submitting side saw the answer, by its own clock.
    """
    return [
        Finding(target, level, f"{answer.node}: {what}", fix)
        for level, what, fix in (
            *_files(answer, login_node),
            *_packages(answer, login_node),
            *_hardware(resources, answer),
            *_data(answer),
            *_clock(answer, seen_at),
        )
    ]


def skew_s(answer: Answer, seen_at: float) -> float:
    """Return by how much the node's clock is ahead of ours (negative: behind), at least; 0 if the
    two may agree.

    It wrote before we saw, and read after we wrote: whatever contradicts that is skew.
    """
    ahead, behind = answer.answered_at - seen_at, answer.written_at - answer.read_at
    return max(ahead, 0.0) if ahead > behind else -max(behind, 0.0)


_Said = tuple[Level, str, str]


def _files(answer: Answer, login_node: LoginNode) -> Iterator[_Said]:
    if answer.word != login_node.word:
        yield (
            Level.REFUSED,
            "it reads another file than the login node wrote",
            "keep the store on a file system that both share, and not one that caches for minutes",
        )


def _packages(answer: Answer, login_node: LoginNode) -> Iterator[_Said]:
    into = (
        f"of {answer.executable}; or name another interpreter with python: in the profile's "
        "slurm section"
    )
    for name, error in answer.broken.items():
        missing = name not in answer.installed
        yield (
            Level.REFUSED,
            f"{name} is not installed"
            if missing
            else f"{name} {answer.installed[name]} cannot be imported ({error})",
            f"{'install it into' if missing else 'repair'} the environment {into}",
        )
    if answer.pair_problem and not answer.broken:
        yield (
            Level.WARNING,
            answer.pair_problem,
            f"install the pair that belongs together into the environment {into}",
        )
    here, there = (
        {"python": login_node.python, **login_node.installed},
        {"python": answer.python, **answer.installed},
    )
    others = [name for name in sorted(here) if name in there and here[name] != there[name]]
    if others:
        listed = ", ".join(f"{name} {there[name]} ({here[name]} here)" for name in others)
        yield (
            Level.WARNING,
            f"its versions differ from those here: {listed}",
            "use one environment for all nodes, or compare no timings across",
        )


def _hardware(resources: Resources, answer: Answer) -> Iterator[_Said]:
    if answer.wrong_device:
        yield (
            Level.REFUSED,
            f"{answer.wrong_device}: every trial would end as wrong_device",
            "correct the target's partition, gres or gpu; if they are right, see nvidia-smi on the "
            "node",
        )
    elif resources.wants_gpu and answer.torch_gpus == 0:
        reason = (
            "is built without CUDA"
            if answer.torch_cuda is None
            else f"with CUDA {answer.torch_cuda} finds none"
        )
        yield (
            Level.REFUSED,
            f"the driver shows {', '.join(answer.gpu_names)}, and torch "
            f"{answer.installed.get('torch', '')} {reason}",
            "install a torch with a CUDA that the node's driver knows into the environment of "
            f"{answer.executable}",
        )
    if answer.cpu_shortage:
        yield (
            Level.WARNING,
            f"{answer.cpu_shortage}; trials compute with as many threads as they were granted",
            "lower cpus in the target; where SLURM grants less than was asked for, see TaskPlugin "
            "in scontrol show config",
        )


def _data(answer: Answer) -> Iterator[_Said]:
    for name, reason in answer.data_problems.items():
        if name:
            yield (
                Level.REFUSED,
                f"the dataset {name} can be read here, and not there: {reason}",
                "keep the data folder where the nodes read it",
            )
        else:
            yield (
                Level.REFUSED,
                f"the data folder {reason}",
                "keep it on a file system that the nodes share, and name it with --data-dir",
            )


def _clock(answer: Answer, seen_at: float) -> Iterator[_Said]:
    skew = skew_s(answer, seen_at)
    if abs(skew) > MAX_SKEW_S:
        direction = "ahead of" if skew > 0 else "behind"
        yield (
            Level.WARNING,
            f"its clock is at least {abs(skew):.0f} s {direction} the one here, so queue_s would "
            "be wrong by as much",
            "have both clocks set by NTP (chronyc tracking, timedatectl)",
        )
