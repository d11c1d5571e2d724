"""Names of cells: short, in one line, and no two alike."""

from __future__ import annotations

from pathlib import Path

from runner.report.cells import Trials
from tests.runner.report.making import collected, record


def labels(tmp_path: Path, *records: object) -> list[str]:
    """The names of the cells of some records."""
    return [cell.label for cell in Trials(collected(tmp_path, *records)).cells]  # type: ignore[arg-type]


def test_a_cell_is_named_by_its_group_and_what_varies_inside_it(tmp_path: Path) -> None:
    found = labels(
        tmp_path,
        record(1, {"model": "cnn", "amp": "off"}, group="plain"),
        record(2, {"model": "cnn", "amp": "bf16", "batch_size": 16}, group="fast"),
        record(3, {"model": "cnn", "amp": "bf16", "batch_size": 32}, group="fast"),
    )
    assert sorted(found) == ["fast: batch_size 16", "fast: batch_size 32", "plain"]


def test_values_that_speak_for_themselves_stand_alone_and_first(tmp_path: Path) -> None:
    found = labels(
        tmp_path, *(record(i, {"lr": 0.1 * (i + 1), "model": f"net{i}"}) for i in range(2))
    )
    assert found == ["net0, lr 0.1", "net1, lr 0.2"]


def test_long_names_are_cut_and_stay_different(tmp_path: Path) -> None:
    found = labels(
        tmp_path, *(record(i, {"note": "x" * 200 + str(i) + "\u2028\x1b[31m"}) for i in range(3))
    )
    assert len(set(found)) == 3
    assert all(len(label) < 90 for label in found)
    assert all(label.isprintable() for label in found)


def test_repeats_of_one_setting_are_one_cell(tmp_path: Path) -> None:
    trials = Trials(collected(tmp_path, *(record(i, {"lr": 0.1}, seed=i) for i in range(3))))
    (cell,) = trials.cells
    assert (cell.label, len(cell.rows)) == ("all trials", 3)
    assert trials.standing([cell]) == "n = 3; Model T (3 trials)"
