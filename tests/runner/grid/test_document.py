"""docs/grid-language.md says nothing that is not so."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.runner.grid.conftest import Expand

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "grid-language.md").read_text(
    encoding="utf-8"
)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
EXAMPLES = [text for kind, text in BLOCKS if kind == "yaml"]
FAULTY = "# mistakes"


def following(kind: str) -> list[tuple[str, str]]:
    """Every block of that kind with the example before it."""
    return [(before[1], text) for before, (this, text) in pairwise(BLOCKS) if this == kind]


def trials(comment: str) -> int:
    (number,) = re.findall(r"# (\d+) trials", comment)
    return int(number)


@pytest.mark.parametrize("example", [text for text in EXAMPLES if not text.startswith(FAULTY)])
def test_an_example_has_as_many_trials_as_it_says(example: str, expand: Expand) -> None:
    assert len(expand(example).specs) == trials(example)


@pytest.mark.parametrize(
    ("example", "line"),
    [(before, line) for before, block in following("sh") for line in block.splitlines()],
)
def test_a_command_has_as_many_trials_as_it_says(example: str, line: str, expand: Expand) -> None:
    words = shlex.split(line, comments=True)
    sets = [value for option, value in pairwise(words) if option == "--set"]
    on = dict(value.split("=") for option, value in pairwise(words) if option == "--on")
    assert len(expand(example, sets=sets, on=on).specs) == trials(line)


@pytest.mark.parametrize(("example", "printed"), following("text"))
def test_what_is_printed_is_what_is_shown(
    example: str, printed: str, expand: Expand, mistakes: Callable[[str], list[str]]
) -> None:
    said = mistakes(example) if example.startswith(FAULTY) else expand(example).notes
    assert said == printed.splitlines()
