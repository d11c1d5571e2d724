"""The list of columns, and the page made of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from artifacts.columns import COLUMNS, HISTORY, OUTCOMES, RESERVED, markdown
from artifacts.record import Outcome

PAGE = Path(__file__).resolve().parents[2] / "docs" / "records.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == markdown() + "\n", (
        "run: python -m artifacts.columns > docs/records.md"
    )


def test_the_module_prints_the_page() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "artifacts.columns"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == PAGE.read_text()


def test_every_column_stands_in_the_page_with_its_meaning() -> None:
    page = PAGE.read_text()
    for column in COLUMNS:
        assert re.search(rf"^\| `{column.name}` \| .+ \| .* \| .+ \|$", page, re.MULTILINE), (
            column.name
        )


def test_names_are_unique_and_carry_their_units() -> None:
    assert len(RESERVED) == len(COLUMNS)
    units = {"s": "_s", "J": "_j", "W": "_w", "MHz": "_mhz", "°C": "_c", "GiB (2**30 bytes)": "_gb"}
    for name, _, unit, _ in [*((c.name, c.type, c.unit, c.meaning) for c in COLUMNS), *HISTORY]:
        if unit in units:
            assert name.endswith(units[unit])


def test_outcomes_and_their_meanings_agree() -> None:
    assert [outcome.value for outcome in Outcome] == list(OUTCOMES)


def test_names_and_records_cost_no_import_of_pyarrow() -> None:
    code = (
        "import sys, artifacts.columns, artifacts.record, artifacts.errors; sys.exit('pyarrow' "
        "in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
