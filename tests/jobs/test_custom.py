"""The user's function is understood from its source, and never imported for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import BadParameters, BadWorkload
from jobs.registry import Workload, workload

EXPLOSIVE = "raise SystemExit('imported')\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a module that ends the process if it is imported, and reads its ``main`` as a
    workload."""

    def written(source: str, module: str = "mine", function: str = "main") -> Workload:
        path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source + EXPLOSIVE)
        found = workload(f"{module}:{function}", (str(tmp_path),))
        assert module not in sys.modules
        return found

    return written


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [1, 2.0], ["1", 1.5, None, True]),
        ("float", [1, 0.5], ["1", None]),
        ("str", ["a"], [1]),
        ("bool", [True], [1, "true"]),
        ("list[int]", [[1, 2]], [["a"], 1]),
        ("dict[str, float]", [{"a": 1}], [{"a": "b"}]),
        ("tuple[int, ...]", [[1, 2]], [["a"]]),
        ("int | None", [1, None], ["a"]),
        ("Optional[float]", [1, None], ["a"]),
        ("typing.Union[int, str]", [1, "a"], [1.5]),
        ("Literal['a', 'b']", ["a"], ["c", 1]),
        ("Literal['auto'] | float", ["auto", 0.1], ["car"]),
        ("'int'", [1], ["a"]),
        ("Annotated[int, 'of layers']", [1], ["a"]),
        ("np.ndarray", [1, "a", [1]], []),
        ("list[int] | tuple[str, ...]", [1, "a"], []),
        ("float", [3], ["x"]),
    ],
)
def test_annotations_are_held(write: Any, annotation: str, good: list[Any], bad: list[Any]) -> None:
    found = write(f"def main(x: {annotation}): ...\n")
    for value in good:
        found.read({"x": value})
    for value in bad:
        with pytest.raises(BadParameters):
            found.read({"x": value})


def test_parameters_without_a_default_must_be_given(write: Any) -> None:
    found = write("def main(lr, depth=3, *, width): ...\n")
    with pytest.raises(BadParameters) as caught:
        found.read({"dpeth": 1})
    assert dict(caught.value.problems).keys() == {"lr", "width", "dpeth"}
    assert "did you mean 'depth'" in str(caught.value)


def test_a_default_is_written_into_the_spec(write: Any) -> None:
    """The user may change it tomorrow: then it is another trial, and not yesterday's result."""
    found = write("def main(lr=0.1, betas=(0.9, 0.99), layers=[1]): ...\n")
    assert found.canonical(found.read({})) == {"lr": 0.1, "betas": [0.9, 0.99], "layers": [1]}
    assert found.canonical(found.read({"betas": [0.5, 1.0]}))["betas"] == [0.5, 1]
    assert found.read({"betas": [0.5, 1.0]}).betas == (0.5, 1)


def test_a_default_that_only_the_module_knows_is_left_to_it(write: Any) -> None:
    found = write("import os\ndef main(folder=os.sep, none: int = None): ...\n")
    assert found.canonical(found.read({})) == {"none": None}
    assert found.canonical(found.read({"folder": "x", "none": 3})) == {"folder": "x", "none": 3}


def test_context_and_seed_are_given_and_not_parameters(write: Any) -> None:
    found = write("def main(x=1, *, context, seed): ...\n")
    assert found.names() == ("x",)
    assert found.takes == {"context", "seed"}
    with pytest.raises(BadParameters, match="comes from repeats"):
        found.read({"seed": 3})


def test_any_parameter_goes_where_kwargs_are_taken(write: Any) -> None:
    found = write("def main(x: int, **others): ...\n")
    assert found.canonical(found.read({"x": 1, "b": 2.0, "a": "text"})) == {
        "a": "text",
        "b": 2,
        "x": 1,
    }
    with pytest.raises(BadParameters, match="is a column of every record"):
        found.read({"x": 1, "outcome": "fine"})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def main(trial): ...\n", "'trial' is a column of every record"),
        ("def main(x, /): ...\n", "positional-only"),
        ("def mian(): ...\n", "did you mean 'mian'"),
        ("def main(:\n", r"mine\.py:1: "),
    ],
)
def test_what_cannot_be_a_workload_is_told(write: Any, source: str, message: str) -> None:
    with pytest.raises(BadWorkload, match=message):
        write(source)


@pytest.mark.parametrize(
    "name",
    [
        "nowhere_to_be_found:main",
        "nowhere_to_be_found.at_all:main",
        "a b:main",
        "mod:",
        ":main",
        "a:b.c",
    ],
)
def test_a_module_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(BadWorkload):
        workload(name)


