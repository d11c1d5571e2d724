"""Which files of a folder are the user's code, and which are data that lies beside it.

What git tracks is code. Of other files, and without git, modules are, programs, and what is source
or settings by its suffix. Large data, hidden files, this package's own grids and profiles, and all
that git ignores stay where they are: the snapshot links to them. Virtual environments, caches and
stores are not even that. Modules are never left out: a folder that holds some is code, whatever it
is called, and so is a module, compiled or generated, that git ignores beside others.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import BYTECODE_SUFFIXES, all_suffixes
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.data.cache import is_prepared
from runner.sweep.git import GitFailed, git

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MODULES: Final = tuple({*all_suffixes()} - {*BYTECODE_SUFFIXES})
"""How files end that Python imports."""
IGNORE_FILE: Final = ".runnerignore"

_SOURCE: Final = frozenset(
    """awk bash c cc cfg cl cmake conf cpp cu cuh cxx f f90 go h hpp ini j2 java jinja jinja2 jl js
    json json5 lua m mk mojo pl proto ptx pxd pxi pyx r rb rs sh sql tmpl toml ts xml yaml yml
    zsh""".split()  # noqa: SIM905 - a list of words
)
"""How files end, beside modules, that are code or settings though git does not track them."""
_DATA: Final = frozenset(
    """7z arrow avi bin bmp bz2 ckpt csv db err feather flac gif gz h5 hdf5 html ipynb jpeg jpg
    jsonl lmdb log mat mdb mov mp3 mp4 msgpack ndjson npy npz onnx out parquet pdf pickle pkl png pt
    pth rar rds safetensors sqlite sqlite3 svg tar tfevents tfrecord tgz tif tiff tsv wav webp xz
    zip zst""".split()  # noqa: SIM905 - a list of words
)
"""How files end that are data though git tracks them, where they are not small."""
_DATA_FOLDERS: Final = frozenset(
    """checkpoints ckpts data dataset datasets lightning_logs logs mlruns outputs runs
    wandb""".split()  # noqa: SIM905 - a list of words
)
"""Folders of data and of what runs have written, where they hold no modules."""
_CACHES: Final = frozenset({"__pycache__", "__pypackages__", "node_modules", "site-packages"})
_BUILT: Final = frozenset({"build", "dist"})
"""Folders that git ignores and that hold copies of modules; nobody imports from there."""

_TRACKED_BYTES: Final = 2**20
"""Data that git tracks is small as a rule, and belongs to the code."""
_LOOKED_AT: Final = 2000
"""Entries of a folder that are looked at for modules; folders of more are data."""
_GRID: Final = (
    re.compile(rb"^name:", re.MULTILINE),
    re.compile(rb"^(workload|command|groups):", re.MULTILINE),
)
_PROFILE: Final = (
    re.compile(rb"^targets:", re.MULTILINE),
    re.compile(rb"\b(backend|slurm|cpus|gpus):"),
)
_TABLE: Final = (re.compile(rb"\A\["), re.compile(rb'"(schema_version|not_completed)":'))
"""What `runner collect` writes as JSON."""


@dataclass(frozen=True)
class Source:
    """One file of the code, by what it is at the moment."""

    path: Path
    """Where its content lies."""
    size: int
    mode: int
    link: str | None = None
    """Where a symbolic link leads, from its own folder; None for a file."""


@dataclass
class Listing:
    """The code of one folder, by path below it."""

    taken: dict[str, Source] = field(default_factory=dict)
    left_out: dict[str, Path] = field(default_factory=dict)
    """Files and folders that lie beside the code and are no part of it, and where they are."""


def list_code(
    root: Path, exclude: Sequence[str] = (), named: frozenset[Path] = frozenset()
) -> Listing:
    """Return which files below a folder are code.

    Args:
        root: Resolved; the top of a repository, or a folder without one.
        exclude: Patterns of what is not code, in the syntax of .gitignore; those in the folder's
            .runnerignore count too.
        named: Files that are code whatever they look like.
    """
    return _Lister(root, _patterns(root, exclude), named).listing()


def holds_modules(folder: Path) -> bool:
    """Return whether something can be imported from the folder or a folder in it."""
    budget = iter(range(_LOOKED_AT))
    waiting = [folder]
    while waiting:
        entries = _entries(waiting.pop(0))
        for entry, _ in zip(entries, budget, strict=False):
            if entry.name.endswith(MODULES) and entry.is_file():
                return True
            if entry.is_dir(follow_symlinks=False) and not _is_nothing(entry):
                waiting.append(Path(entry.path))
    return False


def is_store(folder: Path) -> bool:
    """Return whether the folder is a store of records."""
    return all((folder / name).is_dir() for name in ("records", "sweeps"))


class _Lister:
    def __init__(self, root: Path, excluded: GitIgnoreSpec, named: frozenset[Path]) -> None:
        self._root, self._excluded, self._named = root, excluded, named
        self._found = Listing()
        self._linked: set[Path] = set()

    def listing(self) -> Listing:
        try:
            self._repository(self._root, "")
        except GitFailed:
            self._found = Listing()
            self._folder(self._root, "")
        folders = {parent for name in self._found.taken for parent in _parents(name)}
        beside = {}
        for name, path in self._found.left_out.items():
            # The whole folder where nothing of it is taken: what is added to it later is there too.
            top = next((part for part in _parents(name) if part not in folders), None)
            if top is None or not path.is_relative_to(self._root):
                beside[name] = path
            elif not (is_store(self._root / top)):
                beside[top] = self._root / top
        self._found.left_out = beside
        return self._found

    def _repository(self, folder: Path, prefix: str) -> None:
        """Take what git knows of a repository; raises GitFailed."""
        tracked = _names(git(folder, "ls-files", "-z", "--cached"))
        untracked = _names(git(folder, "ls-files", "-z", "--others", "--exclude-standard"))
        ignored = _names(
            git(
                folder, "ls-files", "-z", "--others", "--ignored", "--exclude-standard",
                "--directory",
            )
        )  # fmt: skip
        untracked = list(self._outside_of_data(folder, untracked))
        for names, is_tracked in ((tracked, True), (untracked, False)):
            for name in names:
                self._entry(folder, name, prefix, tracked=is_tracked)
        for name in self._outside_of_data(folder, ignored):
            self._ignored(folder / name, prefix + name)
        for path in self._named:
            if path.is_relative_to(folder):
                self._entry(folder, str(path.relative_to(folder)), prefix, tracked=True)

    def _entry(self, folder: Path, name: str, prefix: str, *, tracked: bool) -> None:
        """Take what git calls by a name: a file, a link, a submodule or another repository."""
        path = f"{folder}/{name}"
        try:
            found = os.lstat(path)
        except OSError:
            return  # it was deleted, and git has not been told
        if stat.S_ISDIR(found.st_mode):
            self._nested(Path(path), f"{prefix}{name.rstrip('/')}/")
        else:
            self._file(Path(path), prefix + name, found, tracked=tracked)

    def _nested(self, folder: Path, prefix: str) -> None:
        if is_store(folder) or not (folder / ".git").exists():
            return
        try:
            self._repository(folder, prefix)
        except GitFailed:
            self._folder(folder, prefix)

    def _outside_of_data(self, folder: Path, names: Sequence[str]) -> Iterator[str]:
        """Leave out folders of data as a whole, and stores."""
        known: dict[Path, bool] = {}

        def left_out(path: Path) -> bool:
            if path == folder:
                return False
            if path not in known:
                known[path] = left_out(path.parent) or self._leaves_out_folder(
                    path, str(path.relative_to(self._root))
                )
            return known[path]

        for name in names:
            if not left_out((folder / name).parent):
                yield name

    def _ignored(self, path: Path, name: str) -> None:
        """Take ignored modules; the rest is data, as a rule."""
        if _BUILT.intersection(name.split("/")):
            return
        if name.endswith(MODULES):
            self._entry(path.parent, path.name, name[: -len(path.name)], tracked=False)
            return
        if not name.endswith("/"):
            self._leave_out(name, path)
            return
        name = name.rstrip("/")
        if self._leaves_out_folder(path, name):
            return
        if holds_modules(path):
            self._folder(path, f"{name}/")
        else:
            self._leave_out(name, path)

    def _folder(self, folder: Path, prefix: str) -> None:
        for entry in sorted(_entries(folder), key=lambda entry: entry.name):
            name, path = prefix + entry.name, Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                if not self._leaves_out_folder(path, name):
                    self._folder(path, f"{name}/")
            else:
                self._entry(folder, entry.name, prefix, tracked=False)

    def _leaves_out_folder(self, path: Path, name: str) -> bool:
        """Note whether a folder is no code, as a whole."""
        if path.name in _CACHES or _is_environment(path) or is_store(path) or _is_cache(path):
            return True
        if path.name.startswith("."):
            if path.name not in {".git", ".hg", ".svn"}:
                self._leave_out(name, path)
            return True
        if path.name.endswith(".egg-info"):
            self._leave_out(name, path)
            return True
        if self._excluded.match_file(f"{name}/"):
            self._leave_out(name, path)
            return True
        if path.name in _DATA_FOLDERS and not holds_modules(path):
            self._leave_out(name, path)
            return True
        return False

    def _file(self, path: Path, name: str, found: os.stat_result, *, tracked: bool) -> None:
        if stat.S_ISLNK(found.st_mode):
            self._link(path, name, tracked=tracked)
        elif not stat.S_ISREG(found.st_mode):
            return
        elif self._is_code(path, name, found, tracked=tracked):
            self._found.taken[name] = Source(path, found.st_size, found.st_mode)
        else:
            self._leave_out(name, path)

    def _link(self, path: Path, name: str, *, tracked: bool) -> None:
        """Take a symbolic link: as one where it stays in the folder, else what it leads to."""
        goal = path.resolve()
        if goal.is_relative_to(self._root):
            there = os.path.relpath(goal, path.parent.resolve())
            if self._excluded.match_file(name):
                self._leave_out(name, path)
            else:
                self._found.taken[name] = Source(path, 0, 0o777, there)
        elif goal.is_dir():
            above = self._root.is_relative_to(goal) or goal in self._linked
            if above or not holds_modules(goal) or self._leaves_out_folder(goal, name):
                self._leave_out(name, goal)
            else:
                self._linked.add(goal)
                self._folder(goal, f"{name}/")
        elif goal.is_file():
            self._file(goal, name, goal.stat(), tracked=tracked)

    def _is_code(self, path: Path, name: str, found: os.stat_result, *, tracked: bool) -> bool:
        size, mode = found.st_size, found.st_mode
        if path in self._named:
            return True
        if self._excluded.match_file(name):
            return False
        if name.endswith(MODULES):
            return True
        if f"/{name}".find("/.") >= 0:  # hidden
            return False
        base = os.path.basename(name)  # noqa: PTH119 - of thousands
        suffix = base.rpartition(".")[2].lower() if "." in base else ""
        if not tracked and not (suffix in _SOURCE or mode & stat.S_IXUSR):
            return False
        if suffix in _DATA and size > _TRACKED_BYTES:
            return False
        if suffix == "json" and not tracked and _is_ours(path, _TABLE):
            return False
        return not (
            suffix in {"yaml", "yml"} and size <= _TRACKED_BYTES and _is_ours(path, _GRID, _PROFILE)
        )

    def _leave_out(self, name: str, path: Path) -> None:
        if not path.name.endswith(tuple(BYTECODE_SUFFIXES)):
            self._found.left_out[name] = path


def _patterns(root: Path, exclude: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    lines = list(exclude)
    with suppress(OSError):
        lines += (root / IGNORE_FILE).read_text(errors="surrogateescape").splitlines()
    return GitIgnoreSpec.from_lines(lines)


def _is_ours(path: Path, *kinds: tuple[re.Pattern[bytes], ...]) -> bool:
    """Whether a file is of one of these kinds, which the runner reads or writes."""
    try:
        with path.open("rb") as file:
            text = file.read(_TRACKED_BYTES)
    except OSError:
        return False
    return any(all(one.search(text) for one in marks) for marks in kinds)


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists() or (folder / "conda-meta").is_dir()


def _is_cache(folder: Path) -> bool:
    return (folder / "CACHEDIR.TAG").exists() or is_prepared(folder)


def _is_nothing(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(".") or entry.name in _CACHES or _is_environment(Path(entry.path))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(islice(found, 100_000))
    except OSError:
        return []


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _parents(name: str) -> Iterator[str]:
    """The folders that a path lies in, outermost first."""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)
