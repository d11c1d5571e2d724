"""A store keeps its id wherever it is reached or moved to, and a copy is another store."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from artifacts.identity import give_id, ids_of, is_same_folder
from artifacts.store import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = Store(tmp_path / "store")
    store.create()
    return store.root


def test_an_id_is_given_once(root: Path) -> None:
    assert ids_of(root) == (give_id(root),)
    assert Store(root).id == give_id(root)
    assert len((root / "id").read_text().splitlines()) == 1


def test_a_link_and_a_new_place_change_nothing(root: Path) -> None:
    (given,) = ids_of(root)
    link = root.with_name("link")
    link.symlink_to(root)
    assert ids_of(link) == (given,)
    moved = root.rename(root.with_name("moved"))
    assert ids_of(moved) == (given,)
    assert give_id(moved) == given


def test_another_mount_changes_nothing(root: Path) -> None:
    (given,) = ids_of(root)
    mount = root.with_name("mount")
    mount.mkdir()
    if subprocess.run(
        ["mount", "--bind", root.parent, mount], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine does not allow mounts")
    try:
        assert ids_of(mount / "store") == (given,)
        assert is_same_folder(mount / "store", root)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_what_was_put_back_from_a_backup_is_the_same_store(root: Path) -> None:
    (given,) = ids_of(root)
    shutil.copytree(root, root.with_name("backup"))
    shutil.rmtree(root)
    shutil.copytree(root.with_name("backup"), root)
    assert ids_of(root) == (given,)


def test_a_copy_belongs_to_nobody_until_it_has_an_id_of_its_own(root: Path) -> None:
    (given,) = ids_of(root)
    copy = root.with_name("copy")
    shutil.copytree(root, copy)
    assert ids_of(copy) == ()
    own = give_id(copy)
    assert own != given
    assert (ids_of(copy), ids_of(root)) == ((own,), (given,))
    # Also where the original is gone, or another store has taken its place.
    shutil.rmtree(root)
    assert ids_of(copy) == (own,)
    Store(root).create()
    assert give_id(root) not in (own, given)


def test_the_original_that_moved_away_and_its_copy_in_the_old_place(root: Path) -> None:
    (given,) = ids_of(root)
    moved = root.rename(root.with_name("moved"))
    shutil.copytree(moved, root)
    # Queued tasks know the path, so the store at that path has them.
    assert (ids_of(root), ids_of(moved)) == ((given,), ())


def test_a_line_that_was_cut_short_is_passed_over(root: Path) -> None:
    text = (root / "id").read_text()
    (root / "id").write_text(text[:20])
    assert ids_of(root) == ()
    own = give_id(root)
    assert ids_of(root) == (own,)
