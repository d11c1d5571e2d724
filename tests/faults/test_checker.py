"""The checker says nothing of a sweep in which all is well, and names each thing that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checker import violations
from tests.faults.history import Look, Sabotaged

EXPECTED: dict[str, tuple[str, Any]] = {"aa": ("completed", 1), "bb": ("failed", None)}


def row(trial: str, attempt: int, outcome: str, **values: Any) -> dict[str, Any]:
    """A record as a look finds it."""
    return {
        "trial": trial, "attempt": attempt, "outcome": outcome, "derived": False, "target": "cpu",
        "device": "cpu", **values,
    }  # fmt: skip


class Case:
    """A sweep of two trials: one was killed once and completed then, the other fails."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[dict[str, Any]] = [
            {"what": "began", "trial": "aa", "attempt": 1},
            {"what": "began", "trial": "aa", "attempt": 2},
            {"what": "computed", "trial": "aa", "attempt": 2, "value": 1},
            {
                "what": "acknowledged", "trial": "aa", "attempt": 2, "outcome": "completed",
                "derived": False, "value": 1,
            },
            {"what": "began", "trial": "bb", "attempt": 1},
            {"what": "failed", "trial": "bb", "attempt": 1},
        ]  # fmt: skip
        self.rows: dict[tuple[str, int], tuple[dict[str, Any], ...]] = {
            ("aa", 1): (row("aa", 1, "killed", derived=True),),
            ("aa", 2): (row("aa", 2, "completed", value=1),),
            ("bb", 1): (row("bb", 1, "failed", error_type="Fault"),),
        }
        self.seen = Sabotaged(folder / "history.jsonl")
        self.seen.looks = [Look({key: self.rows[key] for key in [("aa", 1)]})]
        self.seen.outputs = [("submit", 1, "1 failed")]

    def found(self) -> list[str]:
        """What the checker says of it."""
        self.seen.history.write_text(
            "".join(json.dumps({**line, "at": at}) + "\n" for at, line in enumerate(self.lines))
        )
        self.seen.looks.append(Look(self.rows))
        return violations(self.seen, EXPECTED)


def test_a_sweep_that_was_struck_and_ended_well_breaks_nothing(tmp_path: Path) -> None:
    assert Case(tmp_path).found() == []


def lose_the_record_of_a_killed_attempt(case: Case) -> None:
    case.seen.looks.clear()
    del case.rows["aa", 1]


def lose_an_acknowledged_record(case: Case) -> None:
    case.rows["aa", 2] = (row("aa", 2, "unknown", derived=True),)
    case.lines.append({"what": "began", "trial": "aa", "attempt": 3})
    case.lines.append({"what": "computed", "trial": "aa", "attempt": 3})
    case.rows["aa", 3] = (row("aa", 3, "completed", value=1),)


def lose_what_a_look_has_found(case: Case) -> None:
    case.seen.looks.append(Look({("aa", 9): (row("aa", 9, "killed"),)}))


def record_an_attempt_twice(case: Case) -> None:
    case.rows["aa", 2] = (*case.rows["aa", 2], row("aa", 2, "completed", value=1, train_s=2.0))


def edit_a_record(case: Case) -> None:
    case.rows["aa", 1] = (row("aa", 1, "killed", derived=True, node="elsewhere"),)


def complete_what_was_not_computed(case: Case) -> None:
    case.lines = [line for line in case.lines if line["what"] != "computed"]


def record_another_value(case: Case) -> None:
    case.rows["aa", 2] = (row("aa", 2, "completed", value=2),)


def record_another_device(case: Case) -> None:
    case.rows["aa", 2] = (row("aa", 2, "completed", value=1, device="cuda:0"),)


def record_a_failure_that_was_none(case: Case) -> None:
    case.lines = [line for line in case.lines if line["what"] != "failed"]


def record_a_trial_of_no_grid(case: Case) -> None:
    case.rows["cc", 1] = (row("cc", 1, "completed", value=1),)


def end_before_a_trial_has_its_end(case: Case) -> None:
    case.rows["bb", 1] = (row("bb", 1, "killed"),)


def call_what_was_killed_failed_alone(case: Case) -> None:
    case.lines = case.lines[:1] + case.lines[4:]
    del case.rows["aa", 2]


def run_a_completed_trial_again(case: Case) -> None:
    case.lines.append({"what": "began", "trial": "aa", "attempt": 3})
    case.rows["aa", 3] = (row("aa", 3, "completed", value=1),)
    case.lines.append({"what": "computed", "trial": "aa", "attempt": 3})


def end_in_a_traceback(case: Case) -> None:
    said = "Traceback (most recent call last):\n  File runner/cli/main.py\nKeyError: 'x'"
    case.seen.outputs.append(("collect", 1, said))


def keep_quiet_about_a_damaged_file(case: Case) -> None:
    case.seen.damaged["/store/records/toy/aa-1.parquet"] = {("aa", 1)}


def leave_a_process(case: Case) -> None:
    case.seen.left.append("process 7 (raylet)")


@pytest.mark.parametrize(
    "plant",
    [
        lose_the_record_of_a_killed_attempt,
        lose_an_acknowledged_record,
        lose_what_a_look_has_found,
        record_an_attempt_twice,
        edit_a_record,
        complete_what_was_not_computed,
        record_another_value,
        record_another_device,
        record_a_failure_that_was_none,
        record_a_trial_of_no_grid,
        end_before_a_trial_has_its_end,
        call_what_was_killed_failed_alone,
        run_a_completed_trial_again,
        end_in_a_traceback,
        keep_quiet_about_a_damaged_file,
        leave_a_process,
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, plant: Callable[[Case], None]) -> None:
    case = Case(tmp_path)
    plant(case)
    assert case.found() != []


def test_a_damaged_record_may_be_lost_and_its_trial_may_run_again(tmp_path: Path) -> None:
    case = Case(tmp_path)
    run_a_completed_trial_again(case)
    del case.rows["aa", 2]
    case.seen.damaged["/store/records/toy/aa-2.parquet"] = {("aa", 2)}
    case.seen.outputs.append(("collect", 0, "/store/records/toy/aa-2.parquet: damaged"))
    assert case.found() == []
