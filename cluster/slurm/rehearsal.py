"""What SLURM would say to a batch script, without queueing it."""

from __future__ import annotations

import tempfile

from cluster.errors import SubmitLimitReached, SubmitRefused
from cluster.slurm.commands import Commands
from cluster.slurm.errors import SlurmCommandFailed

_NO_ROOM_NOW = "SubmitJob"  # AssocMaxSubmitJobLimit, QOSMaxSubmitJobPerUserLimit
_PREFIXES = ("sbatch: error: ", "allocation failure: ")


def rehearse(commands: Commands, script: str, name: str) -> None:
    """Have `sbatch --test-only` check a batch script; what it lets pass may still wait for ever.

    Raises:
        SubmitLimitReached: The user may queue nothing more just now.
        SubmitRefused: SLURM does not want it, for any other reason: also those of the site's own
            submit plugins.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            commands.run("sbatch", "--test-only", file.name)
        except SlurmCommandFailed as failure:
            said = failure.message
            for prefix in _PREFIXES:
                said = said.replace(prefix, "")
            raise (
                SubmitLimitReached(name, 1, said)
                if _NO_ROOM_NOW in said
                else SubmitRefused(name, said)
            ) from None
