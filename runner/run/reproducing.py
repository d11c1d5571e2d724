"""Make a request of what a sweep froze, to run it again into another store, here and now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from artifacts.store import Store
from cluster.errors import UnknownTarget
from cluster.profile import BUILTIN_NAME, Profile
from jobs.hardware import Hardware
from jobs.registry import is_custom, workload
from jobs.spec import JobSpec
from runner.errors import ProblemsFound, RunnerError
from runner.housekeeping.copying import copy_folder
from runner.planning.profile import FILE as PROFILE_FILE
from runner.planning.profile import FoundProfile, find_profile, user_profile
from runner.planning.request import Request, check_data, frozen_request, own_modules
from runner.sweep.provenance import capture
from runner.sweep.snapshot import FrozenRoot, code_folder
from runner.sweep.submission import Submission
from runner.sweep.sweep import Sweep
from runner.sweep.trust import check as check_trust


class NothingToReproduce(RunnerError):
    """No trial of the sweep is completed."""

    sweep: str
    store: str

    def __str__(self) -> str:
        return (
            f"no trial of '{self.sweep}' in {self.store} is completed, so there is nothing to "
            f"reproduce: 'runner status {self.sweep} --store {self.store}' says how they stand"
        )


class SameStore(RunnerError):
    """A sweep cannot be reproduced into its own store, where its trials are completed."""

    exit_code: ClassVar[int] = 2

    store: str

    def __str__(self) -> str:
        return f"{self.store} has the original: name another folder with --into"


@dataclass(frozen=True)
class Reproduction:
    """What runs, and which trial of the original each trial is to reproduce."""

    request: Request
    submission: Submission
    """The original."""
    trials: Mapping[str, str]
    """By the id of each original, the id of its trial here; several may have one."""
    not_completed: int
    """Trials of the original that are not completed, and not run again."""
    not_chosen: int
    """Completed trials of the original that ``--trials`` leaves out."""


def reproduction(
    original: Sweep,
    into: Store,
    *,
    on: Mapping[str, str],
    cluster_file: Path | None = None,
    data_dir: Path | None = None,
    backend: str = "auto",
    trials: int | None = None,
    new_seeds: bool = False,
    trust: bool = False,
) -> Reproduction:
    """Return the request that runs a sweep's completed trials again.

    The trials, the grid and the overrides are the frozen ones. The user's code is copied from the
    original's store. The profile is that of here if there is a file of one, or if targets are
    mapped; else the frozen one, unless that described its own machine.

    Args:
        original: The sweep, in its own store.
        into: Where it is to run; created if absent.
        on: Targets of the original that run on another one here.
        cluster_file: The profile of here.
        data_dir: Folder of the datasets here; None for the original's, where it is there.
        backend: What runs the trials.
        trials: At most so many, in whole cells as far as possible, from all over the grid.
        new_seeds: Give the repeats other seeds than the original's.
        trust: Run another user's code without asking.

    Raises:
        SameStore: The two stores are one.
        NothingToReproduce: No trial is completed.
        NotYourSubmission: Another user owns the submission, so its code is another's.
        UnknownTarget: A target is not in the profile of here.
        ProblemsFound: A parameter has no meaning on the hardware of here, or data are missing.
        SnapshotMissing: The code is not in the store.
    """
    if original.store.root.resolve() == into.root.resolve():
        raise SameStore(str(into.root))
    submission = original.latest
    completed = original.index.completed
    done = [spec for spec in submission.specs if spec.trial_id in completed]
    if not done:
        raise NothingToReproduce(original.name, str(original.store.root))
    chosen = _spread(done, trials)
    site = _profile_here(submission, on, cluster_file)
    # What the store says runs here: code of the user's, or the batch scripts of its profile.
    runs_own = any(is_custom(spec.workload) for spec in chosen) or bool(own_modules(chosen))
    from_store = runs_own or site.profile is submission.profile
    if not trust and from_store and _owners(submission, original.store) != {os.getuid()}:
        check_trust(submission)
    shift = 1 + max(spec.seed for spec in submission.specs) if new_seeds else 0
    specs: dict[str, JobSpec] = {}
    mapped = {}
    for spec in chosen:
        here = _here(spec, on, site.profile, shift)
        mapped[spec.trial_id] = here.trial_id
        specs.setdefault(here.trial_id, here)
    frozen = frozen_request(submission)
    known = Path(frozen.about.data_dir) if frozen.about.data_dir else None
    data = data_dir or (known if known is not None and known.is_dir() else None)
    check_data(list(specs.values()), data)
    _copy_code(original.store, into, submission)
    environment, _ = capture(Path.cwd(), [])
    about = msgspec.structs.replace(
        frozen.about,
        backend=backend,
        data_dir=str(data.resolve()) if data else None,
        environment=msgspec.structs.replace(
            environment,
            commit=frozen.about.environment.commit,
            dirty=frozen.about.environment.dirty,
            untracked=frozen.about.environment.untracked,
        ),
        overrides=msgspec.structs.replace(
            frozen.about.overrides, on=frozen.about.overrides.on | dict(on)
        ),
        notes=[],
        merged=0,
    )
    request = Request(
        sweep=original.name,
        specs=list(specs.values()),
        ids=list(specs),
        grid_text=frozen.grid_text,
        site=site,
        about=about,
        patch=frozen.patch,
        effective_text=frozen.effective_text,
    )
    return Reproduction(
        request, submission, mapped, len(submission.specs) - len(done), len(done) - len(chosen)
    )


def _spread(specs: Sequence[JobSpec], most: int | None) -> list[JobSpec]:
    """Return at most so many specs, all repeats of cells that lie evenly in the grid."""
    if most is None or most >= len(specs):
        return list(specs)
    cells: dict[Any, list[JobSpec]] = {}
    for spec in specs:
        key = (spec.workload, spec.target, msgspec.json.encode(spec.params, order="sorted"))
        cells.setdefault(key, []).append(spec)
    listed = list(cells.values())
    wanted = min(len(listed), -(-most // max(map(len, listed))))
    chosen = [listed[i * len(listed) // wanted] for i in range(wanted)]
    return [spec for cell in chosen for spec in cell][:most]


def _profile_here(
    submission: Submission, on: Mapping[str, str], cluster_file: Path | None
) -> FoundProfile:
    here = Path.cwd()
    has_file = cluster_file is not None or (here / PROFILE_FILE).is_file()
    if has_file or user_profile().is_file() or on:
        return find_profile(cluster_file, here)
    text = submission.profile_text
    if text.startswith(f"# {BUILTIN_NAME}"):  # of the original's machine
        return find_profile(None, here)
    return FoundProfile(submission.profile, text)


def _here(spec: JobSpec, on: Mapping[str, str], profile: Profile, shift: int) -> JobSpec:
    """Return the trial as it runs here: on another target, with another seed, and without what
    cannot act on its hardware."""
    name = on.get(spec.target, spec.target)
    if name not in profile.targets:
        raise UnknownTarget(name, tuple(profile.targets), profile.name)
    params = spec.params
    if name != spec.target and not is_custom(spec.workload):
        target = profile.targets[name]
        known = workload(spec.workload)
        hardware = Hardware(target.wants_gpu, target.gpu, target.cpus)
        acting, _ = known.collapse(known.read(params), hardware)
        if faults := known.check(acting, hardware):
            raise ProblemsFound(tuple(f"on target '{name}': {fault}" for fault in faults))
        params = dict(sorted(known.canonical(acting).items()))
    return msgspec.structs.replace(spec, target=name, params=params, seed=spec.seed + shift)


def _owners(submission: Submission, store: Store) -> set[int]:
    """Return who owns the submission and its code."""
    code = submission.about.code
    folders = [
        submission.folder,
        *(_folder_of(store, root) for root in (code.roots if code else [])),
    ]
    return {folder.stat().st_uid for folder in folders if folder.exists()}


def _folder_of(store: Store, root: FrozenRoot) -> Path:
    return code_folder(store) / root.copy.partition("/")[0]


def _copy_code(source: Store, into: Store, submission: Submission) -> None:
    """Copy the frozen code, so that it is this user's own."""
    code = submission.about.code
    for root in [] if code is None else code.roots:
        if _folder_of(source, root).is_dir():  # else freezing says that it is missing
            copy_folder(_folder_of(source, root), _folder_of(into, root))
