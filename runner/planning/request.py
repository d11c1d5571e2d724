"""What the user asks for: a grid read against a profile, checked whole before anything is
queued."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from cluster.errors import UnknownTarget
from cluster.open import BackendName, LocalName, is_local, resolve
from cluster.profile import Profile
from jobs.command import PROMPT
from jobs.command import read as read_command
from jobs.data import missing, missing_weights, source_digest, split_refusal
from jobs.hardware import Hardware
from jobs.importing import file_of
from jobs.registry import dataset_of, defaults_of, is_custom
from jobs.spec import JobSpec
from runner.errors import ProblemsFound
from runner.grid.expand import load_grid
from runner.planning.profile import FoundProfile, find_profile
from runner.sweep.code_roots import find_sources
from runner.sweep.provenance import capture
from runner.sweep.snapshot import LIVE, Sources, digest_of
from runner.sweep.submission import About, Overrides, Submission, Typed

MAX_TRIALS = 100_000
_READ_AT_MOST = 2**30
"""Files that nobody has prepared are read for their digest if they have no more bytes."""


@dataclass(frozen=True)
class Request:
    """Everything a submit freezes and runs."""

    sweep: str
    specs: Sequence[JobSpec]
    """Every trial of the grid."""
    ids: Sequence[str]
    """Their ids, in the same order: hashing 100,000 of them once is enough."""
    grid_text: str
    site: FoundProfile
    about: About
    patch: str
    effective_text: str = ""
    """The grid after the overrides; empty if there are none."""
    typed: Typed | None = None
    """The command that asks for it."""
    sources: Sources | None = None
    """Where the user's code lies that a submit freezes; None where there is none to freeze, or it
    is frozen already."""

    @property
    def profile(self) -> Profile:
        """Return the site's targets and limits."""
        return self.site.profile

    @property
    def backend(self) -> BackendName:
        """Return what runs it: never ``auto``, which ``about`` may say."""
        return resolve(self.about.backend, self.profile)

    @cached_property
    def data(self) -> dict[str, str]:
        """Return the digest of each dataset as a trial would read it now, by its name; without one
        that is not prepared and too large to be read for it."""
        folder = Path(self.about.data_dir) if self.about.data_dir else None
        names = dict.fromkeys(dataset_of(spec.workload, spec.params) for spec in self.specs)
        found = {name: source_digest(name, folder, at_most=_READ_AT_MOST) for name in names if name}
        return {name: digest for name, digest in found.items() if digest is not None}

    @cached_property
    def code(self) -> str | None:
        """Return the digest of the user's code that a submit would freeze now, or has; ``live``
        where it is not frozen, None where there is none.

        Raises:
            CodeTooLarge: It is more than the profile allows.
        """
        if self.about.live:
            return LIVE
        if self.about.code is not None:
            return self.about.code.digest
        return None if self.sources is None else digest_of(self.sources, self.profile.snapshot)

    @property
    def local(self) -> LocalName | None:
        """Return the local backend that runs it; None where a scheduler does."""
        backend = self.backend
        return backend if is_local(backend) else None


