"""What is known of an attempt from the outside, whoever writes its record: where and when it ran,
of which submission, and with which code, data and packages."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from artifacts.columns import RESERVED
from jobs.registry import dataset_of, is_custom
from jobs.spec import JobSpec
from jobs.versions import VERSIONED
from runner.sweep.journal import AttemptStarted
from runner.sweep.snapshot import LIVE
from runner.sweep.submission import FrozenArray, Submission


def circumstances(
    submission: Submission, array: FrozenArray, started: AttemptStarted
) -> dict[str, Any]:
    """Return the columns that are known once an attempt has begun, whoever writes its record."""
    spec, environment = submission.spec(started.line), submission.about.environment
    return {
        "workload": spec.workload,
        "target": spec.target,
        "seed": spec.seed,
        "group": spec.group,
        "submitted_at": array.submitted_at,
        "started_at": started.at,
        "queue_s": started.at - array.submitted_at - (started.startup_s or 0.0),
        "startup_s": started.startup_s,
        "cpus_asked": array.resources.get("cpus", 1),
        "backend": array.backend,
        "node": started.node,
        "partition": started.partition,
        "array_job_id": started.array_job_id,
        "array_task_id": started.array_task_id,
        "pid": started.pid,
        "log": started.log,
        "commit": environment.commit,
        "dirty": environment.dirty,
        "code": code_of(submission, spec),
        "runner_version": environment.runner_version,
        "runner_code": environment.runner_code,
        **_found(submission, spec, started),
    }


def _found(submission: Submission, spec: JobSpec, started: AttemptStarted) -> dict[str, Any]:
    """What the worker found around it; of the data also what submit found, where it was other."""
    found: dict[str, Any] = {
        name: value for name, value in started.found.items() if name in RESERVED
    }
    return found | data_columns(submission, spec, found.get("data_digest"))


def versions(submission: Submission, started: AttemptStarted) -> dict[str, str | None]:
    """Return the versions that a worker found: those at submit, but for what it noted to differ."""
    if "packages_digest" not in started.found:  # an earlier version did not look
        return {}
    packages: dict[str, str | None] = dict(submission.about.environment.packages)
    with suppress(ValueError, TypeError, AttributeError):  # a damaged line of the journal
        differing = json.loads(started.found.get("packages_differ", "{}"))
        packages |= {name: here for name, (_, here) in differing.items()}
    return {column: packages.get(package) for column, package in VERSIONED.items()}


def data_columns(submission: Submission, spec: JobSpec, digest: str | None) -> dict[str, Any]:
    """Return the columns about the data that an attempt read; none if it is not known.

    Args:
        submission: That the attempt belongs to.
        spec: Of its trial.
        digest: Of the data.
    """
    if digest is None:
        return {}
    submitted = submission.about.data.get(dataset_of(spec.workload, spec.params) or "", digest)
    return {
        "data_digest": digest,
        "data_submitted": None if submitted == digest else submitted,
    }


def code_of(submission: Submission, spec: JobSpec) -> str | None:
    """Return what the record says about the user's code; None for a trial that needs none."""
    if not needs_code(spec):
        return None
    about = submission.about
    return LIVE if about.live else None if about.code is None else about.code.digest


def needs_code(spec: JobSpec) -> bool:
    """Return whether the user's own code computes the trial, or builds its model."""
    return is_custom(spec.workload) or ":" in str(spec.params.get("model", ""))
