"""SLURM's commands, run, counted, and kept from what an enclosing job left in the environment."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Mapping

from cluster.errors import BackendUnavailable
from cluster.slurm_errors import SlurmCommandFailed

_KEPT = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_CLUSTERS"})
_OF_A_JOB = ("SLURM_", "SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_", "SALLOC_", "SUBMITIT_")
_DEVICES_OF_A_JOB = frozenset({"CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"})

_OUTPUT = {
    "SLURM_TIME_FORMAT": "%s",  # seconds since 1970, whatever the time zone
    "SLURM_BITSTR_LEN": "0",  # the tasks of an array in full, not cut at 64 characters
}


def outer_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without the variables that SLURM set for the job we are in, or that would override a batch script.

    Args:
        environment: What to clean; None for this process's own.
    """
    source = os.environ if environment is None else environment
    inside = "SLURM_JOB_ID" in source
    return {
        name: value
        for name, value in source.items()
        if (name in _KEPT or not name.startswith(_OF_A_JOB)) and not (inside and name in _DEVICES_OF_A_JOB)
    }


class Commands:
    """Runs SLURM's commands.

    Attributes:
        calls: How often each was run: every one of them costs slurmctld or slurmdbd something.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def run(self, program: str, *arguments: str, timeout_s: float = 120) -> str:
        """What a command printed.

        Raises:
            BackendUnavailable: There is no such program here.
            SlurmCommandFailed: It ended with an error, or did not end in time.
        """
        self.calls[program] += 1
        try:
            done = subprocess.run(
                [program, *arguments],
                env=outer_environment() | _OUTPUT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            raise BackendUnavailable("slurm", f"{program} is not on PATH", "type this on a login node, or use --backend ray") from None
        except subprocess.TimeoutExpired:
            raise SlurmCommandFailed(program, f"no answer within {timeout_s:g} s") from None
        if done.returncode != 0:
            raise SlurmCommandFailed(program, " ".join(done.stderr.split()) or f"exit code {done.returncode}")
        return done.stdout
