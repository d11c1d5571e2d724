"""What the user's code and this installation are at the moment of submit."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import msgspec

from jobs.importing import OURS
from runner import __version__
from runner.sweep.git import GitFailed, NoRepository, git
from runner.sweep.variables import deciding_variables

_PATCH = (
    "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative",
    "--binary", "--full-index", "--unified=3", "--inter-hunk-context=0", "--src-prefix=a/",
    "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=dirty", "HEAD", "--",
)  # fmt: skip
"""The one form that `git apply` takes, whatever the user's own settings are."""

_NAME, _VERSION = (
    re.compile(rf"^{field}:[ \t]*(.+?)[ \t\r]*$", re.MULTILINE) for field in ("Name", "Version")
)

_MODULES = tuple({*importlib.machinery.all_suffixes()} - {*importlib.machinery.BYTECODE_SUFFIXES})


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen beside the specs, so that a record can be traced to the code and the packages that
    made it."""

    commit: str | None
    """Commit of the repository that holds the code, joined with + where several do; None outside a
    repository."""
    dirty: bool | None
    """Whether the code differs from that commit, modules that git does not track included; None
    where git could not tell."""
    untracked: list[str]
    """Modules that git does not track: they are not in the patch."""
    runner_version: str
    python: str
    executable: str
    platform: str
    host: str
    cpus: int
    packages: dict[str, str]
    """Version by name of every package that is installed."""
    variables: dict[str, str] | None = None
    """Environment variables that decide numbers; None where an earlier version froze it."""
    runner_code: str | None = None
    """Digest of this package's own modules where it runs from a checkout; None where it is
    installed."""


@dataclass(frozen=True)
class Code:
    """The state of the user's code."""

    commit: str | None = None
    dirty: bool | None = None
    untracked: tuple[str, ...] = ()
    patch: str = ""
    """What is not committed of the first repository; it can be applied to its commit."""
    trouble: str = ""
    """What git could not tell, and why; empty if it told everything."""


def capture(folder: Path, modules: Sequence[Path]) -> tuple[Environment, Code]:
    """Describe the code and this installation.

    Args:
        folder: The grid's; its repository counts where the grid has no modules of the user's.
        modules: Files of the user's own modules that the grid names.
    """
    code = describe_code(folder, modules)
    environment = Environment(
        commit=code.commit,
        dirty=code.dirty,
        untracked=list(code.untracked),
        runner_version=__version__,
        python=platform.python_version(),
        executable=_interpreter(Path(sys.executable)),
        platform=platform.platform(),
        host=platform.node(),
        cpus=os.cpu_count() or 1,
        packages=installed_packages(),
        variables=deciding_variables(),
        runner_code=runner_code(),
    )
    return environment, code


@cache
def runner_code() -> str | None:
    """Return the digest of this package's own modules where it runs from a checkout, as it was when
    this process first asked; None where it is installed."""
    top = Path(__file__).parents[2]
    if top.name in {"site-packages", "dist-packages"}:
        return None
    whole = hashlib.sha256()
    for path in sorted(path for name in OURS for path in (top / name).rglob("*.py")):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(top)} {content}\n".encode())
    return whole.hexdigest()[:16]


def installed_packages() -> dict[str, str]:
    """Return the version of every package that this interpreter imports, by name.

    A package may carry copies of others and put their folder on the path when it is imported, as
    setuptools does: they are not what is installed. Nor is what a folder of the user's own code
    says of itself: submit and worker need not have it on their paths alike. Of two versions the
    first on the path counts.
    """
    folders = [folder for folder in sys.path if _is_installation(Path(folder).absolute())]
    found: dict[str, str] = {}
    for distribution in metadata.distributions(path=folders):
        # Not ``distribution.name``, which parses the whole description: 0.2 s for 200 packages.
        head = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        head = head.partition("\n\n")[0]
        name, version = _NAME.search(head), _VERSION.search(head)
        if name and version:
            found.setdefault(name[1], version[1])
    return dict(sorted(found.items()))


