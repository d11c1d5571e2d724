"""A damaged store: every command ends in a message that names the file, whatever has become of it,
and submit goes on where it can."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.slurm.handle import Chunk, SlurmHandle
from runner.cli.main import main
from runner.sweep.journal import AttemptStarted, Journal
from runner.sweep.submission import Submission, read_array
from tests.runner.builders import WORKLOADS
from tests.runner.conftest import Desk

ODD: tuple[Any, ...] = (None, -1, 10**30, 1e300, True, "\0", "../../etc", [], {}, [[1]])


def empty(file: Path, dice: random.Random) -> None:
    file.write_bytes(b"")


def cut_short(file: Path, dice: random.Random) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: dice.randrange(len(data) + 1)])


def flipped_bits(file: Path, dice: random.Random) -> None:
    data = bytearray(file.read_bytes() or b"x")
    for _ in range(3):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    file.write_bytes(data)


def noise(file: Path, dice: random.Random) -> None:
    file.write_bytes(dice.randbytes(200))


def not_utf8(file: Path, dice: random.Random) -> None:
    file.write_bytes(file.read_bytes().replace(b'"', b'"\xff', 3) + b"\xff")


def nested(file: Path, dice: random.Random) -> None:
    file.write_bytes(b"[" * 100_000)


def another_value(file: Path, dice: random.Random) -> None:
    """One value of one line is of another type, or out of its range."""
    lines = file.read_bytes().splitlines() if file.suffix == ".jsonl" else [file.read_bytes()]
    number = dice.randrange(len(lines))
    try:
        value = json.loads(lines[number])
    except ValueError:
        value = {}
    places = list(_places(value))
    lines[number] = json.dumps(_with(value, dice.choice(places), dice.choice(ODD))).encode()
    file.write_bytes(b"\n".join(lines) + b"\n")


def a_folder(file: Path, dice: random.Random) -> None:
    file.unlink()
    file.mkdir()


def a_loop(file: Path, dice: random.Random) -> None:
    """What root cannot read either."""
    gone(file, dice)
    file.symlink_to(file.name)


def gone(file: Path, dice: random.Random) -> None:
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink()


def a_file(folder: Path, dice: random.Random) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


OF_FILES = (
    empty,
    cut_short,
    flipped_bits,
    noise,
    not_utf8,
    nested,
    another_value,
    another_value,
    another_value,
    a_folder,
    a_loop,
    gone,
)
OF_FOLDERS = (a_file, a_loop, gone)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from _places(inner, (*place, key))


def _with(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    value[place[0]] = _with(value[place[0]], place[1:], new)
    return value


def ran(*arguments: str | Path) -> tuple[int, str]:
    """The exit code and all that a command said; what is no error of ours comes out as it is."""
    read_array.cache_clear()
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as left,
    ):
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0), said.getvalue()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A store with a file of each kind: records, an open attempt, an array that a scheduler had,
    and a group that was stopped."""
    root = tmp_path_factory.mktemp("built")
    (root / "desk").mkdir()
    shutil.copy(WORKLOADS / "toys.py", root / "desk")
    desk = Desk(root / "desk", root / "store")
    desk.run(
        "submit",
        desk.grid("workload: toys:quick\nmatrix: {width: [1, 2]}\n"),
        "--backend",
        "inline",
    )
    desk.grid("workload: toys:quick\nmatrix: {width: [1, 2, 3]}\n")
    desk.run("submit", desk.folder / "grid.yaml", "--backend", "inline")
    folder = desk.store.sweep_folder("toy")
    shutil.copy(folder / "001/arrays/0001.json", folder / "001/arrays/0002.json")
    queued = json.loads((folder / "001/arrays/0002.json").read_bytes()) | {"backend": "slurm"}
    (folder / "001/arrays/0002.json").write_text(json.dumps(queued))
    handle = SlurmHandle(
        "toy",
        "toy",
        len(queued["packs"]),
        str(folder / "logs"),
        (Chunk("1", "toy", 0, len(queued["packs"])),),
    )
    (folder / "001/arrays/0002.ticket").write_text(json.dumps(handle.to_dict()))
    (folder / "002/stopped/0.json").write_text(
        json.dumps({"group": "", "error": "e", "trials": ["aa"], "tried": {"width": ["1"]}})
    )
    trial = Submission(folder / "001").spec(0).trial_id
    array = "sweeps/toy/001/arrays/0001.json"
    Journal(folder, "dead").write(
        AttemptStarted(trial, 7, 1.7e9, "node", 1, "sweeps/toy/logs/dead.log", None, None, array, 0)
    )
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs/dead.log").write_text(f"=== trial {trial} attempt 7 now ===\nhello\n")
    return desk


