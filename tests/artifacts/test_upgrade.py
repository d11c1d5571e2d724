"""Records of an earlier schema are read under the names, in the words and in the units of today's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifacts import parquet
from artifacts.collect import collect, compact_leftovers
from artifacts.columns import COLUMNS, RESERVED, SCHEMA_VERSION
from artifacts.record import Outcome
from artifacts.renamed import COLUMNS as RENAMED
from artifacts.renamed import parameters_of_before, parameters_of_today
from artifacts.store import Store
from tests.artifacts.conftest import make_record

STORES = Path(__file__).parents[1] / "stores"
NAMES = {
    "start_s": "startup_s",
    "runner_s": "overhead_s",
    "gpu_utilisation": "gpu_utilization",
    "job_id": "array_job_id",
    "task": "array_task_id",
    "normalisation": "normalization",
}
MEMORY = ("gpu_mem_allocated_gb", "gpu_mem_reserved_gb", "host_rss_gb", "gpu_total_gb", "ram_gb")


def of_before(store: Store, *rows: dict[str, Any], file: str = "compacted-before.parquet") -> None:
    """Publish rows as the runner did with schema 1."""
    folder = store.records_folder("study")
    folder.mkdir(exist_ok=True)
    core = {"schema_version": 1, "sweep": "study", "attempt": 1, "outcome": "completed"}
    own = {"parameters": [], "results": [], "derived": False, "workload": "train"}
    table = pa.Table.from_pylist([core | own | row for row in rows])
    (folder / file).write_bytes(parquet.table_bytes(table))


def collected(store: Store) -> dict[str, dict[str, Any]]:
    """The rows by trial, without what they do not have."""
    gathered = collect(store, ["study"])
    assert gathered.unreadable == ()
    return {
        row["trial"]: {name: value for name, value in row.items() if value is not None}
        for row in gathered.table.to_pylist()
    }


def test_every_row_and_value_of_a_store_of_before_is_collected() -> None:
    before = json.loads((STORES / "schema-1.json").read_text())
    gathered = collect(Store(STORES / "schema-1"), ["yesterday"], attempts=True)
    assert gathered.unreadable == ()
    rows = gathered.table.to_pylist(maps_as_pydicts="strict")
    assert len(rows) == len(before) == 9
    for now, was in zip(rows, before, strict=True):
        expected = {NAMES.get(name, name): value for name, value in was.items()}
        expected |= {name: was[name] * (1e9 / 2**30) for name in MEMORY if name in was}
        expected["parameters"] = [NAMES.get(name, name) for name in was["parameters"]]
        expected["schema_version"] = SCHEMA_VERSION
        if "loader" in was:
            expected["loader"] = "dataloader"
        for name in ("submitted_at", "started_at", "ended_at"):
            now[name] = now[name].isoformat().replace("+00:00", "Z")
        history = expected.pop("history", [])
        found = now.pop("history") or []
        assert [epoch.pop("train_s") for epoch in found] == [e.pop("seconds") for e in history]
        assert found == history
        assert {name: value for name, value in now.items() if value is not None} == expected


def test_columns_outcomes_units_and_words_are_those_of_today(store: Store) -> None:
    of_before(
        store,
        {
            "trial": "aa",
            "outcome": "UNKNOWN",
            "job_id": "77",
            "task": 3,
            "start_s": 1.5,
            "runner_s": 0.5,
            "gpu_utilisation": 0.25,
            "ram_gb": 2.147483648,
            "parameters": ["loader", "normalisation"],
            "loader": "workers",
            "normalisation": "half",
            "history": [{"epoch": 1, "seconds": 2.0, "lr": 0.5}],
        },
        file="aa.1.parquet",
    )
    row = collected(store)["aa"]
    assert row == {
        "schema_version": SCHEMA_VERSION,
        "sweep": "study",
        "trial": "aa",
        "attempt": 1,
        "workload": "train",
        "outcome": "unknown",
        "derived": False,
        "array_job_id": "77",
        "array_task_id": 3,
        "startup_s": 1.5,
        "overhead_s": 0.5,
        "gpu_utilization": 0.25,
        "ram_gb": 2.0,
        "parameters": ["loader", "normalization"],
        "results": [],
        "loader": "dataloader",
        "normalization": "half",
        "history": row["history"],
    }
    assert (row["history"][0]["train_s"], row["history"][0]["lr"]) == (2.0, 0.5)
    assert store.index("study").attempts("aa")[0].outcome is Outcome.unknown
    (read,) = store.read("study", "aa")
    assert (read["normalization"], read["loader"], read["ram_gb"]) == ("half", "dataloader", 2.0)


def test_derived_records_of_before_are_read(store: Store) -> None:
    of_before(
        store,
        {"trial": "aa", "outcome": "UNKNOWN", "derived": True, "task": 0},
        file="aa.1.derived.parquet",
    )
    assert store.index("study").attempts("aa")[0].derived
    assert collected(store)["aa"]["array_task_id"] == 0


def test_records_of_both_schemas_are_one_table_and_one_file(store: Store) -> None:
    before = {"trial": "aa", "parameters": ["normalisation"], "normalisation": "half"}
    of_before(store, before | {"ram_gb": 1.0, "task": 1}, file="aa.1.parquet")
    of_before(store, before | {"trial": "bb", "ram_gb": 2.0, "task": 2})
    store.publish(
        make_record("cc", ram_gb=4.0, array_task_id=5, parameters={"normalization": "none"})
    )
    rows = collected(store)
    compact_leftovers(store, "study")
    assert collected(store) == rows
    assert {trial: row["normalization"] for trial, row in rows.items()} == {
        "aa": "half",
        "bb": "half",
        "cc": "none",
    }
    assert [row["ram_gb"] for row in rows.values()] == [1e9 / 2**30, 2e9 / 2**30, 4.0]
    assert [row["array_task_id"] for row in rows.values()] == [1, 2, 5]
    assert not rows.keys() & {"normalisation", "task"}


def test_a_users_own_names_and_words_stay_as_they_are(store: Store) -> None:
    own = {"workload": "mine:f", "parameters": ["loader", "normalisation"]}
    of_before(
        store,
        own | {"trial": "aa", "loader": "workers", "normalisation": "half"},
        {"trial": "bb", "parameters": ["normalisation"], "normalisation": "none"},
    )
    rows = collected(store)
    assert (rows["aa"]["loader"], rows["aa"]["normalisation"]) == ("workers", "half")
    assert rows["bb"]["normalization"] == "none"
    assert "normalization" not in rows["aa"]
    assert "normalisation" not in rows["bb"]


def test_own_columns_give_way_to_new_ones_and_take_the_names_that_are_free_again(
    store: Store,
) -> None:
    """A parameter ``task`` was ``task_asked`` while the record had a ``task`` of its own."""
    of_before(
        store,
        {
            "workload": "mine:f",
            "trial": "aa",
            "task": 7,
            "start_s": 0.5,
            "runner_s": 0.25,
            "parameters": ["startup_s", "task_asked"],
            "startup_s": 9,
            "task_asked": "sort",
            "results": ["overhead_s"],
            "overhead_s": 1.0,
        },
    )
    row = collected(store)["aa"]
    assert (row["array_task_id"], row["startup_s"], row["overhead_s"]) == (7, 0.5, 0.25)
    assert row["parameters"] == ["startup_s_asked", "task"]
    assert (row["task"], row["startup_s_asked"]) == ("sort", 9)
    assert (row["results"], row["overhead_s_returned"]) == (["overhead_s_returned"], 1.0)


def test_a_spec_of_before_has_the_parameters_of_today_and_back() -> None:
    before = {"loader": "workers", "normalisation": "half", "lr": 0.1}
    today = {"loader": "dataloader", "normalization": "half", "lr": 0.1}
    assert parameters_of_today("train", before) == today
    assert parameters_of_before("train", today) == before
    assert parameters_of_today("mine:f", before) == before
    assert parameters_of_before("mine:f", today) == today


def test_no_old_name_is_a_column_any_more() -> None:
    assert RENAMED.keys() & RESERVED == set()
    assert set(RENAMED.values()) <= {column.name for column in COLUMNS}
