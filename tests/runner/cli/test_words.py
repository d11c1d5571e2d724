"""Every word that a command prints for a state, an outcome or a verdict is defined in the
documentation."""

from __future__ import annotations

import re
from pathlib import Path

from artifacts.columns import OUTCOMES
from runner.doctor.findings import Level
from runner.sweep.status import CUT_SHORT, QUEUED, RUNNING, WAITING

WORDS = Path(__file__).parents[3] / "docs" / "words.md"


def test_states_outcomes_and_verdicts_are_defined() -> None:
    defined = set(re.findall(r"^\| `([^`]+)` \|", WORDS.read_text(), re.MULTILINE))
    assert {
        *OUTCOMES,
        *(level.value for level in Level),
        WAITING,
        QUEUED,
        RUNNING,
        CUT_SHORT,
    } <= defined
