"""Which cluster profile holds: the one named, the one beside the grid, the user's own, else that of
a single machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml
from platformdirs import user_config_path

from cluster.errors import ProfileError, dotted
from cluster.profile import Profile, builtin, parse
from runner.errors import ProblemsFound
from runner.grid.source import GridSource, load_yaml

FILE = "cluster.yaml"


@dataclass(frozen=True)
class FoundProfile:
    """A profile and the text it was read from, which submit freezes."""

    profile: Profile
    text: str


def find_profile(named: Path | None, grid_folder: Path) -> FoundProfile:
    """Return the profile for a grid in ``grid_folder``; ProblemsFound lists every mistake in it by
    line."""
    candidates = [named] if named else [grid_folder / FILE, user_profile()]
    for path in candidates:
        if named or path.is_file():
            source = load_yaml(path)
            return FoundProfile(_profile(source, str(path)), source.text)
    profile = builtin()
    plain = msgspec.to_builtins(profile)
    settings = {
        "backend": profile.backend,
        "targets": {name: _non_default(value) for name, value in plain["targets"].items()},
    }
    return FoundProfile(profile, f"# {profile.name}\n{yaml.safe_dump(settings, sort_keys=False)}")


def user_profile() -> Path:
    """Return where a user keeps a profile for all their grids."""
    return user_config_path("runner") / FILE


def _profile(source: GridSource, name: str) -> Profile:
    if source.problems:
        raise ProblemsFound(tuple(str(problem) for problem in source.problems))
    try:
        return parse(source.data, name)
    except ProfileError as error:
        raise ProblemsFound(
            tuple(
                f"{name}:{source.line_of(where)}: {dotted(where)}: {what}"
                for where, what in error.problems
            )
        ) from None


def _non_default(target: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in target.items() if value not in (None, {}, 0)}
