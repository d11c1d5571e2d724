"""What SLURM itself can answer instead of doing what it was asked."""

from __future__ import annotations

from cluster.errors import ClusterError


class SlurmCommandFailed(ClusterError):
    """One of SLURM's commands ended with an error, or did not end."""

    program: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.program} failed: {self.message}; see with sinfo whether the cluster is up "
            "(without one, use --backend ray)"
        )
