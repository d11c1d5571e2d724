"""What the user's code and this installation are at the moment of submit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import msgspec

from runner import __version__

_GIT_TIMEOUT_S = 20


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen beside the specs, so that a record can be traced to the code and the packages that made it."""

    commit: str | None
    """Commit of the folder the user stands in; None outside a repository."""
    dirty: bool | None
    """Whether tracked files differ from that commit."""
    untracked: list[str]
    """Files git neither tracks nor ignores: they are not in the patch."""
    runner_version: str
    python: str
    executable: str
    platform: str
    host: str
    cpus: int
    packages: dict[str, str]


def capture(folder: Path) -> tuple[Environment, str]:
    """Describe ``folder``'s repository and this installation; the text is the patch of uncommitted changes, empty where there are none."""
    commit = _git(folder, "rev-parse", "HEAD")
    patch = _git(folder, "diff", "--binary", "HEAD") if commit else None
    untracked = _git(folder, "ls-files", "--others", "--exclude-standard") if commit else None
    environment = Environment(
        commit=commit.strip() if commit else None,
        dirty=bool(patch) if commit else None,
        untracked=untracked.splitlines() if untracked else [],
        runner_version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        platform=platform.platform(),
        host=platform.node(),
        cpus=os.cpu_count() or 1,
        packages=dict(sorted((found.name, found.version) for found in metadata.distributions() if found.name)),
    )
    return environment, patch or ""


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of git, or None where there is no git, no repository or no commit yet."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
