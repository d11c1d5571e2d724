"""Whatever stands in a grid, reading it ends in trials or in mistakes, and never in a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.data import missing
from runner.grid.expand import load_grid
from runner.grid.problems import GridError
from tests.runner.grid.conftest import TARGETS

ODD = [
    "1e400",
    "-1e400",
    ".nan",
    "-.inf",
    "0x" + "f" * 500,
    "9" * 399,
    "9" * 5000,
    "1e-5000",
    "!!int 'x'",
    "!!float 1",
    "!!binary aGk=",
    "!!python/object:os.system {}",
    "*a",
    "&a [*a]",
    "&a 1",
    "? {a: b}\n: 1",
    "'\\x00'",
    '"\\0"',
    '"\\ud800"',
    "\t1",
    "2001-01-01",
    "{linspace: [0, 1, 1e9]}",
    "{range: [0, 1, 1e-300]}",
    "{logspace: [1e-400, 1, 3]}",
    "{range: [0, .nan, 1]}",
    "{linspace: [0, 1, true]}",
    "{range: [0, 9999999999999999999999, 1]}",
    "{logspace: [1, " + "9" * 390 + ", 3]}",
    "{linspace: [0, " + "9" * 390 + ", 3]}",
    "[" * 200 + "]" * 200,
    "{a: " * 120 + "1" + "}" * 120,
    "<<",
    "{<<: {a: 1}}",
    "|\n  text\n",
    "null",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "--- 1",
    "'a: b: c'",
    "@x",
    "%x",
    "`x`",
    "- 1",
    "é\u2028\u0085x",
    "\ufeff1",
    "{? a}",
    "[1, 'a', null, true, 1.5, [2], {b: 3}]",
    "~",
    "''",
    "'\ud7ff'",
]
WHERE = [
    "{}",
    "name: {}",
    "name: x\ndescription: {}",
    "name: x\ngroups: {}",
    "name: x\ngroups: [{}]",
    "name: x\nmatrix: {}",
    "name: x\nmatrix: {{lr: {}}}",
    "name: x\nmatrix: {{lr: [{}]}}",
    "name: x\nfixed: {{epochs: {}}}",
    "name: x\nfixed: {{split: {}}}",
    "name: x\nzip: {{lr: {}, epochs: [1]}}",
    "name: x\ninclude: {}",
    "name: x\ninclude: [{}]",
    "name: x\nexclude: [{{lr: {}}}]",
    "name: x\nrepeats: {}",
    "name: x\nresources: {{cpus: {}}}",
    "name: x\nresources: {}",
    "name: x\ntarget: {}",
    "name: x\nworkload: {}",
    "name: x\nworkload: svm\nfixed: {{gamma: {}}}",
    "name: x\nfixed: {{dataset: {}}}",
    "name: x\nfixed: {{model: {}}}",
    "name: x\nmatrix: {{target: {}}}",
    "name: x\n{}: 1",
    "name: x\nfixed: {{{}: 1}}",
    "name: x\nresources: {{{}: 1}}",
    "name: x\ncommand: {}",
]


def read(data: bytes, sets: tuple[str, ...] = ()) -> None:
    """Load a grid of these bytes; GridError, whose message is text, is all that may come of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grid.yaml")
        path.write_bytes(data)
        try:
            load_grid(
                path, targets=TARGETS, profile_name="cluster.yaml", sets=sets, max_trials=1000
            )
        except GridError as error:
            str(error).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("where", WHERE)
def test_an_odd_value_anywhere_is_a_mistake_at_most(where: str) -> None:
    for value in ODD:
        read(where.format(value).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-7"]
)
def test_another_encoding_is_a_mistake_at_most(encoding: str) -> None:
    read("name: x\nfixed: {dataset: 'é'}\n".encode(encoding))


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=60)
    | st.text("{}[]:,-&*!|>?'\"#%@` \t\n\r\0ax1.~<é\u2028", max_size=40).map(str.encode)
)
def test_any_bytes_are_a_mistake_at_most(data: bytes) -> None:
    read(data)
    read(b"name: x\nfixed: " + data)


@pytest.mark.parametrize("value", ODD)
def test_an_odd_override_is_a_mistake_at_most(value: str) -> None:
    for key in ("lr", "target", "repeats", "resources.cpus", "train.lr", "", "split"):
        read(b"name: x\n", (f"{key}={value}", value))


@pytest.mark.parametrize(
    "name",
    [
        "npz:" + "f" * 5000,
        "npz:a\0b",
        "folder:\0",
        "npz:~nobody-of-that-name/x",
        "folder:~nobody-of-that-name",
    ],
)
def test_an_odd_path_of_a_dataset_is_said_to_be_missing(name: str) -> None:
    assert "cannot be read" in (missing(name, None) or "")
