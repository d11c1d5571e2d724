"""The wheel alone, in a fresh environment and an empty folder, is enough to run a study."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run the `runner` of a wheel that was installed into an environment of its own, in an empty
    folder.

    The environment borrows the dependencies of this one: they are gigabytes, and their pins are
    tested by every other test.
    """
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run(
        [
            *pip,
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(folder),
            str(REPOSITORY),
        ],
        folder,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env")
    python = folder / "env" / "bin" / "python"
    _run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], folder)
    site = Path(
        _run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
        ).strip()
    )
    (site / "borrowed.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages")) + "\n"
    )
    empty = folder / "empty"
    empty.mkdir()

    def run(*arguments: str) -> str:
        return _run([str(python.with_name("runner")), *arguments], empty)

    where = _run(
        [str(python), "-c", "import runner, jobs; print(runner.__file__, jobs.__file__)"], empty
    )
    assert all(Path(file).is_relative_to(site) for file in where.split()), (
        f"{where} is not what the wheel installed into {site}"
    )
    return run


@pytest.mark.long
def test_a_study_runs_from_the_wheel_alone(installed: Callable[..., str]) -> None:
    assert "quickstart" in installed("init", "--list")
    installed("init", "--study", "quickstart")
    reduced = ["--backend", "inline", "--set", "train.epochs=1", "--set", "repeats=1"]
    assert "7 completed" in installed("submit", "quickstart.yaml", *reduced)
    assert "test_accuracy" in installed("collect", "quickstart")


def _run(command: list[str], folder: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "RUNNER_STORE", "RUNNER_DATA")
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (
        f"{command} in {folder}, {sysconfig.get_platform()}:\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout
