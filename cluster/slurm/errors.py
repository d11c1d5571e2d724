"""Errors that SLURM's own commands report."""

from __future__ import annotations

from cluster.errors import ClusterError


class SlurmCommandFailed(ClusterError):
    """One of SLURM's commands ended with an error, or did not end."""

    program: str
    message: str
    broken_off: bool = False
    """It was ended before it had answered: nobody knows what it did."""

    def __str__(self) -> str:
        return (
            f"{self.program} failed: {self.message}; check with sinfo whether the cluster is up "
            "(without a cluster, use --backend ray)"
        )
