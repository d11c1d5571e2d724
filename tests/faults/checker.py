"""Holds the store against the history: what was acknowledged is there, once, unchanged, and nothing
is there that did not happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.history import Key, Sabotaged, read_history


def violations(sabotaged: Sabotaged, expected: Mapping[str, tuple[str, Any]]) -> list[str]:
    """Return what was broken, in words; empty if every promise held.

    Args:
        sabotaged: The history and the looks at the store.
        expected: For each trial the outcome and the value that an undisturbed run gives.
    """
    return [
        *_lost(sabotaged),
        *_doubled(sabotaged),
        *_changed(sabotaged),
        *_made_up(sabotaged, expected),
        *_unfinished(sabotaged, expected),
        *_run_again(sabotaged),
        *_unspoken(sabotaged),
        *(f"left behind: {thing}" for thing in sabotaged.left),
    ]


def _excused(sabotaged: Sabotaged) -> set[Key]:
    return {key for keys in sabotaged.damaged.values() for key in keys}


def _lost(sabotaged: Sabotaged) -> Iterator[str]:
    """What a worker was told is written, what a look has found once, and every attempt that began
    has a record at the end."""
    last = sabotaged.looks[-1].rows
    excused = _excused(sabotaged)
    for seen in read_history(sabotaged.history):
        if seen.key in excused:
            continue
        if seen.key not in last:
            yield f"{seen.what} of {_name(seen.key)} has no record"
        elif seen.what == "acknowledged" and not any(
            row["outcome"] == seen.values["outcome"]
            and bool(row.get("derived")) == seen.values["derived"]
            and row.get("value") == seen.values["value"]
            for row in last[seen.key]
        ):
            yield f"the acknowledged record of {_name(seen.key)} is not among its rows"
    for look in sabotaged.looks:
        for key in look.rows.keys() - last.keys() - excused:
            yield f"{_name(key)} had a record, and has none"


def _doubled(sabotaged: Sabotaged) -> Iterator[str]:
    """An attempt has at most one record of its worker and one that was derived; a record may lie in
    two files while it is compacted."""
    for look in sabotaged.looks:
        for key, rows in look.rows.items():
            for derived, n in Counter(bool(row.get("derived")) for row in rows).items():
                if n > 1:
                    yield f"{_name(key)} has {n} records{' that were derived' if derived else ''}"


def _changed(sabotaged: Sabotaged) -> Iterator[str]:
    """A record is never edited, whoever looks, and however it is stored."""
    before: dict[tuple[Key, bool], Mapping[str, Any]] = {}
    for look in sabotaged.looks:
        for key, rows in look.rows.items():
            for row in rows:
                known = before.setdefault((key, bool(row.get("derived"))), row)
                different = [
                    name
                    for name in known.keys() | row.keys()
                    if not _same(known.get(name), row.get(name))
                ]
                if different:
                    yield f"the record of {_name(key)} changed in {', '.join(sorted(different))}"


def _made_up(sabotaged: Sabotaged, expected: Mapping[str, tuple[str, Any]]) -> Iterator[str]:
    """A record names nothing that did not happen: no other trial, no result that was not computed,
    no failure that was not raised."""
    happened: dict[Key, set[str]] = {}
    for seen in read_history(sabotaged.history):
        happened.setdefault(seen.key, set()).add(seen.what)
    for key, rows in sabotaged.looks[-1].rows.items():
        for row in rows:
            did = happened.get(key, set())
            if key[0] not in expected:
                yield f"{_name(key)} is no trial of the grid"
            elif row["outcome"] == "completed":
                if "computed" not in did:
                    yield f"{_name(key)} is completed, and was not computed"
                if row.get("value") != expected[key[0]][1]:
                    yield f"{_name(key)} has the value {row.get('value')}"
                if row["target"] != "cpu" or not str(row["device"]).startswith("cpu"):
                    yield f"{_name(key)} ran on {row['device']} for {row['target']}"
            elif (
                row["outcome"] == "failed" and row["error_type"] == "Fault" and "failed" not in did
            ):
                yield f"{_name(key)} has failed, and raised nothing"


def _unfinished(sabotaged: Sabotaged, expected: Mapping[str, tuple[str, Any]]) -> Iterator[str]:
    """The same submit, typed again, brings every trial to the end that an undisturbed run has."""
    outcomes: dict[str, set[str]] = {}
    for (trial, _), rows in sabotaged.looks[-1].rows.items():
        outcomes.setdefault(trial, set()).update(str(row["outcome"]) for row in rows)
    for trial, (outcome, _) in expected.items():
        if outcome not in outcomes.get(trial, ()):
            found = ", ".join(sorted(outcomes.get(trial, ()))) or "nothing"
            yield f"trial {trial} should be {outcome}, and has {found}"


def _run_again(sabotaged: Sabotaged) -> Iterator[str]:
    """Once a trial has a completed record, no attempt at it begins."""
    excused = {trial for trial, _ in _excused(sabotaged)}
    completed: dict[str, Key] = {}
    for seen in read_history(sabotaged.history):
        trial = seen.key[0]
        if seen.what == "began" and trial in completed and trial not in excused:
            yield f"{_name(seen.key)} began after {_name(completed[trial])} was completed"
        if seen.what == "acknowledged" and seen.values["outcome"] == "completed":
            completed.setdefault(trial, seen.key)


def _unspoken(sabotaged: Sabotaged) -> Iterator[str]:
    """No command ends in a traceback, and a damaged file is named by one that reads it."""
    for command, code, said in sabotaged.outputs:
        # Nobody can keep Python from printing one for a Ctrl-C before it has begun the program.
        too_early = said.rstrip().endswith("KeyboardInterrupt") and "/runner/cli/" not in said
        if "Traceback (most recent call last)" in said and not too_early:
            yield f"{command} ended with {code} and a traceback: {said[-2000:]}"
    for path in sabotaged.damaged:
        if not any(path in said.replace("\n", "") for _, _, said in sabotaged.outputs):
            yield f"{path} was damaged, and no command names it"


def _name(key: Key) -> str:
    return f"attempt {key[1]} of {key[0]}"


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)
