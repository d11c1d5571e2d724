"""The profile that `init --slurm` writes, for sites that differ in how they name their GPUs."""

from __future__ import annotations

import pytest

from cluster.profile import Profile, parse
from cluster.slurm.accounts import Accounts
from cluster.slurm.draft import draft
from cluster.slurm.site import NodeKind, Site, SitePartition
from runner.grid.source import parse_yaml


def kind(
    gpus: dict[str, int] | None = None,
    *,
    cpus: int = 64,
    mem_gb: float = 250.0,
    features: tuple[str, ...] = (),
) -> NodeKind:
    return NodeKind(2, cpus, mem_gb, gpus or {}, features)


def partition(
    name: str,
    *nodes: NodeKind,
    default: bool = False,
    max_time_min: float | None = 480,
    up: bool = True,
) -> SitePartition:
    return SitePartition(name, default, "UP" if up else "DOWN", max_time_min, None, nodes)


def site(*partitions: SitePartition) -> Site:
    return Site("lab", "24.05.1", 1001, True, partitions)


def profile_of(text: str) -> Profile:
    source = parse_yaml(text, "cluster.yaml")
    assert not source.problems
    return parse(source.data)


def test_a_target_for_each_model_with_its_share_of_the_node() -> None:
    profile = profile_of(
        draft(
            site(
                partition("gpu", kind({"a100": 4, "t4": 4})), partition("cpu", kind(), default=True)
            )
        )
    )
    assert list(profile.targets) == ["a100", "t4", "cpu"]
    a100 = profile.target("a100")
    assert (a100.gres, a100.gpus, a100.gpu, a100.cpus, a100.mem_gb) == (
        "gpu:a100:1",
        1,
        "a100",
        8,
        31,
    )
    cpu = profile.target("cpu")
    assert (cpu.partition, cpu.gpus, cpu.gres, cpu.cpus, cpu.mem_gb) == ("cpu", 0, None, 8, 31)


@pytest.mark.parametrize(
    ("slurms", "model"),
    [
        ("nvidia_a30", "a30"),
        ("tesla_t4", "t4"),
        ("a100_80gb", "a100"),
        ("rtx_3080", "rtx3080"),
        ("V100-SXM2", "v100"),
    ],
)
def test_slurms_name_goes_into_gres_and_the_model_into_gpu(slurms: str, model: str) -> None:
    target = profile_of(draft(site(partition("gpu", kind({slurms: 2}))))).target(model)
    assert (target.gres, target.gpu) == (f"gpu:{slurms}:1", model)


def test_gpus_without_a_model_are_asked_for_without_one() -> None:
    text = draft(site(partition("gpu", kind({"": 4}, features=("a100", "nvlink")))))
    target = profile_of(text).target("gpu")
    assert (target.gres, target.gpus, target.gpu) == ("gpu:1", 1, None)
    assert "a100, nvlink" in text


def test_a_model_in_several_partitions_keeps_its_name_in_the_default_one() -> None:
    profile = profile_of(
        draft(
            site(
                partition("long", kind({"a30": 2})),
                partition("gpu", kind({"a30": 2}), default=True),
            )
        )
    )
    assert profile.target("a30").partition == "gpu"
    assert profile.target("a30-long").partition == "long"


def test_there_is_always_a_cpu_target_because_grids_ask_for_it() -> None:
    cpu = profile_of(draft(site(partition("gpu", kind({"a30": 2}))))).target("cpu")
    assert (cpu.partition, cpu.gpus, cpu.gres) == ("gpu", 0, None)


@pytest.mark.parametrize("name", ["123", "on", "null", "a b", "gpu:x", "é", "-x"])
def test_names_that_yaml_would_misread(name: str) -> None:
    profile = profile_of(draft(site(partition(name, kind()), partition(name + "2", kind()))))
    assert {target.partition for target in profile.targets.values()} == {name, name + "2"}


def test_the_time_stays_below_the_partitions_limit() -> None:
    profile = profile_of(
        draft(
            site(
                partition("debug", kind(), max_time_min=30),
                partition("endless", kind(), max_time_min=None),
            )
        )
    )
    assert {target.partition: target.time_min for target in profile.targets.values()} == {
        "debug": 30,
        "endless": 120,
    }


def test_the_smallest_node_decides() -> None:
    cpu = profile_of(
        draft(site(partition("mixed", kind(cpus=64), kind(cpus=4, mem_gb=7.6))))
    ).target("cpu")
    assert (cpu.cpus, cpu.mem_gb) == (4, 7)


def test_a_partition_that_is_down_says_so_and_an_empty_one_has_no_target() -> None:
    text = draft(site(partition("old", up=False), partition("cpu", kind())))
    assert "# partition old, down now: no nodes" in text
    assert list(profile_of(text).targets) == ["cpu"]


def test_a_site_without_a_node_still_gets_a_profile_that_parses() -> None:
    assert list(profile_of(draft(site())).targets) == ["cpu"]


def test_the_users_account_and_limit() -> None:
    accounts = Accounts("ada", "lab", {"lab": frozenset(), "guests": frozenset()}, frozenset())
    text = draft(site(partition("cpu", kind())), accounts, max_submit=500)
    assert profile_of(text).slurm.account == "lab"
    assert "guests" in text
    assert "500" in text
    assert profile_of(draft(site(partition("cpu", kind())))).slurm.account is None
