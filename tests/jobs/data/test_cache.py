"""Whatever ends a builder, nobody ever opens half a dataset."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.data import cache, open_dataset
from jobs.data.catalog import locate
from jobs.data.errors import BadSource, CacheNotWritable

SMALL = "synthetic:1x4x4x2x10"


def finished(folder: Path) -> None:
    (folder / cache.MANIFEST).write_text("{}")


def test_a_builder_that_is_killed_leaves_nothing_to_be_taken_for_data(tmp_path: Path) -> None:
    script = (
        "import os, signal; from jobs.data import cache; from jobs.data.catalog import locate\n"
        "def fill(folder):\n"
        "    (folder / 'images.npy').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"cache.build(locate('{SMALL}', None), None, fill)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    store = Path(os.environ["RUNNER_CACHE"])
    assert [path.suffix for path in store.iterdir() if path.is_dir()] == [".partial"]
    assert cache.find(locate(SMALL, None), None) is None
    assert len(open_dataset(SMALL, None).images) == 10
    assert not list(store.glob(".*.partial"))


def test_a_builder_that_fails_leaves_nothing_behind() -> None:
    def fill(folder: Path) -> None:
        (folder / "images.npy").write_text("half")
        raise BadSource("x", "is broken")

    with pytest.raises(BadSource):
        cache.build(locate(SMALL, None), None, fill)
    assert [path.suffix for path in Path(os.environ["RUNNER_CACHE"]).iterdir()] == [".lock"]


def test_without_locks_the_quicker_builder_wins_and_the_other_takes_its_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_locks(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    source = locate(SMALL, None)

    def fill(folder: Path) -> None:
        quicker, built = cache.build(source, None, finished)
        assert built
        (quicker / "who").write_text("the quicker one")
        finished(folder)

    place, built = cache.build(source, None, fill)
    assert not built
    assert (place / "who").read_text() == "the quicker one"
    assert not list(place.parent.glob(".*.partial"))


def test_a_source_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    own.write_bytes(b"first")

    def fill(folder: Path) -> None:
        own.write_bytes(b"second one")
        finished(folder)

    with pytest.raises(BadSource, match="changed while it was read"):
        cache.build(locate(f"npz:{own}", None), None, fill)
    assert cache.find(locate(f"npz:{own}", None), None) is None


def test_a_full_disk_is_said_and_not_a_crash(tmp_path: Path) -> None:
    mounted = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o size=1m none "$0" && exec "$@"',
    ]
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        not shutil.which("unshare")
        or subprocess.run([*mounted, disk, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine lets nobody mount a small disk")
    script = (
        "import jobs.data, os; from jobs.data.errors import CacheNotWritable\n"
        "try:\n"
        "    jobs.data.open_dataset('synthetic:3x32x32x10x1000', None)\n"
        "except CacheNotWritable as error:\n"
        "    print(error, [file for file in os.listdir(os.environ['RUNNER_CACHE']) if not "
        "file.endswith('.lock')])\n"
    )
    full = {**os.environ, "RUNNER_CACHE": str(disk)}
    done = subprocess.run(
        [*mounted, disk, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=full,
    )
    assert done.stdout == (
        f"prepared data cannot be written to {disk} (No space left on device): set RUNNER_CACHE to "
        "a folder with free space []\n"
    ), f"exit code {done.returncode}: {done.stderr}"


def test_a_folder_that_cannot_be_written_gives_way_to_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "prepared").write_text("a file where the folder would be")
    assert open_dataset(SMALL, tmp_path).folder.parent == tmp_path / "home" / "runner" / "data"


def test_nowhere_to_write_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(
        CacheNotWritable, match=r"below .*: set RUNNER_CACHE to a folder with free space"
    ):
        open_dataset(SMALL, None)


def test_others_may_read_what_one_person_prepared() -> None:
    folder = open_dataset(SMALL, None).folder
    umask = os.umask(0)
    os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask


def test_what_a_group_prepares_stays_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o2775)
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "shared"))
    assert open_dataset(SMALL, None).folder.stat().st_mode & 0o2000
