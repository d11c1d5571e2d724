"""Whole or not at all: on full and read-only disks, between rivals, and under kill -9."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from artifacts.errors import RecordExists, StoreFull, StoreNotWritable
from artifacts.publish import PARTIAL, publish, replace
from artifacts.store import Store
from tests.artifacts.conftest import SmallDisk, make_record

SPAWN = multiprocessing.get_context("spawn")


def leftovers(store: Store) -> list[Path]:
    return list(store.root.rglob(f"*{PARTIAL}"))


def test_a_record_is_never_overwritten(store: Store) -> None:
    path = store.publish(make_record(train_s=1.0))
    before = path.read_bytes()
    with pytest.raises(RecordExists) as refused:
        store.publish(make_record(train_s=2.0))
    assert refused.value.path == path
    assert path.read_bytes() == before
    assert leftovers(store) == []


@pytest.mark.parametrize("leave", [0, 4096])
def test_a_full_disk_is_told_and_nothing_is_half_written(small_disk: SmallDisk, leave: int) -> None:
    store = Store(small_disk.root)
    store.create()
    store.publish(make_record("aa"))
    small_disk.fill(leave)
    with pytest.raises(StoreFull):
        store.publish(make_record("bb", traceback="x" * 20_000))
    assert leftovers(store) == []
    assert store.index("study").trials.keys() == {"aa"}
    small_disk.free()
    store.publish(make_record("bb"))
    assert store.index("study").trials.keys() == {"aa", "bb"}


def test_a_disk_without_room_for_another_file_is_full(small_disk: SmallDisk) -> None:
    store = Store(small_disk.root)
    store.create()

    def publish_many() -> None:
        for number in range(100):
            store.publish(make_record(attempt=number))

    with pytest.raises(StoreFull):
        publish_many()
    recorded = store.index("study")
    assert 0 < len(recorded.attempts("00000000000000aa")) < 64
    assert recorded.unreadable == ()


def test_a_full_disk_is_told_at_the_first_folder(small_disk: SmallDisk) -> None:
    for number in range(62):
        (small_disk.root / str(number)).touch()
    with pytest.raises(StoreFull):
        Store(small_disk.root).create()


def test_a_read_only_store_is_told_and_can_be_read(small_disk: SmallDisk) -> None:
    store = Store(small_disk.root)
    store.create()
    store.publish(make_record("aa"))
    store.publish(make_record("bb"))
    small_disk.make_read_only()
    with pytest.raises(StoreNotWritable, match="Read-only"):
        store.publish(make_record("cc"))
    with pytest.raises(StoreNotWritable, match="Read-only"):
        store.publish(make_record("aa", sweep="another"))
    with pytest.raises(StoreNotWritable, match="Read-only"):
        store.create()
    with pytest.raises(StoreNotWritable, match="Read-only"):
        store.compact("study", list(store.records_folder("study").iterdir()))
    assert store.index("study").completed == {"aa", "bb"}


def test_a_limit_on_file_size_is_told(store: Store) -> None:
    (soft, hard) = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StoreNotWritable, match=os.strerror(errno.EFBIG)):
            store.publish(make_record())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert leftovers(store) == []


def test_a_store_whose_disk_is_not_mounted_is_not_made_up(tmp_path: Path) -> None:
    store = Store(tmp_path / "unmounted")
    with pytest.raises(StoreNotWritable, match="mounted"):
        store.publish(make_record())
    assert not store.root.exists()


def test_a_store_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreNotWritable):
        Store(tmp_path / "file" / "results").create()


def rival(root: Path, barrier: Barrier, name: str, attempts: int) -> None:
    store = Store(root)
    won = []
    for attempt in range(attempts):
        barrier.wait(60)
        try:
            store.publish(make_record(attempt=attempt, node=name))
        except RecordExists:
            continue
        won.append(attempt)
    (root / name).write_text(",".join(map(str, won)))


def test_of_two_that_publish_the_same_attempt_at_once_one_wins_and_the_other_is_told(
    store: Store,
) -> None:
    attempts, rivals = 40, ["left", "right"]
    barrier = SPAWN.Barrier(len(rivals))
    processes = [
        SPAWN.Process(target=rival, args=(store.root, barrier, name, attempts)) for name in rivals
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    won = {
        name: {int(number) for number in (store.root / name).read_text().split(",") if number}
        for name in rivals
    }
    assert won["left"] | won["right"] == set(range(attempts))
    assert not won["left"] & won["right"]
    for row in store.read("study", "00000000000000aa"):
        assert row["attempt"] in won[row["node"]]
    assert leftovers(store) == []


def kill_at(event: str, then: str, root: Path) -> None:
    """Run code in a process that kills itself with SIGKILL at the first audit event of the name,
    e.g. just before a link."""
    code = f"""
        import os, signal, sys
        from pathlib import Path
        from artifacts.store import Store
        from artifacts.collect import compact_leftovers
        from tests.artifacts.conftest import make_record

        store = Store(Path({str(root)!r}))
        make_record().to_table()   # imports are done before the hook watches
        sys.addaudithook(lambda name, arguments: os.kill(os.getpid(), signal.SIGKILL) if name == {event!r} else None)
        {then}
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize(
    ("event", "is_there"), [("os.mkdir", False), ("os.link", False), ("os.remove", True)]
)
def test_kill_9_while_publishing_leaves_a_whole_record_or_none(
    store: Store, event: str, is_there: bool
) -> None:
    kill_at(event, "store.publish(make_record())", store.root)
    index = store.index("study")
    assert index.unreadable == ()
    assert index.completed == ({"00000000000000aa"} if is_there else set())
    if is_there:
        with pytest.raises(RecordExists):
            store.publish(make_record())
    else:
        store.publish(make_record())
    assert len(store.read("study", "00000000000000aa")) == 1


@pytest.mark.parametrize("event", ["os.link", "os.remove"])
def test_kill_9_while_compacting_loses_and_doubles_nothing(store: Store, event: str) -> None:
    for number in range(5):
        store.publish(make_record(f"{number:016x}"))
    kill_at(event, "compact_leftovers(store, 'study')", store.root)
    singles = len(list(store.records_folder("study").glob("0*.parquet")))
    compacted = list(store.records_folder("study").glob("compacted-*.parquet"))
    assert (singles, len(compacted)) == ((5, 0) if event == "os.link" else (5, 1))
    assert len(store.index("study").completed) == 5
    assert len(store.index("study").trials) == 5
    assert [row["attempt"] for row in store.read("study", f"{3:016x}")] == [1]


def test_replace_leaves_the_old_file_where_it_fails(small_disk: SmallDisk) -> None:
    target = small_disk.root / "table.csv"
    replace(target, memoryview(b"old"))
    small_disk.fill(0)
    with pytest.raises(StoreFull):
        replace(target, memoryview(b"n" * 10_000))
    assert target.read_bytes() == b"old"
    small_disk.free()
    replace(target, memoryview(b"new"))
    assert target.read_bytes() == b"new"


def test_what_is_published_is_exactly_what_was_given(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    publish(tmp_path / "a", memoryview(data))
    assert (tmp_path / "a").read_bytes() == data
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
