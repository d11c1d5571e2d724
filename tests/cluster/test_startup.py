"""When a process began, on the same clock as what started it."""

from __future__ import annotations

import subprocess
import sys
import time

TICK_S = 0.01


def test_a_process_begins_after_it_was_asked_for_and_before_it_answers() -> None:
    for _ in range(5):
        asked = time.time()
        said = subprocess.check_output(
            [sys.executable, "-c", "from cluster.startup import process_began as b; print(b())"],
            text=True,
        )
        assert asked - 2 * TICK_S <= float(said) <= time.time()
