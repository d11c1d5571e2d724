"""Files of an earlier runner are read; those of a newer one are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from artifacts.formats import FORMAT
from tests.runner.conftest import Desk
from tests.runner.sweep.test_damage import built, desk, ran

__all__ = ["built", "desk"]  # fixtures: a store with a file of each kind

WRITTEN = [
    "id",
    "sweeps/toy/001/submission.json",
    "sweeps/toy/001/arrays/0001.json",
    "sweeps/toy/002/stopped/round.json",
    "sweeps/toy/journal/dead.jsonl",
]
READ = [*WRITTEN, "sweeps/toy/001/arrays/0002.ticket", "sweeps/toy/002/stopped/0.json"]


def rewrite(file: Path, version: int | None) -> None:
    """Make another version of the format of it; None takes the version away, as it was at first."""
    first, *rest = file.read_text().splitlines() if file.name != "submission.json" else [""]
    values = json.loads(first or file.read_text())
    values.pop("format", None)
    if values == {"type": "journal"} and version is None:
        file.write_text("\n".join([*rest, ""]))
        return
    values |= {} if version is None else {"format": version}
    file.write_text("\n".join([json.dumps(values), *rest, ""]))


@pytest.mark.parametrize("name", WRITTEN)
def test_each_file_says_its_format(desk: Desk, name: str) -> None:
    text = (desk.store_folder / name).read_text()
    first = text if name.endswith("submission.json") else text.splitlines()[0]
    assert json.loads(first)["format"] == FORMAT


def test_a_store_whose_files_have_no_version_is_read_as_before(desk: Desk) -> None:
    now = [ran(*command, "--store", desk.store_folder) for command in (("status",), ("collect",))]
    for name in READ:
        rewrite(desk.store_folder / name, None)
    assert [
        ran(*command, "--store", desk.store_folder) for command in (("status",), ("collect",))
    ] == now


@pytest.mark.parametrize("name", READ)
def test_a_file_of_a_newer_runner_is_refused_by_name(desk: Desk, name: str) -> None:
    file = desk.store_folder / name
    rewrite(file, FORMAT + 1)
    if not name.endswith(".ticket"):  # else the scheduler is asked first, and there is none
        (desk.store_folder / "sweeps/toy/001/arrays/0002.json").unlink()
    commands = [("status", "toy"), ("submit", "grid.yaml", "--backend", "inline")]
    before = {path: path.stat().st_mtime_ns for path in desk.store_folder.rglob("*.json*")}
    refused = [
        said
        for command in commands
        for code, said in [ran(*command, "--store", desk.store_folder)]
        if code
    ]
    told = [said for said in refused if f"{file} has format {FORMAT + 1}" in said]
    assert told, refused
    assert all("a newer runner wrote it, so use that version" in said for said in told)
    assert (
        before.items()
        <= {path: path.stat().st_mtime_ns for path in desk.store_folder.rglob("*.json*")}.items()
    )
