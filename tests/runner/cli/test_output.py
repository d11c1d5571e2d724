"""What a terminal gets and what a pipe gets."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli import output
from runner.report.tables import Heading, Table
from tests.runner.report.making import publish, record


def _in_a_terminal(arguments: list[str], **environment: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    leader, follower = pty.openpty()
    settings = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    settings |= {"TERM": "xterm-256color", "COLUMNS": "100"} | environment
    command = [sys.executable, "-m", "runner.cli.main", *arguments]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=settings) as process:
        os.close(follower)
        written = b""
        try:
            while chunk := os.read(leader, 65536):
                written += chunk
        except OSError:  # how Linux ends the reading of a terminal that nobody has open any more
            pass
        finally:
            os.close(leader)
    assert process.returncode == 0
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_ruled_table_and_colour(tmp_path: Path) -> None:
    store = publish(tmp_path, record(0, {"name": "[red]kept[/red]"}, test_accuracy=0.5), record(1, {"name": "b"}, test_accuracy=0.5))
    shown = _in_a_terminal(["collect", "--store", str(store.root)])
    assert "─" in shown
    assert "\x1b[" in shown
    assert "[red]kept[/red]" in shown, "what a user wrote is no markup"


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_it_plain_gets_it_plain(tmp_path: Path, setting: dict[str, str]) -> None:
    store = publish(tmp_path, record(0, {}, test_accuracy=0.5))
    shown = _in_a_terminal(["collect", "--store", str(store.root)], **setting)
    assert "\x1b[" not in shown
    assert "─" not in shown
    assert "50.00" in shown


def test_a_plain_table_is_aligned_and_has_no_trailing_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    output.table(Table((Heading("name"), Heading("n", right=True), Heading("note")), (("a", "5", ""), ("long", "10", "x")), ("below",)))
    assert sys.stdout.getvalue() == "name   n  note\na      5\nlong  10  x\nbelow\n"  # type: ignore[attr-defined]


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    output.json({"loss": float("nan"), "path": Path("a")})
    assert capsys.readouterr().out == '{\n  "loss": null,\n  "path": "a"\n}\n'
