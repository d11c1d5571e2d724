"""YAML's core scalars, the line of everything, and files that are not what they seem."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.grid.problems import GridError
from runner.grid.scalars import core_scalar
from runner.grid.source import MAX_DEPTH, load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0x1F", "-0x1F"),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),
        ("+3", 3),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("true", True),
        ("True", True),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("'null'", "null"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        pytest.param(f"!!float {'9' * 350}", math.inf, id="a float too large"),
        pytest.param("9" * 5000, math.inf, id="an integer too large"),
        ("=", "="),
        ("|-\n  1", "1"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text: str, value: Any) -> None:
    source = parse_yaml(f"key: {text}\n", "f")
    assert source.problems == ()
    assert source.data == {"key": value}
    assert type(source.data["key"]) is type(value)


def test_infinities_are_numbers() -> None:
    assert parse_yaml("[.inf, -.INF, +.Inf]", "f").data == [math.inf, -math.inf, math.inf]
    assert math.isnan(parse_yaml(".nan", "f").data)


DOCUMENT = """\
first: 1
second:
  - a
  -
    inner: {x: 1,
            y: 2}
third: &anchor [1,
  2]
fourth: *anchor
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("first",), 1),
        (("second",), 2),
        (("second", 1, "inner"), 5),
        (("second", 1, "inner", "y"), 6),
        (("third", 1), 8),
        (("fourth",), 9),
        (("second", 1, "absent"), 5),
        (("absent",), 1),
    ],
)
def test_every_value_has_a_line(path: tuple[str | int, ...], line: int) -> None:
    assert parse_yaml(DOCUMENT, "f").line_of(path) == line


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: a: 'a' is already given on line 1"),
        ("a:\n  1: x\n  '1': y", "f:3: a.1: '1' is already given on line 2"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "f:1: a: the tag !!python/object/apply:os.system is not allowed",
        ),
        ("a:\n  - !mine 3", "f:2: a[0]: the tag !mine is not allowed"),
        ("a: !!timestamp 2020-01-01", "f:1: a: the tag !!timestamp is not allowed"),
        ("a: !!int x", "f:1: a: 'x' is not of the type that its tag says"),
        ("a: 1\n<<: {b: 2}", "f:2: <<: merging with <<"),
        ("a: 1\n---\nb: 2", "f:2: a second document begins here"),
        ("? [1, 2]\n: 3", "f:1: a key must be written as text"),
        ("a: *b", "f:1: a: *b refers to nothing"),
        ("a: 1\nb: &b\n  - *b", "f:3: *b contains itself"),
        ("x: 1\na: [1,\nb: 2", "f:2: is not YAML: while parsing a flow sequence"),
        ("a: b: c", "f:1: is not YAML: mapping values are not allowed"),
        ("a: 1\nb: \x01", "f:2: is not YAML: the character '\\x01' is not allowed"),
        ("[" * 100_000, f"f:1: is nested more than {MAX_DEPTH} deep"),
        (
            "a0: &a0 [1]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(200)),
            f"f:{MAX_DEPTH - 1}: is nested more than",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, printed: str) -> None:
    (problem,) = parse_yaml(text, "f").problems
    assert str(problem).startswith(printed)


def test_all_of_it_is_told_at_once() -> None:
    problems = parse_yaml("a: 1\na: 2\nb: !x 1\nb: 3\nc: [1,\nd: 2", "f").problems
    assert [problem.line for problem in problems] == [2, 3, 4, 5]


def test_aliases_cannot_fill_the_memory() -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (problem,) = parse_yaml("\n".join(lines), "f").problems
    assert "more than 1,000,000 values" in problem.message
    assert problem.line <= 7


def test_a_repeated_key_does_not_hide_the_first() -> None:
    assert parse_yaml("a: 1\na: 2", "f").data == {"a": 1}


def test_a_file_that_cannot_be_read_is_a_problem_too(tmp_path: Path) -> None:
    (problem,) = load_yaml(tmp_path / "absent.yaml").problems
    assert str(problem) == f"{tmp_path}/absent.yaml: cannot be read: No such file or directory"
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (problem,) = load_yaml(tmp_path / "latin.yaml").problems
    assert (problem.line, problem.message) == (2, "is not UTF-8 text: save it as UTF-8")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert load_yaml(tmp_path / "grid.yaml").data == {"name": "x"}


def test_the_error_survives_a_pickle() -> None:
    error = GridError(parse_yaml("a: 1\na: 2", "f").problems)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# PyYAML leaves words bare that only YAML 1.2 takes for numbers.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])).filter(
    lambda text: core_scalar(text) in (text, None)
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcxyz-", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(PLAIN)
def test_what_yaml_writes_is_read_back(value: Any) -> None:
    source = parse_yaml(yaml.safe_dump(value, allow_unicode=True), "f")
    assert source.problems == ()
    assert source.data == value


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    source = parse_yaml(text, "f")
    assert source.data is None or source.line_of(()) >= 1
