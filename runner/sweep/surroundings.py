"""Columns about what a worker finds around it, compared with what submit found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from platform import python_version

from runner.sweep.provenance import Environment, installed_packages
from runner.sweep.submission import Submission
from runner.sweep.variables import HANDED_OUT, deciding_variables

_DIGITS = 16


@lru_cache(maxsize=4)
def found_here(folder: Path) -> Mapping[str, str]:
    """Return the columns of this process for the trials of a submission, looked at once.

    Call it before a trial has run here: it may set variables.

    Args:
        folder: Of the submission.
    """
    return compared(Submission(folder).about.environment, _packages(), deciding_variables())


def compared(
    submitted: Environment, packages: Mapping[str, str], variables: Mapping[str, str]
) -> dict[str, str]:
    """Return ``python_version``, ``packages_digest``, and where something differs
    ``packages_differ`` and ``variables_differ``.

    Args:
        submitted: What submit found.
        packages: What is installed here, version by name.
        variables: What decides numbers here, value by name.
    """
    columns = {"python_version": python_version(), "packages_digest": digest_of(packages)}
    differing = {
        "packages_differ": differences(submitted.packages, packages),
        "variables_differ": {}
        if submitted.variables is None  # an earlier version did not freeze them
        else {
            name: values
            for name, values in differences(submitted.variables, variables).items()
            if name not in HANDED_OUT
        },
    }
    return columns | {name: json.dumps(found) for name, found in differing.items() if found}


def differences(
    before: Mapping[str, str], now: Mapping[str, str]
) -> dict[str, tuple[str | None, str | None]]:
    """Return by name both values of what differs, None where a side lacks it."""
    return {
        name: (before.get(name), now.get(name))
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    }


def digest_of(packages: Mapping[str, str]) -> str:
    """Return the digest of names and versions."""
    listed = json.dumps(sorted(packages.items()))
    return hashlib.sha256(listed.encode()).hexdigest()[:_DIGITS]


@lru_cache(maxsize=1)
def _packages() -> Mapping[str, str]:
    return installed_packages()
