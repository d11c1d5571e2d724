"""Errors travel between processes and name the fix."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from artifacts import errors, query

PATH = Path("/store/records/study/aa.1.parquet")
EXAMPLES = [
    (errors.BadColumn("lr", "no place in a table"), "lr"),
    (errors.BadName("sweep", "../x", "a name without slashes"), "without slashes"),
    (errors.RecordExists(PATH), "next attempt"),
    (errors.StoreFull(PATH, "No space left on device"), "free some"),
    (errors.StoreNotWritable(PATH, "Read-only file system"), "choose another"),
    (errors.StoreNotReadable(PATH, "Permission denied"), "chmod"),
    (errors.UnreadableRecord(PATH, "no rows"), "move it out"),
    (errors.NewerFormat(PATH, 2, 1), "use that version here"),
    (errors.UnknownSweep("stduy", ("study",), Path("/store")), "it has study"),
    (errors.UnknownSweep("study", (), Path("/store")), "none yet"),
    (errors.NameTaken("study", "study", Path("/store")), "choose another"),
    (errors.UnknownTrial("aa", ("study",), Path("/store")), "runner collect --trials"),
    (errors.UnknownTrial("study", ("study",), Path("/store")), "runner collect study --trials"),
    (errors.AmbiguousTrial("a", tuple(f"a{i}" for i in range(20))), "20 trials"),
    (errors.UnknownFormat(Path("a.xlsx"), (".csv", ".json")), ".csv, .json"),
    (query.BadQuery("no column 'lr2': did you mean 'lr'?"), "did you mean"),
    (query.QueryFailed("out of memory: choose fewer columns"), "choose fewer"),
]


@pytest.mark.parametrize(("error", "fix"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_survives_pickling_and_says_what_to_do(
    error: errors.ArtifactsError, fix: str
) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert fix in str(again)


def test_no_error_of_the_tree_is_left_out() -> None:
    assert {type(error) for error, _ in EXAMPLES} == set(errors.ArtifactsError.__subclasses__())
