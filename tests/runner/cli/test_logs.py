"""`runner logs`: one trial's part of what a task printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.store import Store
from runner.sweep.journal import AttemptStarted, Journal
from runner.sweep.logs import log_name
from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record

ONE, OTHER, RUNNING, SILENT = (
    "00000000000000a1",
    "00000000000000b2",
    "00000000000000c3",
    "00000000000000d4",
)
LOG = "sweeps/study/logs/task.log"
TRACEBACK = "Traceback (most recent call last):\n  ...\nValueError: no\n"
TEXT = f"""starting
=== trial {ONE} attempt 1 seed 0 ===
first try
=== trial {OTHER} attempt 1 seed 1 ===
another trial
=== trial {ONE} attempt 2 seed 0 ===
second try
=== not a head ===
done
=== trial {RUNNING} attempt 1 seed 2 ===
at work
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = publish(
        tmp_path / "store",
        record(int(ONE, 16), {}, attempt=1, outcome="failed", log=LOG, traceback=TRACEBACK),
        record(int(ONE, 16), {}, attempt=2, log=LOG),
        record(int(OTHER, 16), {}, attempt=1, log="sweeps/study/logs/gone.log"),
        record(int(SILENT, 16), {}, attempt=1, node="n7"),
    )
    store.logs_folder("study").mkdir(parents=True)
    (store.root / LOG).write_text(TEXT)
    Journal(store.sweep_folder("study"), "w").write(
        AttemptStarted(trial=RUNNING, attempt=1, at=0.0, node="n1", pid=1, log=LOG)
    )
    return store


def test_the_last_attempt_is_printed(run: Run, store: Store) -> None:
    done = run("logs", ONE, "--store", str(store.root))
    assert (done.code, done.err) == (0, "")
    assert (
        done.out == f"=== trial {ONE} attempt 2 seed 0 ===\nsecond try\n=== not a head ===\ndone\n"
    )


def test_an_earlier_attempt_can_be_asked_for(run: Run, store: Store) -> None:
    done = run("logs", ONE, "--attempt", "1", "--store", str(store.root))
    assert done.out == f"=== trial {ONE} attempt 1 seed 0 ===\nfirst try\n{TRACEBACK}", (
        "why it failed comes last"
    )


def test_a_file_of_its_own_is_printed_whole(run: Run, store: Store) -> None:
    log = store.logs_folder("study") / log_name(SILENT, 2, "n7-1")
    publish(
        store.root, record(int(SILENT, 16), {}, attempt=2, log=str(log.relative_to(store.root)))
    )
    log.write_text(f"=== trial {ONE} attempt 1 ===\n100%")
    assert (
        run("logs", SILENT, "--store", str(store.root)).out
        == f"=== trial {ONE} attempt 1 ===\n100%\n"
    )
    log.unlink()
    done = run("logs", SILENT, "--store", str(store.root))
    assert (done.code, done.out) == (0, "")
    assert "printed nothing" in done.err


def test_a_traceback_that_the_trial_printed_itself_is_not_repeated(run: Run, store: Store) -> None:
    log = store.root / LOG
    log.write_text(log.read_text().replace("first try\n", f"first try\n{TRACEBACK}"))
    assert (
        run("logs", ONE, "--attempt", "1", "--store", str(store.root)).out.count("Traceback") == 1
    )


def test_a_failed_trial_without_a_log_has_its_traceback(run: Run, store: Store) -> None:
    publish(store.root, record(0xE5, {}, attempt=1, outcome="failed", traceback=TRACEBACK))
    assert run("logs", f"{0xE5:016x}", "--store", str(store.root)).out == TRACEBACK


def test_a_trial_that_is_still_running_has_a_log_already(run: Run, store: Store) -> None:
    assert run("logs", RUNNING, "--store", str(store.root)).out.endswith("at work\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ONE, "--attempt", "7"], "it has attempts 1, 2"),
        ([OTHER], "gone.log is gone"),
        ([SILENT], "no record says where"),
        (["00000000000000"], "give more characters of the id"),
        (["ffff"], "no record of a trial 'ffff'"),
    ],
)
def test_what_cannot_be_printed_is_an_error_that_says_why(
    run: Run, store: Store, arguments: list[str], said: str
) -> None:
    done = run("logs", *arguments, "--store", str(store.root))
    assert done.code == 1
    assert said in done.err