def read_request(
    grid: Path | Mapping[str, Any],
    *,
    sets: Sequence[str] = (),
    on: Mapping[str, str] | None = None,
    cluster_file: Path | None = None,
    data_dir: Path | None = None,
    backend: str = "auto",
    max_trials: int = MAX_TRIALS,
    live: bool = False,
) -> Request:
    """Read a grid and check all that can be checked without running it.

    Args:
        grid: Its file, or what the file would hold.
        sets: Parameters to replace, as typed after ``--set``.
        on: Targets of the grid that are to run on another one.
        cluster_file: The profile; else found beside the grid, then in the user's config folder.
        data_dir: Folder of the datasets.
        backend: What is to run the trials.
        max_trials: A grid that expands to more is refused.
        live: Do not freeze the user's code: trials run it as it is when they start.

    Raises:
        GridError: The grid has mistakes; all are listed.
        ProblemsFound: The profile has, or datasets are missing.
        UnknownTarget: ``on`` maps to a target that the profile does not have.
    """
    # A pipe has no folder of its own: what stands beside the grid is then what stands here.
    file = grid.resolve() if isinstance(grid, Path) and grid.is_file() else None
    folder = Path.cwd() if file is None else file.parent
    site = find_profile(cluster_file, folder)
    profile = site.profile
    for target in (on or {}).values():
        if target not in profile.targets:
            raise UnknownTarget(target, tuple(profile.targets), profile.name)
    with _no_collection():
        expanded = load_grid(
            grid,
            folder=folder,
            sets=sets,
            targets={
                name: Hardware(target.wants_gpu, target.gpu, target.cpus)
                for name, target in profile.targets.items()
            },
            on=on or {},
            max_trials=max_trials,
            profile_name=profile.name,
        )
        _check_resources(expanded.specs, profile)
        check_data(expanded.specs, data_dir)
    import_path = tuple(dict.fromkeys((str(folder), str(Path.cwd()))))
    has_own = bool(own_modules(expanded.specs) or _commands(expanded.specs))
    environment, code = capture(folder, _files(expanded.specs, import_path))
    about = About(
        backend=backend,
        data_dir=str(data_dir.resolve()) if data_dir else None,
        import_path=list(import_path) if has_own else [],
        environment=environment,
        grid="" if file is None else str(file),
        notes=[*expanded.notes, *([code.trouble] if code.trouble else [])],
        merged=expanded.merged,
        overrides=Overrides(sets=list(sets), on=dict(on or {})),
        live=live and has_own,
    )
    return Request(
        expanded.name,
        expanded.specs,
        expanded.ids,
        expanded.text,
        site,
        about,
        code.patch,
        expanded.effective,
        sources=_sources(expanded.specs, folder, import_path) if has_own and not live else None,
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no garbage be looked for in the block: it makes many objects and no cycles, and looking
    through them takes a third of the time."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def frozen_request(submission: Submission) -> Request:
    """Return the request that a submission froze, for running its trials again whatever the files
    say today.

    Code of the user's that was not frozen is run as it is now, and described as it is now.
    """
    about, patch = submission.about, submission.patch
    if about.import_path and about.code is None:
        files = _files(submission.specs, tuple(about.import_path))
        environment, code = capture(Path(about.import_path[0]), files)
        about, patch = msgspec.structs.replace(about, environment=environment), code.patch
    return Request(
        sweep=submission.sweep,
        specs=submission.specs,
        ids=[spec.trial_id for spec in submission.specs],
        grid_text=submission.grid_text,
        site=FoundProfile(submission.profile, submission.profile_text),
        about=about,
        patch=patch,
        effective_text=submission.effective_text if about.overrides.changes_grid else "",
    )


def request_now(submission: Submission) -> Request:
    """Return the request that a submission froze, but for the user's code, which is where it was
    submitted from, as it is now.

    Raises:
        JobsError: A script is not there any more.
    """
    request = frozen_request(submission)
    about = request.about
    if about.code is None:
        return request
    import_path = tuple(about.import_path)
    return replace(
        request,
        about=msgspec.structs.replace(about, code=None),
        sources=_sources(request.specs, Path(import_path[0]), import_path),
    )


def own_modules(specs: Sequence[JobSpec]) -> tuple[str, ...]:
    """Return the modules of the user's own functions and models, each once."""
    kinds = dict.fromkeys(
        (spec.workload, model if isinstance(model := spec.params.get("model"), str) else None)
        for spec in specs
    )
    names = [workload if is_custom(workload) else str(model or "") for workload, model in kinds]
    return tuple(
        dict.fromkeys(
            name.partition(":")[0] for name in names if ":" in name and not name.startswith(PROMPT)
        )
    )


def _commands(specs: Sequence[JobSpec]) -> tuple[str, ...]:
    """The command lines, each once."""
    workloads = dict.fromkeys(spec.workload for spec in specs)
    return tuple(name for name in workloads if name.startswith(PROMPT))


def _files(specs: Sequence[JobSpec], import_path: tuple[str, ...]) -> list[Path]:
    """The files of the user's own modules and the scripts of the commands."""
    return [*_modules(specs, import_path).values(), *_scripts(specs, import_path)]


def _modules(specs: Sequence[JobSpec], import_path: tuple[str, ...]) -> dict[str, Path]:
    return {module: path for module in own_modules(specs) if (path := file_of(module, import_path))}


def _scripts(specs: Sequence[JobSpec], import_path: tuple[str, ...]) -> list[Path]:
    return [
        script for name in _commands(specs) if (script := read_command(name, import_path).script)
    ]


def _sources(
    specs: Sequence[JobSpec], folder: Path, import_path: tuple[str, ...]
) -> Sources | None:
    """Where the user's code lies; None if all of it is installed."""
    found = find_sources(
        folder,
        [Path(one) for one in import_path],
        _modules(specs, import_path),
        _scripts(specs, import_path),
    )
    return found if found.roots else None


def check_data(specs: Sequence[JobSpec], data_dir: Path | None) -> None:
    """ProblemsFound names all data that the built-in workloads would not find, and the command that
    prepares it."""
    kinds = Counter(_data_of(spec) for spec in specs if not is_custom(spec.workload))
    datasets, pretrained, splits = Counter[str](), Counter[str](), Counter[tuple[Any, ...]]()
    for kind, trials in kinds.items():
        if kind.dataset is not None:
            datasets[kind.dataset] += trials
        if kind.weights is not None:
            pretrained[kind.weights] += trials
        splits[_split_of(kind)] += trials
    problems = [
        f"{trials} trial{'s' * (trials > 1)} need the dataset '{name}': {why}"
        for name, trials in datasets.items()
        if (why := missing(name, data_dir))
    ]
    for (name, *how), trials in splits.items():
        if why := split_refusal(name, data_dir, *how):
            problems.append(
                f"{trials} trial{'s' * (trials > 1)} cannot split the dataset '{name}': {why}"
            )
    for model, trials in pretrained.items():
        if why := missing_weights(model, data_dir):
            problems.append(f"{trials} trials start from weights: {why}")
    if problems:
        raise ProblemsFound(tuple(problems))


class _Kind(NamedTuple):
    """What a trial reads, as its spec gives it; None where that says nothing."""

    workload: str
    dataset: str | None
    split: Any
    train_subset: int | None
    test_subset: int | None
    weights: str | None


def _data_of(spec: JobSpec) -> _Kind:
    get = spec.params.get
    split = get("split")
    return _Kind(
        spec.workload,
        get("dataset"),
        tuple(split) if isinstance(split, list) else split,
        get("train_subset"),
        get("test_subset"),
        get("model") if get("pretrained") else None,
    )


def _split_of(kind: _Kind) -> tuple[Any, ...]:
    """The dataset and how it is split, defaults written out."""
    default = defaults_of(kind.workload)
    names = ("dataset", "split", "train_subset", "test_subset")
    return tuple(
        default[name] if (value := getattr(kind, name)) is None else value for name in names
    )


def _check_resources(specs: Sequence[JobSpec], profile: Profile) -> None:
    """InvalidResources names whatever a group asks on top of its target and cannot have."""
    classes = {(spec.target, id(spec.resources)): spec for spec in specs}
    for spec in classes.values():
        profile.target(spec.target).merged(spec.resources)
