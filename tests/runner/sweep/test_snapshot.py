"""Snapshots of code: what is taken, by what name, whose it is, and when it goes."""

from __future__ import annotations

import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artifacts.store import Store
from cluster.profile import SnapshotSettings
from runner.errors import CodeTooLarge
from runner.sweep.code_files import list_code
from runner.sweep.code_roots import find_sources
from runner.sweep.lock import sweep_lock
from runner.sweep.snapshot import FrozenCode, Sources, digest_of, remove, take
from runner.sweep.unused_code import unused_code
from tests.runner.conftest import Desk

SETTINGS = SnapshotSettings()


def write(folder: Path, *names: str, text: str = "x = 1\n") -> Path:
    """Write files with the same content."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def repository(folder: Path) -> Path:
    """Make it a repository that tracks what is there."""
    for arguments in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    store = Store(tmp_path / "store")
    store.create()
    return store


def sources(*roots: Path) -> Sources:
    """What is to be frozen of these folders."""
    return Sources(roots, roots)


def content(store: Store, code: FrozenCode) -> set[str]:
    """Paths of all that lies in the snapshot of one folder."""
    top = store.root / "code" / code.roots[0].copy
    return {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}


class TestWhatIsCode:
    def test_of_a_folder_without_git_modules_programs_and_settings(self, tmp_path: Path) -> None:
        code = {"train.py", "pkg/mod.py", "pkg/native.so", "run.sh", "conf.yaml", "data/load.py"}
        other = {"points.csv", "out.txt", "model.pt", "outputs/settings.json", ".env", "data/a.npz"}
        gone = {"__pycache__/train.pyc", "venv/pyvenv.cfg", "venv/lib/x.py", "node_modules/y.js"}
        folder = write(tmp_path / "lab", *code, *other, *gone)
        write(folder, "grid.yaml", text="name: toy\nworkload: train:main\n")
        write(folder, "cluster.yaml", text="targets:\n  cpu: {cpus: 1}\n")
        listing = list_code(folder)
        assert set(listing.taken) == code
        assert set(listing.left_out) == {
            "points.csv", "out.txt", "model.pt", "outputs", ".env", "data/a.npz", "grid.yaml",
            "cluster.yaml",
        }  # fmt: skip

    def test_of_a_repository_what_git_tracks_and_ignored_modules_beside_it(
        self, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "lab", "pkg/__init__.py", "table.csv", "notes.md", "pkg/gone.py")
        write(folder, "big.csv", text="1" * 2_000_000)
        write(
            folder, ".gitignore", text="*.so\n_version.py\ndata/\nbuild/\nscratch/\nsettings.json\n"
        )
        repository(folder)
        (folder / "pkg/gone.py").unlink()
        write(folder, "new.py", "new.txt", "pkg/native.so", "pkg/_version.py", "far/native.so")
        write(folder, "data/set.bin", "pkg/data/__init__.py", "build/lib/pkg/old.py")
        write(folder, "scratch/deep/try.py", ".venv/lib/site.py", ".venv/pyvenv.cfg")
        write(folder, ".venv/.gitignore", text="*\n")
        write(folder, "settings.json")
        listing = list_code(folder)
        assert set(listing.taken) == {
            "pkg/__init__.py", "table.csv", "notes.md", "new.py", "pkg/native.so",
            "pkg/_version.py", "pkg/data/__init__.py", "scratch/deep/try.py", "far/native.so",
        }  # fmt: skip
        assert set(listing.left_out) == {
            "big.csv", ".gitignore", "new.txt", "data", "settings.json",
        }  # fmt: skip

    def test_not_what_patterns_exclude(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "a.py", "b.py", "old/c.py", "old/keep.py")
        (folder / ".runnerignore").write_text("/old/*\n!/old/keep.py\n")
        listing = list_code(folder, ["b.py"])
        assert set(listing.taken) == {"a.py", "old/keep.py"}

    @pytest.mark.parametrize("tracked", [False, True])
    def test_prepared_data_is_none(self, tmp_path: Path, tracked: bool) -> None:
        folder = write(tmp_path / "lab", "a.py")
        if tracked:
            repository(folder)
        write(folder, *(f"prepared/x/{name}" for name in ("manifest.json", "sources.json")))
        assert set(list_code(folder).taken) == {"a.py"}
        assert not list_code(folder).left_out

    def test_a_table_that_collect_wrote_is_none(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "a.py")
        write(folder, "rows.json", text='[\n {\n  "schema_version": 2\n }\n]')
        write(folder, "means.json", text='[\n  {\n    "n": 2,\n    "not_completed": 0\n  }\n]')
        write(folder, "classes.json", text='["cat", "dog"]')
        listing = list_code(folder)
        assert set(listing.taken) == {"a.py", "classes.json"}
        assert set(listing.left_out) == {"rows.json", "means.json"}

    def test_a_store_is_none(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "a.py", "kept/records/x.py", "kept/sweeps/y.py")
        listing = list_code(folder)
        assert set(listing.taken) == {"a.py"}
        assert not listing.left_out

    def test_links_stay_within_and_are_followed_outside(self, tmp_path: Path) -> None:
        outside = write(tmp_path / "outside", "mod.py", "sub/inner.py", "pictures/a.png")
        folder = write(tmp_path / "lab", "a.py")
        (folder / "b.py").symlink_to("a.py")
        (folder / "mod.py").symlink_to(outside / "mod.py")
        (folder / "sub").symlink_to(outside / "sub")
        (folder / "pictures").symlink_to(outside / "pictures")
        (folder / "loop").symlink_to(tmp_path)
        listing = list_code(folder)
        assert set(listing.taken) == {"a.py", "b.py", "mod.py", "sub/inner.py"}
        assert listing.taken["b.py"].link == "a.py"
        assert listing.left_out["pictures"] == outside / "pictures"


class TestWhereCodeIs:
    def test_in_the_repositories_of_the_grid_and_of_the_module(self, tmp_path: Path) -> None:
        grids = repository(write(tmp_path / "grids", "studies/grid.yaml"))
        lab = repository(write(tmp_path / "lab", "src/lab/__init__.py", "src/lab/mod.py"))
        found = find_sources(
            grids / "studies", [grids / "studies"], {"lab.mod": lab / "src/lab/mod.py"}, []
        )
        assert set(found.roots) == {grids, lab}
        assert found.import_path == (grids / "studies", lab / "src")

    def test_without_git_in_the_folder_of_the_grid_and_the_package(self, tmp_path: Path) -> None:
        grids = write(tmp_path / "grids", "grid.yaml")
        lab = write(tmp_path / "lab", "lab/__init__.py", "lab/mod.py", "other/unrelated.py")
        found = find_sources(grids, [grids], {"lab.mod": lab / "lab/mod.py"}, [])
        assert found.roots == (lab / "lab",)

    def test_also_where_submit_is_typed_if_the_code_imports_from_there(
        self, tmp_path: Path
    ) -> None:
        grids, here = tmp_path / "grids", tmp_path / "here"
        write(grids, "train.py", text="from os import path\nimport helper.inner as inner, json\n")
        write(here, "helper/inner.py", "unrelated/other.py")
        found = find_sources(grids, [grids, here], {"train": grids / "train.py"}, [])
        assert set(found.roots) == {grids, here / "helper"}
        write(grids, "train.py", text="import json\n")
        found = find_sources(grids, [grids, here], {"train": grids / "train.py"}, [])
        assert set(found.roots) == {grids}

    def test_an_installed_package_is_none_of_it(self, tmp_path: Path) -> None:
        installed = write(tmp_path / "venv/lib/site-packages", "lab/mod.py") / "lab/mod.py"
        found = find_sources(tmp_path / "grids", [], {"lab.mod": installed}, [])
        assert found.roots == ()


class TestTake:
    def test_gives_a_read_only_copy_that_is_named_by_its_content(
        self, store: Store, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "lab", "a.py", "run.sh", "pkg/b.py", "points.csv")
        (folder / "run.sh").chmod(0o750)
        code = take(store, sources(folder), SETTINGS)
        top = store.root / "code" / code.digest / "lab"
        assert content(store, code) == {"a.py", "run.sh", "pkg/b.py", "points.csv"}
        assert stat.S_IMODE((top / "run.sh").stat().st_mode) == 0o550
        assert stat.S_IMODE((top / "pkg").stat().st_mode) == 0o555
        assert (top / "points.csv").readlink() == folder / "points.csv"
        assert code.import_path == [f"{code.digest}/lab"]
        elsewhere = write(tmp_path / "elsewhere/lab", "a.py", "run.sh", "pkg/b.py")
        (elsewhere / "run.sh").chmod(0o700)
        assert digest_of(sources(elsewhere), SETTINGS) == code.digest

    def test_sees_a_change_that_size_and_time_do_not_tell(
        self, store: Store, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "lab", "a.py")
        before, times = take(store, sources(folder), SETTINGS), (folder / "a.py").stat()
        write(folder, "a.py", text="x = 2\n")
        os.utime(folder / "a.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        assert take(store, sources(folder), SETTINGS).digest != before.digest

    def test_the_same_code_beside_other_data_is_a_snapshot_of_its_own(
        self, store: Store, tmp_path: Path
    ) -> None:
        first, second = (
            write(tmp_path / name / "lab", "a.py", "points.csv") for name in ("one", "two")
        )
        codes = [take(store, sources(folder), SETTINGS) for folder in (first, second, first)]
        assert len({code.digest for code in codes}) == 1
        assert codes[0] == codes[2]
        assert codes[1].roots[0].copy == f"{codes[0].digest}-2/lab"

    def test_data_that_comes_later_is_linked_too(self, store: Store, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "pkg/a.py")
        take(store, sources(folder), SETTINGS)
        write(folder, "pkg/points.csv", "out/b.csv")
        code = take(store, sources(folder), SETTINGS)
        assert content(store, code) == {"pkg/a.py", "pkg/points.csv"}
        assert (store.root / "code" / code.roots[0].copy / "out/b.csv").read_text() == "x = 1\n"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
    def test_another_users_snapshot_is_left_alone(self, store: Store, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "a.py")
        code = take(store, sources(folder), SETTINGS)
        os.chown(store.root / "code" / code.digest, 12345, -1)
        again = take(store, sources(folder), SETTINGS)
        assert again.digest == code.digest
        assert again.roots[0].copy == f"{code.digest}-2/lab"

    def test_several_at_once_give_one_snapshot(self, store: Store, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", *(f"m{number}.py" for number in range(50)))
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: take(store, sources(folder), SETTINGS), range(8)))
        assert all(code == codes[0] for code in codes)
        assert [path.name for path in (store.root / "code").iterdir()] == [codes[0].digest]

    def test_too_many_files_are_refused(self, store: Store, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "a.py", *(f"many/m{number}.py" for number in range(9)))
        with pytest.raises(CodeTooLarge, match=r"many/ \(9 files\)"):
            take(store, sources(folder), SnapshotSettings(max_files=5))
        assert not list((store.root / "code").iterdir())

    def test_what_it_gave_can_be_removed(self, store: Store, tmp_path: Path) -> None:
        folder = write(tmp_path / "lab", "pkg/a.py", "points.csv")
        code = take(store, sources(folder), SETTINGS)
        remove(store.root / "code" / code.digest)
        assert not list((store.root / "code").iterdir())
        assert (folder / "points.csv").exists()


def test_snapshots_go_that_no_record_names(desk: Desk) -> None:
    (desk.folder / "ed.py").write_text("def main(v):\n    return {}\n")
    grid = desk.grid("workload: ed:main\ntarget: cpu\nmatrix: {v: [1]}\n")
    desk.run("submit", grid, "--backend", "inline")
    (needed,) = (desk.store_folder / "code").iterdir()
    (desk.folder / "ed.py").write_text("def main(v):\n    return {'new': 1}\n")
    desk.run("submit", grid, "--backend", "inline")
    (unused,) = set((desk.store_folder / "code").iterdir()) - {needed}
    assert unused_code(desk.store, before=unused.stat().st_mtime - 1).folders == ()
    with sweep_lock(desk.store.sweep_folder("toy")):
        assert unused_code(desk.store).busy == ("toy",)
    listed = desk.json("clean", "--kind", "code", "--older-than", "0d", "--yes")
    assert [item["path"] for item in listed["items"]] == [str(unused)]
    assert list((desk.store_folder / "code").iterdir()) == [needed]
    desk.run("submit", grid, "--backend", "inline")
    assert unused.exists()
