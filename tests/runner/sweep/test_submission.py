"""What submit freezes stays as it was."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.spec import JobSpec
from runner.errors import ArrayWithdrawn, FrozenFileDamaged
from runner.sweep.provenance import Environment
from runner.sweep.submission import (
    About,
    FrozenArray,
    Overrides,
    Submission,
    Typed,
    discard,
    freeze,
    read_array,
    restore,
    submissions,
    withdraw,
)
from tests.runner.builders import spec
from tests.runner.conftest import Desk

ENVIRONMENT = Environment(
    commit="c0ffee", dirty=False, untracked=[], runner_version="0", python=platform.python_version(),
    executable="python", platform="test", host="here", cpus=1, packages={},
)  # fmt: skip
ABOUT = About(backend="inline", data_dir=None, import_path=[], environment=ENVIRONMENT)
ARRAY = FrozenArray(
    target="cpu",
    backend="inline",
    submitted_at=1.0,
    resources={"cpus": 1},
    trial_time_min=None,
    packs=[[(1, 2)], [(0, 1)]],
)


def frozen(folder: Path, specs: list[JobSpec], grid: str = "name: toy\n") -> Submission:
    folder.mkdir(exist_ok=True)
    return freeze(
        folder, grid_text=grid, profile_text="targets: {}\n", specs=specs, about=ABOUT, patch=""
    )


def test_what_is_frozen_reads_back(tmp_path: Path) -> None:
    specs = [spec(1), spec(2)]
    submission = frozen(tmp_path / "toy", specs)
    assert (submission.sweep, submission.number) == ("toy", 1)
    again = Submission(submission.folder)
    assert again.specs == specs
    assert again.about == ABOUT


def test_the_same_again_is_the_same_submission_and_a_change_is_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    first = frozen(folder, [spec(1)])
    assert frozen(folder, [spec(1)]).folder == first.folder
    second = frozen(folder, [spec(1), spec(2)])
    assert second.number == 2
    assert [found.number for found in submissions(folder)] == [1, 2]
    assert Submission(first.folder).specs == [spec(1)]


def test_other_overrides_are_another_submission_and_another_spelling_is_not(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()

    def frozen_with(words: list[str], **overrides: Any) -> Submission:
        return freeze(
            folder,
            grid_text="name: toy\n",
            profile_text="targets: {}\n",
            specs=[spec(1)],
            about=msgspec.structs.replace(ABOUT, overrides=Overrides(**overrides)),
            patch="",
            effective_text="name: toy\nrepeats: 2\n" if overrides.get("sets") else "",
            typed=Typed(words=words, folder="/home/ada"),
        )

    first = frozen_with(["runner", "submit", "grid.yaml"])
    assert frozen_with(["runner", "submit", "./grid.yaml"]).number == 1
    assert first.typed == Typed(words=["runner", "submit", "grid.yaml"], folder="/home/ada")
    assert first.effective_text == first.grid_text
    second = frozen_with(["runner"], sets=["repeats=2"])
    assert (second.number, second.effective_text) == (2, "name: toy\nrepeats: 2\n")
    third = frozen_with(["runner"], limit=4, on={"a30": "cpu"}, pack=2)
    assert third.number == 3
    assert third.about.overrides.as_options() == (
        ["--on", "a30=cpu", "--limit", "4", "--pack", "2"]
    )


def test_arrays_are_numbered_and_read_back(tmp_path: Path) -> None:
    submission = frozen(tmp_path / "toy", [spec(1), spec(2)])
    path = submission.add_array(ARRAY)
    submission.add_array(ARRAY)
    assert [found.name for found in submission.arrays()] == ["0001.json", "0002.json"]
    around, array = read_array(path)
    assert array.packs[0] == [(1, 2)]
    assert around.spec(array.packs[0][0][0]) == spec(2)


def test_a_damaged_file_says_which_and_how_to_go_on(tmp_path: Path) -> None:
    submission = frozen(tmp_path / "toy", [spec(1)])
    (submission.folder / "specs.jsonl").write_text("{")
    with pytest.raises(FrozenFileDamaged, match=r"specs\.jsonl.*submit the grid again"):
        _ = Submission(submission.folder).specs


def test_a_number_that_an_array_had_is_not_given_again(tmp_path: Path) -> None:
    submission = frozen(tmp_path / "toy", [spec(1), spec(2)])
    discard(submission.add_array(ARRAY))
    second = submission.add_array(ARRAY)
    assert second.name == "0002.json"
    assert submission.arrays() == [second]


def test_a_task_of_a_withdrawn_array_finds_nothing_to_run(tmp_path: Path) -> None:
    submission = frozen(tmp_path / "toy", [spec(1), spec(2)])
    path = submission.add_array(ARRAY)
    withdraw(path)
    assert (submission.arrays(), submission.withdrawn()) == ([], [path])
    with pytest.raises(ArrayWithdrawn, match=r"0001\.json was withdrawn"):
        read_array(path)
    restore(path)
    assert read_array(path)[1] == ARRAY
    withdraw(path)
    discard(path)
    assert (submission.arrays(), submission.withdrawn()) == ([], [])


@pytest.mark.parametrize(
    "damage", [b"targets: {cpu: {cpus: many}}", b"targets: [", b"\xff\xfe", None]
)
def test_a_damaged_profile_is_a_damaged_frozen_file(tmp_path: Path, damage: bytes | None) -> None:
    submission = freeze(
        tmp_path, grid_text="", profile_text="targets: {cpu: {cpus: 2}}", specs=[], about=ABOUT,
        patch="",
    )  # fmt: skip
    assert submission.profile.targets["cpu"].cpus == 2
    file = submission.folder / "cluster.yaml"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    with pytest.raises(FrozenFileDamaged, match=r"cluster\.yaml"):
        _ = Submission(submission.folder).profile


def test_frozen_ids_count_beside_their_own_specs_only(tmp_path: Path) -> None:
    specs = [spec(width) for width in range(3)]
    ids = frozenset(one.trial_id for one in specs)
    folder = frozen(tmp_path / "toy", specs).folder
    kept = (folder / "trial-ids").read_bytes()
    assert Submission(folder).trial_ids == ids
    for damaged in (kept[:-1] + b"x", kept.partition(b"\n")[0], b"", b"\xff\n\xff"):
        (folder / "trial-ids").write_bytes(damaged)
        assert Submission(folder).trial_ids == ids
    other = frozen(tmp_path / "other", specs[:2]).folder
    (other / "trial-ids").write_bytes(kept)
    assert Submission(other).trial_ids == ids - {specs[2].trial_id}
    (folder / "trial-ids").unlink()  # as an earlier version left it
    assert Submission(folder).trial_ids == ids


def test_what_a_killed_submit_left_half_written_goes_with_the_next(desk: Desk) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1, 2]}\n")
    desk.run("submit", grid, "--backend", "inline", "--limit", "1")
    folder = desk.store.sweep_folder("toy")
    (folder / ".partial-0123").mkdir()
    (folder / ".partial-0123/grid.yaml").touch()
    (folder / "001/arrays/.0123.partial").touch()
    desk.run("submit", grid, "--backend", "inline")
    assert not list(folder.rglob("*partial*"))
