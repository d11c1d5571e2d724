"""Folders, reading back, finding trials."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from artifacts.collect import compact_leftovers
from artifacts.columns import RESERVED
from artifacts.errors import AmbiguousTrial, BadName, UnknownSweep, UnknownTrial, UnreadableRecord
from artifacts.store import Store
from tests.artifacts.conftest import make_record


def test_a_record_lies_where_the_layout_says(store: Store) -> None:
    path = store.publish(make_record("aa", 3))
    assert path == store.root / "records" / "study" / "aa.3.parquet"
    assert store.sweep_folder("study") == store.root / "sweeps" / "study"
    assert store.logs_folder("study") == store.root / "sweeps" / "study" / "logs"
    assert store.files_folder("aa") == store.root / "files" / "aa"


def test_a_store_given_relatively_survives_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("results"))
    store.create()
    monkeypatch.chdir("/")
    assert store.publish(make_record()).is_relative_to(tmp_path)


def test_sweeps_are_those_submitted_and_those_recorded(store: Store) -> None:
    store.sweep_folder("b").mkdir()
    store.publish(make_record(sweep="a"))
    assert store.sweeps() == ["a", "b"]
    store.check_known("b")
    with pytest.raises(UnknownSweep) as refused:
        store.check_known("c")
    assert refused.value.known == ("a", "b")


def test_no_store_has_no_sweeps(tmp_path: Path) -> None:
    assert Store(tmp_path / "nothing").sweeps() == []


@pytest.mark.parametrize("compacted", [False, True])
def test_all_attempts_of_a_trial_come_back_with_every_column(store: Store, compacted: bool) -> None:
    store.publish(make_record("aa", 2, parameters={"lr": 0.1}))
    store.publish(
        make_record("aa", 1, outcome="failed", parameters={"lr": 0.1}, error_type="ValueError")
    )
    store.publish(make_record("bb", 1, parameters={"lr": 0.2, "gamma": 1.0}))
    if compacted:
        assert compact_leftovers(store, "study") == 3
    first, second = store.read("study", "aa")
    assert (first["attempt"], first["outcome"], first["error_type"]) == (1, "failed", "ValueError")
    assert (second["attempt"], second["outcome"], second["error_type"]) == (2, "completed", None)
    assert first.keys() == second.keys() == RESERVED | {"lr"}
    assert second["started_at"].utcoffset() == timedelta(0)
    assert second["history"][1]["extra"] == {"gradient_norm": 3.0}


def test_a_trial_without_record_is_told(store: Store) -> None:
    store.publish(make_record("aa"))
    with pytest.raises(UnknownTrial):
        store.read("study", "bb")


def test_a_trial_whose_only_record_is_damaged_is_told(store: Store) -> None:
    path = store.publish(make_record("aa"))
    path.write_bytes(b"")
    with pytest.raises(UnreadableRecord) as refused:
        store.read("study", "aa")
    assert refused.value.path == path


def test_a_trial_is_found_by_the_start_of_its_id(store: Store) -> None:
    store.publish(make_record("abc1"))
    store.publish(make_record("abc2"))
    store.publish(make_record("abc1", sweep="again"))
    store.publish(make_record("abc"))
    assert store.find("abc2") == ("abc2", ("study",))
    assert store.find("abc1") == ("abc1", ("again", "study"))
    assert store.find("abc1", ["study"]) == ("abc1", ("study",))
    assert store.find("abc") == ("abc", ("study",))
    with pytest.raises(AmbiguousTrial) as refused:
        store.find("ab", ["study"])
    assert refused.value.trials == ("abc", "abc1", "abc2")
    with pytest.raises(UnknownTrial):
        store.find("x")


def test_a_damaged_record_is_found_by_its_name(store: Store) -> None:
    store.publish(make_record("abc1")).write_bytes(b"PAR1")
    assert store.find("a") == ("abc1", ("study",))


@pytest.mark.parametrize("name", ["../study", "/", ".."])
def test_no_name_leads_out_of_the_store(store: Store, name: str) -> None:
    for folder in (store.sweep_folder, store.logs_folder, store.records_folder, store.files_folder):
        with pytest.raises(BadName):
            folder(name)
