"""SLURM's commands, run, counted, and kept from what an enclosing job left in the environment."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping

from cluster.errors import BackendUnavailable
from cluster.slurm.errors import SlurmCommandFailed

_KEPT = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"})
_CLUSTERS = "SLURM_CLUSTERS"
_OF_A_JOB = (
    "SLURM_",
    "SBATCH_",
    "SRUN_",
    "SQUEUE_",
    "SACCT_",
    "SCANCEL_",
    "SINFO_",
    "SALLOC_",
    "SUBMITIT_",
)
_DEVICES_OF_A_JOB = frozenset(
    {"CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"}
)

_OUTPUT = {
    "SLURM_TIME_FORMAT": "%s",  # seconds since 1970, whatever the time zone
    "SLURM_BITSTR_LEN": "0",  # the tasks of an array in full, not cut at 64 characters
}


def outer_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without the variables that SLURM set for the job we are in, or that
    would override a batch script.

    Args:
        environment: What to clean; None for this process's own.
    """
    source = os.environ if environment is None else environment
    inside = "SLURM_JOB_ID" in source
    return {
        name: value
        for name, value in source.items()
        if (name in _KEPT or not name.startswith(_OF_A_JOB))
        and not (inside and name in _DEVICES_OF_A_JOB)
    }


def default_cluster() -> str:
    """Return the one cluster that the user's environment names; empty for the cluster of this
    machine."""
    named = os.environ.get(_CLUSTERS, "")
    return named if is_one_cluster(named) else ""


def is_one_cluster(name: str) -> bool:
    """Return whether a text names one cluster, and not several or all."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is not None and name != "all"


class Commands:
    """Runs SLURM's commands."""

    def __init__(self, cluster: str = "", calls: Counter[str] | None = None) -> None:
        self.cluster = cluster
        """The cluster that is asked; empty for that of this machine."""
        self.calls: Counter[str] = Counter() if calls is None else calls
        """How often each was run: every one of them costs slurmctld or slurmdbd something."""

    def at(self, cluster: str) -> Commands:
        """Return the same for another cluster, counted together."""
        return self if cluster == self.cluster else Commands(cluster, self.calls)

    def run(self, program: str, *arguments: str, timeout_s: float = 120) -> str:
        """Return what a command printed.

        Raises:
            BackendUnavailable: There is no such program here.
            SlurmCommandFailed: It ended with an error, or did not end in time.
        """
        self.calls[program] += 1
        submits = program == "sbatch"
        # A batch script names its cluster itself, and its task is not to inherit this.
        cluster = {_CLUSTERS: self.cluster} if self.cluster and not submits else {}
        try:
            done = subprocess.run(
                [program, *arguments],
                env=outer_environment() | _OUTPUT | cluster,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
                # The Ctrl-C that is meant for us must not leave a submission half made,
                process_group=0 if submits else None,
                # and whoever holds the sweep's lock holds it until sbatch has ended too, even if we
                # are killed.
                close_fds=not submits,
            )
        except FileNotFoundError:
            raise BackendUnavailable(
                "slurm",
                f"{program} is not on PATH",
                "type this on a login node, or use --backend ray",
            ) from None
        except subprocess.TimeoutExpired:
            raise SlurmCommandFailed(
                program, f"no answer within {timeout_s:g} s", broken_off=True
            ) from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split())
            if done.returncode < 0:
                said = f"{said} (ended by signal {-done.returncode})".lstrip()
            raise SlurmCommandFailed(
                program,
                said or f"exit code {done.returncode}",
                broken_off=done.returncode < 0,
            )
        return done.stdout