def _is_installation(folder: Path) -> bool:
    """Whether packages were installed into the folder, and not carried along by another."""
    try:
        return not (folder.parent / "__init__.py").exists() and (
            folder.name in ("site-packages", "dist-packages")
            or (folder != Path.cwd() and any(folder.glob("*.dist-info")))
        )
    except OSError:  # a folder that this user may not look into has nothing to import
        return False


def describe_code(folder: Path, modules: Sequence[Path]) -> Code:
    """Return the state of the repositories that hold the modules, or the grid where it has none;
    installed packages are known by version."""
    own = [
        module for module in modules if not {"site-packages", "dist-packages"} & set(module.parts)
    ]
    roots: dict[Path, list[Path]] = {}
    places: list[tuple[Path, Path | None]] = [
        (module.resolve().parent, module.resolve()) for module in own
    ]
    for place, module in places or [(folder, None)]:
        try:
            root = Path(os.fsdecode(git(place, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
        except NoRepository:
            continue
        except GitFailed as failure:
            return Code(trouble=f"git does not tell which commit {place} is at: {failure}")
        roots.setdefault(root, []).extend([] if module is None else [module])
    found = [_state(root, modules) for root, modules in roots.items()]
    if not found:
        return Code()
    unknown = any(state.dirty is None for state in found)
    return Code(
        commit="+".join(state.commit or "none" for state in found)
        if any(state.commit for state in found)
        else None,
        dirty=None if unknown else any(state.dirty for state in found),
        untracked=tuple(name for state in found for name in state.untracked),
        patch=found[0].patch,
        trouble="; ".join(state.trouble for state in found if state.trouble),
    )


def _state(root: Path, modules: Sequence[Path]) -> Code:
    """The state of one repository, given the modules in it that are used."""
    try:
        commit = os.fsdecode(git(root, "rev-parse", "--verify", "--quiet", "HEAD")).strip()
    except GitFailed:
        return Code()  # nothing is committed yet
    try:
        patch = git(root, *_PATCH)
        untracked = [*_untracked_modules(root), *_ignored(root, modules)]
        inside = (root / ".gitmodules").exists() and bool(
            git(root, "submodule", "--quiet", "foreach", "--recursive", _CHANGES)
        )
    except GitFailed as failure:
        return Code(
            commit, trouble=f"git does not tell whether {root} has uncommitted changes: {failure}"
        )
    return Code(
        commit,
        bool(patch or untracked or inside),
        tuple(dict.fromkeys(untracked)),
        patch.decode(errors="surrogateescape"),
    )


_CHANGES = "git status --porcelain --untracked-files=no"


def _untracked_modules(root: Path) -> Iterator[str]:
    """Modules that git neither tracks nor ignores; what a store keeps is none of the user's
    code."""
    for name in git(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0"):
        path = root / os.fsdecode(name)
        if path.name.endswith(_MODULES) and not _in_store(path.parent, root):
            yield str(path.relative_to(root))


def _ignored(root: Path, modules: Sequence[Path]) -> Iterator[str]:
    """Those of the modules that git does not track because it was told to ignore them."""
    names = [str(module.relative_to(root)) for module in modules if module.is_relative_to(root)]
    if names:
        tracked = set(git(root, "ls-files", "-z", "--", *names).split(b"\0"))
        yield from (name for name in names if os.fsencode(name) not in tracked)


@cache
def _in_store(folder: Path, root: Path) -> bool:
    """Whether the folder lies in a store of records."""
    if all((folder / name).is_dir() for name in ("records", "sweeps")):
        return True
    return folder != root and _in_store(folder.parent, root)


def _interpreter(path: Path) -> str:
    """Return one name for an interpreter that is called `python`, `python3` and more: a submit by
    another of them is no other submission."""
    with suppress(OSError):  # a folder that this user may run programs in, but not look into
        version = path.with_name(path.resolve().name)
        if version.samefile(path):
            return str(version)
    return str(path)
