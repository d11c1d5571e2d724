"""Find the studies that ship: grids that `runner init --study` writes."""

from __future__ import annotations

from pathlib import Path

from runner.errors import RunnerError

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "studies", _PACKAGE.parent / "grids")
"""Where a wheel keeps them, and where a checkout does."""


class UnknownStudy(RunnerError):
    """No study of this name ships; nothing was written."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"no study '{self.name}' ships: choose one of {', '.join(self.known)}"


def studies() -> dict[str, str]:
    """Return what each study asks, by name, `quickstart` first: the first line of its grid."""
    folder = _folder()
    names = sorted(
        (path.stem for path in folder.glob("*.yaml")), key=lambda name: (name != "quickstart", name)
    )
    return {
        name: _text(folder, name).partition("\n")[0].removeprefix("#").strip() for name in names
    }


def study(name: str) -> str:
    """Return the text of a study's grid.

    Raises:
        UnknownStudy: None of that name ships.
    """
    known = studies()
    if name not in known:
        raise UnknownStudy(name, tuple(known))
    return _text(_folder(), name)


def _folder() -> Path:
    return next(folder for folder in _FOLDERS if folder.is_dir())


def _text(folder: Path, name: str) -> str:
    return (folder / f"{name}.yaml").read_text(encoding="utf-8")
