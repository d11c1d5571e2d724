"""docs/cluster-profile.md names every key there is, and its example parses."""

from __future__ import annotations

import re
from pathlib import Path

from cluster.profile import SlurmSettings, parse
from cluster.resources import Resources
from runner.grid.source import parse_yaml

TEXT = (Path(__file__).parents[3] / "docs" / "cluster-profile.md").read_text()


def test_every_key_is_in_it() -> None:
    words = set(re.findall(r"\w+", TEXT))
    assert {*Resources.__struct_fields__, *SlurmSettings.__struct_fields__} <= words


def test_its_example_is_a_profile() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    source = parse_yaml(example, "cluster.yaml")
    assert not source.problems
    assert list(parse(source.data).targets) == ["a30", "t4", "cpu"]
