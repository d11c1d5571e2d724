"""The command line as the installed `runner` runs it, without the second that a new process would
take."""

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
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                main(arguments)
        captured = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Finished(left.value.code, captured.out, captured.err)

    return run
