"""Resources and settings in the words of sbatch; no SLURM is needed to show a script."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import FolderMisread, Infeasible
from cluster.profile import Profile, SlurmSettings
from cluster.resources import Resources
from cluster.slurm.backend import SlurmBackend
from cluster.slurm.commands import outer_environment
from cluster.slurm.script import failed_setup, parameters
from cluster.slurm.site import minutes, read_gpus, read_number


def words(resources: Resources, settings: SlurmSettings | None = None) -> dict[str, Any]:
    """What is asked for, without what SLURM shall decide."""
    asked = parameters(resources, settings or SlurmSettings(), "name", 10, {})
    return {key: value for key, value in asked.items() if value is not None}


def test_the_script_names_everything_that_was_asked_for(tmp_path: Path) -> None:
    settings = SlurmSettings(
        account="lab",
        array_parallelism=4,
        setup=("module load cuda",),
        signal_delay_s=90,
        python="/opt/python",
        additional={"nice": 10},
    )
    resources = Resources(
        partition="gpu-a30",
        gpus=1,
        gpu="a30",
        cpus=8,
        mem_gb=31.5,
        time_min=119.5,
        reservation="friday",
        additional={"export": "ALL"},
    )
    backend = SlurmBackend(Profile(name="p", targets={}, slurm=settings), tmp_path)
    script = backend.script(10, resources, name="sweep:0")
    options = {
        line.removeprefix("#SBATCH --")
        for line in script.splitlines()
        if line.startswith("#SBATCH")
    }
    assert options == {
        "account=lab",
        "array=0-9%4",
        "comment=sweep:0",
        "cpus-per-task=8",
        f"error={tmp_path}/%A_%a_0_log.err",
        "export=ALL",
        "gres=gpu:a30:1",
        "job-name=sweep:0",
        "mem=32256M",
        "nice=10",
        "nodes=1",
        "open-mode=append",
        f"output={tmp_path}/%A_%a_0_log.out",
        "partition=gpu-a30",
        "requeue",
        "reservation=friday",
        "signal=USR2@90",
        "time=120",
    }
    lines = script.splitlines()
    assert lines.index("module load cuda") < lines.index("export OMP_NUM_THREADS=8")
    assert "export RUNNER_MAX_REQUEUES=3" in lines
    (command,) = (line for line in lines if line.startswith("srun "))
    assert " --cpus-per-task=8 " in command
    assert command.endswith(f"/opt/python -P -u -m cluster.slurm.task {tmp_path}/CALL.pkl 0")
    assert not backend.calls


def test_a_target_wins_over_the_site() -> None:
    settings = SlurmSettings(
        partition="any", gres="gpu:1", mem_per_cpu="4G", additional={"requeue": False, "nice": 5}
    )
    asked = words(
        Resources(partition="mine", gpus_per_node="a30:2", mem_gb=8, additional={"nice": 7}),
        settings,
    )
    assert (asked["partition"], asked["gpus_per_node"], asked["mem"]) == ("mine", "a30:2", "8192M")
    assert not {"gres", "mem_per_cpu"} & set(asked)
    assert asked["additional_parameters"] == {"nice": 7}


def test_one_way_of_asking_for_memory() -> None:
    asked = words(Resources(mem_per_gpu="9G"), SlurmSettings(mem_per_cpu="4G"))
    assert asked["mem_per_gpu"] == "9G"
    assert not {"mem", "mem_per_cpu"} & set(asked)
    assert words(Resources(), SlurmSettings(mem_per_cpu="4G"))["mem_per_cpu"] == "4G"


@pytest.mark.parametrize("name", ["50%j", "a\\b", "a\nb", "a\udcffb"])
def test_a_folder_that_slurm_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    backend = SlurmBackend(Profile(name="p", targets={}), tmp_path / name)
    with pytest.raises(FolderMisread, match="rename the folder"):
        backend.script(1, Resources(), name="sweep:0")


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ((), ""),
        (
            (
                "true",
                "[ -e /nowhere ] && echo here",
                "if false; then",
                "echo no",
                "else",
                "echo yes",
                "fi",
            ),
            "",
        ),
        (("source FOLDER/grumbles",), ""),
        (
            ("module() { return 3; }", "module load nothere  # none"),
            "exit code 3: module load nothere  # none",
        ),
        (("cd /nowhere", "echo later"), "exit code 1: cd /nowhere"),
        (("source /nowhere",), "exit code 1: source /nowhere"),
    ],
)
def test_a_line_of_setup_that_fails_ends_the_task_and_is_named(
    tmp_path: Path, setup: tuple[str, ...], said: str
) -> None:
    (tmp_path / "grumbles").write_text("false\ntrue\n")
    settings = SlurmSettings(
        setup=tuple(line.replace("FOLDER", str(tmp_path)) for line in setup),
        use_srun=False,
        python="echo",
    )
    script = SlurmBackend(Profile(name="p", targets={}, slurm=settings), tmp_path).script(
        1, Resources(), name="n"
    )
    (tmp_path / "script").write_text(script)
    done = subprocess.run(
        ["bash", tmp_path / "script"], capture_output=True, text=True, check=False
    )
    assert failed_setup(done.stderr).endswith(said)
    assert (done.returncode != 0, "cluster.slurm.task" in done.stdout) == (
        (True, False) if said else (False, True)
    )


def test_cpus_per_gpu_replace_cpus_per_task() -> None:
    asked = words(Resources(gpus=1, gpus_per_task=1, cpus_per_gpu=4))
    assert asked["cpus_per_gpu"] == 4
    assert "cpus_per_task" not in asked
    assert asked["srun_args"] == []


@pytest.mark.parametrize(("time_min", "delay_s"), [(None, 120), (240, 120), (3, 60), (1, 10)])
def test_a_short_limit_is_not_warned_of_at_once(time_min: float | None, delay_s: int) -> None:
    assert words(Resources(time_min=time_min))["signal_delay_s"] == delay_s


def test_a_share_of_a_gpu_needs_the_sites_word_for_it() -> None:
    with pytest.raises(Infeasible, match="shard"):
        words(Resources(gpus=0.5))
    assert words(Resources(gpus=0.5, gres="shard:1"))["gres"] == "shard:1"


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("(null)", {}),
        ("gpu:a30:2(S:0-1)", {"a30": 2}),
        ("gpu:a100_1g.5gb:7(S:0,2),gpu:t4:1,shard:4", {"a100_1g.5gb": 7, "t4": 1}),
        ("gpu:4", {"": 4}),
        ("gpu:a30", {"a30": 1}),
        ("gpu", {"": 1}),
    ],
)
def test_gpus_as_sites_write_them(gres: str, gpus: dict[str, int]) -> None:
    assert read_gpus(gres) == gpus


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1-00:00:00", 1440), ("08:30:00", 510), ("30:00", 30), ("UNLIMITED", None), ("NONE", None)],
)
def test_limits_as_sites_write_them(written: str, expected: float | None) -> None:
    assert minutes(written) == expected


def test_only_an_enclosing_job_takes_its_devices_with_it() -> None:
    mine = {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "SLURM_CONF": "/etc/slurm.conf",
        "SBATCH_PARTITION": "debug",
    }
    assert outer_environment(mine) == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "SLURM_CONF": "/etc/slurm.conf",
    }
    assert outer_environment(mine | {"SLURM_JOB_ID": "7"}) == {
        "PATH": "/bin",
        "SLURM_CONF": "/etc/slurm.conf",
    }


@pytest.mark.parametrize(
    ("written", "number"), [("128", 128), ("96+", 96), ("1K", 1024), ("1.50K+", 1536), ("N/A", 0)]
)
def test_counts_as_sites_write_them(written: str, number: int) -> None:
    assert read_number(written) == number
