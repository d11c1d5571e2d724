"""sbatch: submitit's executor, bent so that an array is one file and an index, and the rehearsal
that queues nothing."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from submitit.core.utils import DelayedSubmission, JobPaths
from submitit.slurm.slurm import SlurmExecutor

from cluster.calls import pickled
from cluster.errors import (
    FolderMisread,
    Infeasible,
    SubmitLimitReached,
    SubmitRefused,
    SubmitUnacknowledged,
)
from cluster.profile import SlurmSettings
from cluster.resources import Resources
from cluster.slurm.commands import Commands
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.script import parameters

_NEVER_HERE = (
    "Requested node configuration is not available",
    "Invalid partition name",
    "Invalid generic resource",
    "Invalid feature specification",
    "Invalid node name",
    "Memory required by task is not available",
    "More processors requested than permitted",
    "Requested time limit is invalid",
)
_LATER = (
    "SubmitJobLimit",
    "SubmitJobsLimit",
    "SubmitJobPer",
    "job submit limit",
    "maximum number of jobs",
    "Resource temporarily unavailable",
)
_NO_ANSWER = (
    "Unable to contact",
    "timed out",
    "Connection",
    "ommunication",  # SLURM's own words for a message that was lost: Communication send failure
    "Zero Bytes",
    "Unexpected message",
    "Insane message length",
    "Protocol",
    "Broken pipe",
    "Transport endpoint",
    "No route to host",
    "unreachable",
)
_ITS_OWN_WORDS = ("error:", "fatal:", "unrecognized option", "invalid option", "is ambiguous")
"""What sbatch itself says has one of these; where a site's wrapper ends with other words, nobody
knows what was done before."""

_MISREAD_IN_PATHS = re.compile(r"[%\\\x00-\x1f\x7f\ud800-\udfff]")
"""SLURM replaces %j in the names of logs, takes a backslash for an order, and reads a script by
lines of valid text."""

_NO_ROOM_NOW = "SubmitJob"  # AssocMaxSubmitJobLimit, QOSMaxSubmitJobPerUserLimit
_BEFORE_ITS_WORDS = ("sbatch: error: ", "allocation failure: ")


class ArrayExecutor(SlurmExecutor):  # type: ignore[misc]
    """Queues one callable for the indices of an array.

    submitit writes the batch script and names the files; its own `map_array` would pickle every
    task apart.
    """

    def __init__(self, folder: Path, settings: SlurmSettings, commands: Commands) -> None:
        """FolderMisread: SLURM would write the logs elsewhere."""
        odd = _MISREAD_IN_PATHS.search(str(folder))
        if odd is not None:
            raise FolderMisread(str(folder), odd[0])
        super().__init__(folder, max_num_timeout=settings.max_requeues, python=settings.python)
        self.settings, self.commands = settings, commands
        self._arguments = ""

    @classmethod
    def affinity(cls) -> int:
        """Return a rank above zero also where there is no srun: a batch script needs none."""
        return 2

    def prepare(
        self, resources: Resources, name: str, environment: Mapping[str, str], cluster: str
    ) -> None:
        """Set what all chunks of one array share; Infeasible where SLURM cannot be asked for it."""
        self.resources, self.job_name, self.job_environment, self.cluster = (
            resources,
            name,
            environment,
            cluster,
        )

    def dump(self, call: Callable[[int], None], warm: Callable[[], None] | None) -> Path:
        """Write the callable down where every node can read it; CallDoesNotPickle if it cannot
        travel."""
        pickled(call)
        if warm is not None:
            pickled(warm)
        self.folder.mkdir(parents=True, exist_ok=True)
        path: Path = self.folder / f"{uuid.uuid4().hex}.pkl"
        DelayedSubmission(call, warm=warm).dump(path)
        with path.open("rb") as written:
            os.fsync(written.fileno())
        return path

    def text(self, pickle: Path, first: int, n_tasks: int, name: str) -> str:
        """Return the batch script of a chunk: array index 0 is the call's index `first`."""
        wanted = parameters(
            self.resources, self.settings, name, n_tasks, self.job_environment, self.cluster
        )
        self.parameters.clear()
        self.update_parameters(**wanted)
        self.parameters["map_count"] = n_tasks
        self._arguments = f"{shlex.quote(str(pickle))} {first}"
        return str(self._make_submission_file_text(self._submitit_command_str, ""))

    def queue(self, pickle: Path, first: int, n_tasks: int, name: str) -> tuple[str, str | None]:
        """Queue a chunk; its job id, and the cluster that has it where sbatch says so.

        Raises:
            Infeasible: No node could ever run one of its tasks.
            SubmitRefused: SLURM does not want it for another reason.
            SubmitLimitReached: Not now.
            SubmitUnacknowledged: No answer came; it may be queued.
        """
        script = pickle.with_suffix(f".{first}.sh")
        script.write_text(self.text(pickle, first, n_tasks, name))
        try:
            answer = self.commands.run("sbatch", "--parsable", str(script))
        except SlurmCommandFailed as failure:
            script.unlink()
            raise _refusal(name, n_tasks, failure) from None
        # "123", "123;cluster" where there are several, and before it whatever a site has to tell
        # its users.
        job, _, cluster = answer.strip().rpartition("\n")[2].strip().partition(";")
        if not job.isdecimal():
            raise SubmitUnacknowledged(name, f"sbatch answered {answer.strip()!r}")
        with suppress(
            OSError
        ):  # the name is for people; the array is queued, whatever becomes of this file
            script.rename(JobPaths(self.folder, job_id=f"{job}_0").submission_file)
        return job, cluster or None

    @property
    def _submitit_command_str(self) -> str:
        # -P: a cluster.py in the folder that submit was typed in is not ours.
        return f"{self.python} -P -u -m cluster.slurm.task {self._arguments}"


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
            for prefix in _BEFORE_ITS_WORDS:
                said = said.replace(prefix, "")
            raise (
                SubmitLimitReached(name, 1, said)
                if _NO_ROOM_NOW in said
                else SubmitRefused(name, said)
            ) from None


def _refusal(name: str, n_tasks: int, failure: SlurmCommandFailed) -> Exception:
    message = failure.message
    said = message.replace("sbatch: error: ", "").replace("Batch job submission failed: ", "")
    if (
        failure.broken_off
        or not any(words in message for words in _ITS_OWN_WORDS)
        or any(words in message for words in _NO_ANSWER)
    ):
        return SubmitUnacknowledged(name, said)
    if any(words in message for words in _LATER):
        return SubmitLimitReached(name, n_tasks, said)
    if any(words in message for words in _NEVER_HERE):
        return Infeasible(
            name,
            f"SLURM says: {said}",
            "correct the target in the profile (sinfo shows what there is), or map it with --on",
        )
    return SubmitRefused(name, said)
