"""cluster.yaml's data: every mistake at once, with its place."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from cluster.errors import InvalidResources, ProfileError, UnknownTarget
from cluster.profile import Profile, builtin, parse
from cluster.resources import Resources

SITE: dict[str, Any] = {
    "backend": "slurm",
    "targets": {
        "a30": {
            "partition": "gpu-a30",
            "gpu": "a30",
            "gpus": 1,
            "gres": "gpu:a30:1",
            "cpus": 8,
            "mem_gb": 32,
            "time_min": 120,
        },
        "cpu": {
            "partition": "cpu",
            "cpus": 16,
            "mem_gb": 64,
            "additional": {"licenses": "matlab:1", "requeue": True},
        },
    },
    "slurm": {
        "account": "lab",
        "array_parallelism": 32,
        "setup": ["module load cuda"],
        "signal_delay_s": 120,
        "max_submit": 1000,
    },
}


def problems(data: Any) -> dict[str, str]:
    """What parse finds wrong, by place."""
    with pytest.raises(ProfileError) as caught:
        parse(data, "site.yaml")
    return {".".join(map(str, where)): what for where, what in caught.value.problems}


def test_a_profile_as_in_the_handbook_is_read_whole() -> None:
    profile = parse(SITE)
    assert profile.target("a30") == Resources(
        partition="gpu-a30", gpu="a30", gpus=1, gres="gpu:a30:1", cpus=8, mem_gb=32, time_min=120
    )
    assert profile.target("cpu").additional == {"licenses": "matlab:1", "requeue": True}
    assert (profile.slurm.account, profile.slurm.setup, profile.slurm.max_requeues) == (
        "lab",
        ("module load cuda",),
        3,
    )


def test_all_mistakes_are_found_at_once() -> None:
    found = problems(
        {
            "backend": "slrum",
            "target": {},
            "targets": {
                "a30": {"gpu": "a30", "cpu": 3, "mem_gb": "16G"},
                "t 4": {"time_min": 0},
                "b": {"gpus": 1.5},
            },
            "slurm": {"acount": "lab", "setup": "module load cuda"},
        }
    )
    assert found.keys() == {
        "backend",
        "target",
        "targets.a30.gpu",
        "targets.a30.cpu",
        "targets.a30.mem_gb",
        "targets.t 4",
        "targets.t 4.time_min",
        "targets.b.gpus",
        "slurm.acount",
        "slurm.setup",
    }
    assert "did you mean 'slurm'?" in found["backend"]
    assert "did you mean 'cpus'?" in found["targets.a30.cpu"]
    assert "did you mean 'account'?" in found["slurm.acount"]
    assert "'16G'" in found["targets.a30.mem_gb"]
    assert "add gpus: 1" in found["targets.a30.gpu"]


@pytest.mark.parametrize(
    "data", [None, [], "backend: slurm", {}, {"targets": {}}, {"targets": ["cpu"]}]
)
def test_what_is_no_profile_is_said_to_be_none(data: Any) -> None:
    assert problems(data)


@pytest.mark.parametrize("value", [True, -1, 0, 1.5, "4", None])
def test_cpus_are_a_positive_whole_number(value: Any) -> None:
    assert "targets.cpu.cpus" in problems({"targets": {"cpu": {"cpus": value}}})


def test_an_empty_target_and_an_empty_section_are_all_defaults() -> None:
    profile = parse({"targets": {"cpu": None}, "slurm": None})
    assert profile.target("cpu") == Resources()


def test_a_group_changes_some_resources_of_its_target() -> None:
    target = parse(SITE).target("cpu")
    merged = target.merged({"time_min": 60, "mem_gb": 24, "additional": {"nice": 10}})
    assert (merged.time_min, merged.mem_gb, merged.cpus) == (60, 24, 16)
    assert merged.additional == {"licenses": "matlab:1", "requeue": True, "nice": 10}


def test_a_group_that_asks_for_nonsense_is_told_all_of_it() -> None:
    with pytest.raises(InvalidResources) as caught:
        Resources().merged({"cpuss": 2, "mem_gb": -1, "gpu": "a30"})
    assert [where for where, _ in caught.value.problems] == [("cpuss",), ("mem_gb",), ("gpu",)]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("job-name", "--job-name"), ("job_name", "--job-name"), ("J", "--job-name"), ("job-n", "--job-name"), ("comment", "--comment"),
        ("array", "--array"), ("clusters", "clusters: NAME"), ("M", "clusters: NAME"), ("o", "--output"), ("ntasks", "several times"),
    ],
)  # fmt: skip
def test_what_jobs_are_found_and_run_by_cannot_be_set(option: str, word: str) -> None:
    written = {"additional": {option: "x"}}
    assert word in problems({"targets": {"cpu": written}})[f"targets.cpu.additional.{option}"]
    assert (
        word in problems({"targets": {"cpu": None}, "slurm": written})[f"slurm.additional.{option}"]
    )
    with pytest.raises(InvalidResources, match=word):
        Resources().merged(written)


@pytest.mark.parametrize(
    "option",
    [
        "nice",
        "licenses",
        "hold",
        "requeue",
        "no-requeue",
        "export",
        "nodefile",
        "wait-all-nodes",
        "begin",
    ],
)
def test_other_options_are_the_sites_own(option: str) -> None:
    assert parse({"targets": {"cpu": {"additional": {option: True}}}}).target("cpu").additional == {
        option: True
    }


def test_a_task_is_one_process() -> None:
    found = problems(
        {
            "targets": {"cpu": None},
            "slurm": {"srun_args": ["--mpi=none", "-n2", "--ntasks=2", "--nodelist=n1"]},
        }
    )
    assert list(found) == ["slurm.srun_args.1", "slurm.srun_args.2"]


def test_a_cluster_is_named_alone() -> None:
    assert (
        parse({"targets": {"cpu": None}, "slurm": {"clusters": "second"}}).slurm.clusters
        == "second"
    )
    assert "slurm.clusters" in problems(
        {"targets": {"cpu": None}, "slurm": {"clusters": "first,second"}}
    )


def test_one_word_for_memory_replaces_another() -> None:
    target = Resources(mem_per_cpu="2G", cpus_per_gpu=4)
    merged = target.merged({"mem_gb": 8, "cpus": 3})
    assert (merged.mem_gb, merged.mem_per_cpu, merged.cpus, merged.cpus_per_gpu) == (
        8,
        None,
        3,
        None,
    )
    assert merged.merged({"mem_per_gpu": "9G"}).mem_gb is None
    with pytest.raises(InvalidResources, match="exclude each other"):
        target.merged({"mem_gb": 8, "mem_per_cpu": "1G"})
    assert "targets.cpu.mem_per_cpu" in problems(
        {"targets": {"cpu": {"mem_gb": 1, "mem_per_cpu": "1G"}}}
    )
    assert "slurm.mem_per_gpu" in problems(
        {"targets": {"cpu": None}, "slurm": {"mem_per_gpu": "1G", "mem_per_cpu": "1G"}}
    )


def test_an_unknown_target_names_those_there_are() -> None:
    with pytest.raises(UnknownTarget, match=r"site\.yaml has no target 't4' \(it has a30, cpu\)"):
        parse(SITE, "site.yaml").target("t4")


def test_one_machine_has_a_cpu_target_that_asks_for_no_memory() -> None:
    assert builtin().target("cpu") == Resources(cpus=1)


def test_errors_and_profiles_travel() -> None:
    with pytest.raises(ProfileError) as caught:
        parse({})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert isinstance(pickle.loads(pickle.dumps(parse(SITE))), Profile)
