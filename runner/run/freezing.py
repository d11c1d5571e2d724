"""From a request and its plan to what lies in the store before anything runs."""

from __future__ import annotations

import time

import msgspec

from artifacts.publish import translate_write_errors
from runner.planning.packing import PlannedArray
from runner.planning.plan import Options
from runner.planning.request import Request
from runner.sweep.early_stop import release
from runner.sweep.snapshot import check as check_snapshot
from runner.sweep.snapshot import take
from runner.sweep.submission import FrozenArray, Submission, freeze
from runner.sweep.sweep import Sweep
from runner.sweep.trust import remember


def freeze_request(request: Request, sweep: Sweep, options: Options) -> Submission:
    """Freeze a request and the user's code, note that this user did, and let stopped groups run
    again.

    Args:
        request: The grid, checked.
        sweep: Locked.
        options: Of this submit. What it leaves for later and how it packs is frozen too, but not by
            a retry, which runs trials of what was frozen before.

    Raises:
        CodeTooLarge: The code is more than the profile allows.
        SnapshotMissing, SnapshotOfAnother: It was frozen before, and cannot be used any more.
    """
    sweep_folder, about = sweep.folder, request.about
    if request.sources is not None:
        frozen = take(sweep.store, request.sources, request.profile.snapshot)
        about = msgspec.structs.replace(about, code=frozen)
    elif about.code is not None:
        check_snapshot(sweep.store, about.code)
    overrides = about.overrides
    if options.only is None:
        overrides = msgspec.structs.replace(overrides, limit=options.limit, pack=options.pack)
    with translate_write_errors(sweep_folder):
        submission = freeze(
            sweep_folder,
            grid_text=request.grid_text,
            profile_text=request.site.text,
            specs=request.specs,
            about=msgspec.structs.replace(
                about, backend=request.backend, data=request.data, overrides=overrides
            ),
            patch=request.patch,
            effective_text=request.effective_text,
            typed=request.typed,
        )
        release(submission, keep_going=options.keep_going)
    remember(submission)
    return submission


def freeze_array(
    array: PlannedArray,
    backend: str,
    warning_s: float | None = None,
    *,
    store: str = "",
    cluster: str | None = None,
) -> FrozenArray:
    """Return a planned array as its worker will read it, stamped with the time.

    Args:
        array: From the plan.
        backend: What is to run it.
        warning_s: How long before the end of its walltime a task is asked to stop.
        store: Id of the store.
        cluster: That it is queued on, by name; empty for this machine's own.
    """
    return FrozenArray(
        target=array.target,
        backend=backend,
        submitted_at=time.time(),
        resources={
            key: value
            for key, value in msgspec.structs.asdict(array.resources).items()
            if value is not None and value != {}
        },
        trial_time_min=array.trial_time_min,
        warning_s=warning_s,
        store=store,
        cluster=cluster,
        packs=[[(item.line, item.attempt) for item in pack] for pack in array.packs],
    )