def test_a_function_from_another_module_is_followed(write: Any) -> None:
    with pytest.raises(BadWorkload):
        write("from .inner import go as main\n", "package.outer")
    write("def go(x: int): ...\n", "package.inner", "go")
    found = write("from .inner import go as main\n", "package.again")
    assert found.names() == ("x",)


def test_a_function_that_source_does_not_explain_takes_anything(write: Any) -> None:
    found = write("main = make(3)\n")
    assert found.canonical(found.read({"whatever": 1})) == {"whatever": 1}
    assert found.takes is None


def test_an_earlier_folder_wins(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pytest.py").write_text(f"def main({folder}=1): ...\n")
    assert workload("pytest:main", (str(tmp_path / "first"), str(tmp_path / "second"))).names() == (
        "first",
    )


@pytest.mark.parametrize(
    "name",
    [
        "optimizer.lr",
        "learning-rate",
        "my param",
        "__init__",
        "__slots__",
        "class",
        "parameter_0",
        "π",
        "é x",
    ],
)
def test_kwargs_take_any_name(write: Any, name: str) -> None:
    found = write("def main(x: int = 1, **others): ...\n")
    params = found.read({name: 2})
    assert found.canonical(params) == {name: 2, "x": 1}
    assert found.written_out(params) == found.values(params) == {name: 2, "x": 1}
    assert found.names() == ("x",)


@pytest.mark.parametrize("name", ["", " ", 'a"b', "a\\b", "a\nb", "a\0", "a\udcff"])
def test_a_name_that_no_parameter_can_have_is_a_mistake_and_named(write: Any, name: str) -> None:
    with pytest.raises(BadParameters) as caught:
        write("def main(**others): ...\n").read({name: 2})
    assert [key for key, _ in caught.value.problems] == [name]


@pytest.mark.parametrize(
    "default",
    [
        "{0: 0.1, 30: 0.01}",
        "b'x'",
        "{1, 2}",
        "1j",
        "...",
        "1e999",
        "-1e999",
        "9" * 30,
        "[b'x']",
        "{'a': {0: 1}}",
        "{[]: 1}",
        "'\\udcff'",
    ],
)
@pytest.mark.parametrize("annotation", ["", ": dict", ": int", ": 'str | None'"])
def test_a_default_that_no_grid_can_write_is_left_to_the_function(
    write: Any, default: str, annotation: str
) -> None:
    found = write(f"def main(lr: float, odd{annotation} = {default}): ...\n")
    assert found.canonical(found.read({"lr": 0.1})) == {"lr": 0.1}


@pytest.mark.parametrize(
    "parameter",
    [
        "a: tuple[()] = ()",
        "a: list[()] = []",
        "a: Literal[99999999999999999999] = 1",
        "a: Literal[()] = 1",
        "a: Literal[b'x'] = 1",
        "a: Literal['b'] = 'c'",
        "a: list[int] = (1, 2)",
        "a: dict[int, int] = {}",
        "a: 'list[' = 1",
        "a: '' = 1",
        "a: Optional[()] = 1",
        "a: Union[()] = 1",
        "a: Annotated[()] = 1",
        "a: (lambda: 1)() = 1",
        "a: int[0] = 1",
        "a: dict[str] = 1",
        "__init__=1, a=1",
        "__slots__=1, a=1",
        "__post_init__=1, a=1",
        "__annotations__=1, a=1",
        "__weakref__=1, a=1",
        "__dict__=1, a=1",
        "self=1, cls=2, mro=3, _=4, __x=5, a=1",
        "*args, a=1, **kwargs",
    ],
)
def test_an_odd_signature_is_a_signature(write: Any, parameter: str) -> None:
    found = write(f"def main({parameter}): ...\n")
    assert "a" in found.canonical(found.read({}))
    found.read({"a": found.values(found.read({}))["a"]})


def test_source_that_cannot_be_taken_apart_is_left_to_the_function(write: Any) -> None:
    found = write("x = " + "+".join(["1"] * 20_000) + "\ndef main(a=1): ...\n")
    found.read({"a": 2})


@pytest.mark.parametrize(
    "source",
    [
        b"\xff\xfe",
        b"def main(a, a): ...",
        b"# coding: nowhere\ndef main(): ...",
        b"def main(a=1): ...\n\0",
    ],
)
def test_source_that_is_no_python_is_told(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "odd.py").write_bytes(source)
    with pytest.raises(BadWorkload, match="odd"):
        workload("odd:main", (str(tmp_path),))


def test_a_function_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(BadWorkload, match="folder"):
        workload("folder:main", (str(tmp_path),))
