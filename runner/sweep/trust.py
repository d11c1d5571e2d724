"""Which submissions this user froze here: nobody else's code is run without asking.

A store that several people write to can name any folder, function or command in what it keeps of a
submit. What was frozen is remembered by its digest in the user's own folder, so that a submission
of someone else's, or one changed since, is told from one's own.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

from runner.errors import NotYourSubmission
from runner.sweep.submission import Submission


def remember(submission: Submission) -> None:
    """Note that this user froze the submission; where that cannot be noted, retry will ask."""
    note = _note(submission)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.touch(mode=0o600)


def check(submission: Submission) -> None:
    """Raise NotYourSubmission unless this user froze exactly what the submission holds now."""
    note = _note(submission)
    with suppress(OSError):
        if note.stat().st_uid == os.getuid():
            return
    workloads = tuple(dict.fromkeys(spec.workload for spec in submission.specs))
    raise NotYourSubmission(
        submission.sweep, str(submission.folder), workloads, tuple(submission.about.import_path)
    )


def _note(submission: Submission) -> Path:
    """The file that stands for what the submission holds."""
    digest = hashlib.sha256()
    for path in sorted(path for path in submission.folder.iterdir() if path.is_file()):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return user_state_path("runner") / "submissions" / digest.hexdigest()[:32]
