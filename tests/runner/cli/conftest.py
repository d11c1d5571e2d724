"""The command line as the installed `runner` runs it, without the second that a new process would take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli.main import main


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `runner ARGUMENTS` in an empty folder of its own."""
    folder = tmp_path / "here"
    folder.mkdir()

    def run(*arguments: str, cwd: Path = folder, **environment: str) -> Finished:
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as left:
            patch.chdir(cwd)
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            main(arguments)
        captured = capsys.readouterr()
        return Finished(left.value.code if isinstance(left.value.code, int) else 0, captured.out, captured.err)

    return run
