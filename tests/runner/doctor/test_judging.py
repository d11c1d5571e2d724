"""From what a probe saw to what is said about it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.resources import Resources
from runner.doctor.findings import Diagnosis, Finding, Level
from runner.doctor.judging import MAX_SKEW_S, LoginNode, judge, skew_s
from runner.doctor.node import Answer

HOME = LoginNode("word", "3.12.1", {"torch": "2.13.0", "numpy": "2.4"})
GPU = Resources(cpus=2, gpus=1, gpu="a30")
SEEN_AT = 1010.0


def answer(**changes: Any) -> Answer:
    """A node where all is well: it read what was written at 1000 and answered before it was seen at
    1010."""
    well = Answer(
        node="n1",
        word="word",
        read_at=1000.5,
        written_at=1000.0,
        answered_at=1009.0,
        python="3.12.1",
        executable="/venv/bin/python",
        installed={"torch": "2.13.0", "numpy": "2.4"},
        broken={},
        pair_problem=None,
        cpu_shortage=None,
        gpu_names=["NVIDIA A30"],
        wrong_device=None,
        torch_gpus=1,
        torch_cuda="13.0",
        data_problems={},
    )
    return msgspec.structs.replace(well, **changes)


def judged(resources: Resources = GPU, **changes: Any) -> list[Finding]:
    return judge("a30", resources, answer(**changes), SEEN_AT, HOME)


def test_nothing_is_said_where_all_is_well() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("changes", "level", "what", "fix"),
    [
        ({"word": "another"}, Level.REFUSED, "another file", "share"),
        (
            {"broken": {"torch": "OSError: libcudart.so.13"}},
            Level.REFUSED,
            "torch 2.13.0 cannot be imported (OSError: libcudart",
            "repair",
        ),
        (
            {"broken": {"pyarrow": "No module"}},
            Level.REFUSED,
            "pyarrow is not installed",
            "/venv/bin/python",
        ),
        (
            {"pair_problem": "torchvision 1 is built for torch 0"},
            Level.WARNING,
            "built for",
            "pair",
        ),
        (
            {"installed": {"torch": "2.12.0"}},
            Level.WARNING,
            "torch 2.12.0 (2.13.0 here)",
            "one environment",
        ),
        ({"python": "3.11.2"}, Level.WARNING, "python 3.11.2 (3.12.1 here)", "one environment"),
        ({"wrong_device": "the target promises an A30"}, Level.REFUSED, "wrong_device", "gres"),
        ({"torch_gpus": 0, "torch_cuda": None}, Level.REFUSED, "is built without CUDA", "CUDA"),
        ({"torch_gpus": 0}, Level.REFUSED, "with CUDA 13.0 finds none", "driver"),
        ({"cpu_shortage": "fewer CPUs than asked: 1 of 2"}, Level.WARNING, "1 of 2", "cpus"),
        (
            {"data_problems": {"": "/data is not there"}},
            Level.REFUSED,
            "the data folder /data is not there",
            "--data-dir",
        ),
        (
            {"data_problems": {"mnist": "no such file"}},
            Level.REFUSED,
            "the dataset mnist",
            "data folder",
        ),
        ({"answered_at": 1100.0}, Level.WARNING, "at least 90 s ahead of", "NTP"),
        ({"read_at": 970.0, "answered_at": 979.0}, Level.WARNING, "at least 30 s behind", "NTP"),
    ],
)
def test_each_thing_that_is_wrong_is_named_with_its_node_and_a_fix(
    changes: dict[str, Any], level: Level, what: str, fix: str
) -> None:
    [finding] = judged(**changes)
    assert (finding.target, finding.level) == ("a30", level)
    assert finding.what.startswith("n1: ")
    assert what in finding.what
    assert fix in finding.fix


def test_a_target_without_gpu_needs_none_in_torch() -> None:
    assert judged(Resources(cpus=2), torch_gpus=0, torch_cuda=None, gpu_names=[]) == []


@pytest.mark.parametrize("offset", [-3600.0, -60.0, -2.5, 0.0, 2.5, 60.0, 3600.0])
def test_skew_is_never_overstated(offset: float) -> None:
    """The node's clock is off by `offset`; message and answer take half a second each to be seen."""
    seen = answer(read_at=1000.5 + offset, answered_at=1009.5 + offset)
    found = skew_s(seen, SEEN_AT)
    assert abs(found) <= abs(offset)
    assert abs(found) >= abs(offset) - 0.5
    assert found * offset >= 0


def test_the_tolerance_covers_a_slow_file_system() -> None:
    assert judged(read_at=1000.0 + 8, answered_at=1009.0) == []
    assert judged(answered_at=SEEN_AT + MAX_SKEW_S) == []


def test_the_verdict_on_a_target_is_its_worst_finding() -> None:
    findings = (
        Finding("a", Level.WARNING, "", ""),
        Finding("a", Level.PENDING, "", ""),
        Finding("b", Level.REFUSED, "", ""),
        Finding("b", Level.WARNING, "", ""),
    )
    found = Diagnosis("p", "slurm", "s", True, (), findings)
    assert [found.verdict(target) for target in "abc"] == ["pending", "refused", "ok"]
    assert found.refused
    assert not Diagnosis("p", "slurm", "s", True, (), findings[:2]).refused
