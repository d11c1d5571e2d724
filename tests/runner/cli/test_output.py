"""What a terminal gets and what a pipe gets."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.cli import output
from runner.report.tables import Heading, Table
from tests.runner.report.making import publish, record


def _in_a_terminal(arguments: list[str], code: int = 0, **environment: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    leader, follower = pty.openpty()
    settings = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")
    }
    settings |= {"TERM": "xterm-256color", "COLUMNS": "100"} | environment
    command = [sys.executable, "-m", "runner.cli.main", *arguments]
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=settings
    ) as process:
        os.close(follower)
        written = b""
        try:
            while chunk := os.read(leader, 65536):
                written += chunk
        except OSError:  # how Linux ends the reading of a terminal that nobody has open any more
            pass
        finally:
            os.close(leader)
    assert process.returncode == code
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_ruled_table_and_color(tmp_path: Path) -> None:
    store = publish(
        tmp_path,
        record(0, {"name": "[red]kept[/red]"}, test_accuracy=0.5),
        record(1, {"name": "b"}, test_accuracy=0.5),
    )
    shown = _in_a_terminal(["collect", "--store", str(store.root)])
    assert "─" in shown
    assert "\x1b[" in shown
    assert "[red]kept[/red]" in shown, "what a user wrote is no markup"


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_it_plain_gets_it_plain(
    tmp_path: Path, setting: dict[str, Any]
) -> None:
    store = publish(tmp_path, record(0, {}, test_accuracy=0.5))
    shown = _in_a_terminal(["collect", "--store", str(store.root)], **setting)
    assert "\x1b[" not in shown
    assert "─" not in shown
    assert "50.00" in shown


def test_a_plain_table_is_aligned_and_has_no_trailing_blanks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", printed := io.StringIO())
    output.table(
        Table(
            (Heading("name"), Heading("n", right=True), Heading("note")),
            (("a", "5", ""), ("long", "10", "x")),
            ("below",),
        )
    )
    assert printed.getvalue() == "name   n  note\na      5\nlong  10  x\nbelow\n"


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    output.json({"loss": float("nan"), "path": Path("a")})
    assert capsys.readouterr().out == '{\n  "loss": null,\n  "path": "a"\n}\n'


EVIL = "\x1b]0;T\x07\x1b[31mred\x9b2J\u202e\r[red]"


def test_what_a_terminal_obeys_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    output.say(EVIL)
    output.warn(EVIL)
    output.error(EVIL)
    output.heading(EVIL)
    output.next_step(EVIL, EVIL)
    output.table(Table((Heading(EVIL),), ((EVIL + "\n\tx",),), (EVIL,)))
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert r"\x1b]0;T\x07\x1b[31mred\x9b2J\u202e\x0d[red]" in text
        assert text.replace("\n", "").isprintable()
    assert r"[red]\n\tx" in captured.out, "a cell stays on its line"


def test_json_spells_what_a_terminal_obeys_and_reads_back_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.json({EVIL: EVIL})
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out) == {EVIL: EVIL}


def test_terminal_escapes_of_records_logs_and_arguments_are_shown(tmp_path: Path) -> None:
    log = "sweeps/study/logs/task.log"
    bad = record(
        7,
        {"p": EVIL},
        attempt=1,
        results={"a\x1b[31mb": 1},
        outcome="failed",
        error_type="ValueError",
        error_message=f"boom {EVIL}",
        log=log,
    )
    store = publish(tmp_path, bad, record(8, {"p": "b"}, results={"a\x1b[31mb": 1}))
    store.logs_folder("study").mkdir(parents=True)
    (store.root / log).write_text(f"=== trial {7:016x} attempt 1 ===\n{EVIL}\n")
    trial = f"{7:016x}"
    for arguments in (
        ["show", trial],
        ["show", "--failed", "study"],
        ["collect"],
        ["collect", "--attempts"],
        ["logs", trial],
    ):
        shown = _in_a_terminal([*arguments, "--store", str(store.root)])
        ours = re.sub(r"\x1b\[[0-9;]*m", "", shown)  # bold, colors, and their end
        assert ours.replace("\n", "").isprintable(), arguments
        assert r"\x1b" in ours, arguments
        assert "\x1b[31m" not in shown, arguments
    for arguments in (["plan", "no-such-\x1b[31mgrid"], ["plan", "--\x1b[31m"]):
        assert "\x1b" not in _in_a_terminal(arguments, code=2)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}])
def test_a_narrow_terminal_gets_whole_cells_in_blocks(
    tmp_path: Path, setting: dict[str, Any]
) -> None:
    values = {
        "augmentation": "crop_flip",
        "weight_decay": 0.000123456,
        "learning_rate_schedule": "onecycle",
        "model": "resnet18",
    }
    store = publish(
        tmp_path,
        *(
            record(i, {name: f"{value}{i}" for name, value in values.items()}, node="node-17")
            for i in range(2)
        ),
    )
    lines = re.sub(
        r"\x1b\[[0-9;]*m",
        "",
        _in_a_terminal(
            ["collect", "--attempts", "--store", str(store.root)], COLUMNS="80", **setting
        ),
    ).splitlines()
    assert max(len(line) for line in lines if not line.startswith("next: ")) <= 80
    assert len([line for line in lines if line.startswith(f"{1:016x}")]) > 1, (
        "the id stands in every block"
    )
    for cell in ("crop_flip1", "0.0001234561", "onecycle1", "resnet181", "node-17"):
        assert any(cell in line.split() for line in lines), cell
