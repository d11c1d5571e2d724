"""What SLURM itself can answer instead of doing what it was asked."""

from __future__ import annotations

from cluster.errors import CallDoesNotPickle, ClusterError, Infeasible


class SlurmCommandFailed(ClusterError):
    """One of SLURM's commands ended with an error, or did not end."""

    def __init__(self, program: str, message: str) -> None:
        super().__init__(program, message)
        self.program, self.message = program, message

    def __str__(self) -> str:
        return (
            f"{self.program} failed: {self.message}; see with sinfo whether the cluster is up "
            "(without one, use --backend ray)"
        )


class SubmitRefused(ClusterError):
    """sbatch refused the array for good; nothing was queued."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name, self.message = name, message

    def __str__(self) -> str:
        return (
            f"SLURM refused '{self.name}': {self.message}; correct the profile (runner doctor "
            "checks it against the cluster)"
        )


class SubmitLimitReached(ClusterError):
    """The user may not queue so many tasks just now; nothing of this array was queued."""

    def __init__(self, name: str, n_tasks: int, message: str) -> None:
        super().__init__(name, n_tasks, message)
        self.name, self.n_tasks, self.message = name, n_tasks, message

    def __str__(self) -> str:
        return (
            f"SLURM's submit limit leaves no room for the {self.n_tasks} tasks of '{self.name}' "
            f"({self.message}): "
            "submit again when some have ended, or set max_submit in the profile"
        )


class SubmitUnacknowledged(ClusterError):
    """sbatch ended without an answer: the array may be queued or not."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name, self.message = name, message

    def __str__(self) -> str:
        return (
            f"nobody knows whether SLURM queued '{self.name}' ({self.message}): submit again, "
            "which looks for it by name first"
        )


class FolderMisread(ClusterError):
    """SLURM would take the folder of the logs for another one; nothing was queued."""

    def __init__(self, folder: str, odd: str) -> None:
        super().__init__(folder, odd)
        self.folder, self.odd = folder, odd

    def __str__(self) -> str:
        return (
            f"SLURM cannot write logs to {self.folder!r}, because it reads {self.odd!r} in a "
            "path in a way of its own: rename the folder"
        )


NOT_QUEUED = (SubmitRefused, SubmitLimitReached, FolderMisread, Infeasible, CallDoesNotPickle)
"""After these nothing of the array is in the queue; after any other exception nobody knows."""
