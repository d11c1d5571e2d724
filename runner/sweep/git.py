"""Asks git, which may be missing, about the user's repositories; changes nothing in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_TIMEOUT_S = 20
_NOT_OURS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
)
"""Variables that point git at another repository or form what it prints, as a hook that started us
has them."""


class GitFailed(Exception):
    """Git is not there, or gives no answer; the message says why."""


class NoRepository(GitFailed):
    """Neither the folder nor any above it is a repository."""


def git(folder: Path, *arguments: str) -> bytes:
    """Return what git prints, with no setting of the environment pointing it elsewhere, and without
    taking a lock.

    Raises:
        NoRepository: There is no git, or no repository.
        GitFailed: It gives no other answer.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=environment | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except FileNotFoundError:
        raise NoRepository("there is no git") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise GitFailed(str(error)) from None
    if done.returncode:
        said = os.fsdecode(done.stderr).strip()
        kind = NoRepository if "not a git repository" in said else GitFailed
        raise kind(said.splitlines()[0] if said else f"exit code {done.returncode}")
    return done.stdout