@pytest.fixture
def desk(built: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The user's folder with a copy of that store."""
    monkeypatch.chdir(built.folder)
    shutil.copytree(built.store_folder, tmp_path / "store")
    return Desk(built.folder, tmp_path / "store")


def test_no_damage_ends_in_a_traceback_and_every_message_names_the_place(
    desk: Desk, tmp_path: Path
) -> None:
    sound = desk.store_folder
    dice = random.Random(8)
    trial = json.loads(ran("collect", "--json", "--store", sound)[1])[0]["trial"]
    commands = [
        ("status",), ("status", "--json"), ("collect",), ("collect", "--json"), ("collect", "--attempts"), ("show", trial),
        ("show", "--failed", "toy"), ("logs", trial), ("plan", "grid.yaml", "--backend", "inline"), ("cancel", "toy"),
        ("submit", "grid.yaml", "--backend", "inline", "--dry-run"), ("retry", "toy"),
    ]  # fmt: skip
    usual = {command: ran(*command, "--store", sound)[0] for command in commands}
    kinds = {
        (
            path.parent.name,
            path.name if path.is_dir() else path.suffix or path.name,
            path.is_dir(),
        ): path
        for path in sound.rglob("*")
    }
    copy = tmp_path / "copy"
    for original in kinds.values():
        damages: tuple[Callable[[Path, random.Random], None], ...] = (
            OF_FOLDERS if original.is_dir() else OF_FILES
        )
        for damage in dice.sample(damages, 2):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(sound, copy, symlinks=True)
            file = copy / original.relative_to(sound)
            damage(file, dice)
            for command in dice.sample(commands, 2):
                code, said = ran(*command, "--store", copy)
                where = (
                    f"{file.relative_to(copy)}, {damage.__name__}, {' '.join(command)}: exit "
                    f"code {code}\n{said}"
                )
                assert code in (0, 1), where
                if (
                    code != usual[command] and "scheduler" not in said
                ):  # it is asked after trials whose record is lost
                    places = [
                        file,
                        *(folder for folder in file.parents if folder.is_relative_to(copy)),
                    ]
                    assert any(str(place) in said for place in places), where


@pytest.mark.parametrize(
    "damaged",
    ["001/arrays/0001.json", "001/specs.jsonl", "001/submission.json", "journal/dead.jsonl"],
)
def test_a_damaged_file_of_an_earlier_submit_blocks_no_later_one(desk: Desk, damaged: str) -> None:
    sound = desk.store_folder
    (sound / "sweeps/toy/001/arrays/0002.json").unlink()
    empty(sound / "sweeps/toy" / damaged, random.Random(0))
    desk.run("submit", desk.folder / "grid.yaml", "--backend", "inline")
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 3}


def test_an_attempt_whose_array_is_damaged_gets_its_record_all_the_same(desk: Desk) -> None:
    empty(desk.store_folder / "sweeps/toy/001/arrays/0001.json", random.Random(0))
    desk.run("collect", "toy")
    (row,) = [row for row in desk.json("collect", "--attempts", "toy") if row["attempt"] == 7]
    assert (row["outcome"], row["derived"], row["backend"], row["queue_s"]) == (
        "interrupted",
        True,
        "inline",
        None,
    )


def test_an_array_that_the_scheduler_may_hold_is_not_guessed_at(desk: Desk) -> None:
    about = desk.store_folder / "sweeps/toy/001/submission.json"
    about.write_text(about.read_text().replace('"inline"', '"slurm"'))
    array = desk.store_folder / "sweeps/toy/001/arrays/0002.json"
    empty(array, random.Random(0))
    assert str(array) in desk.run(
        "submit", desk.folder / "grid.yaml", "--backend", "inline", code=1
    )
