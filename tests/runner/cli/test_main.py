"""Exit codes, errors, help and completion: what every command shares."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import runner
from artifacts.errors import UnknownSweep
from runner import __version__
from runner.cli import main as cli
from runner.errors import ProblemsFound
from runner.sweep.journal import AttemptStarted, Journal
from tests.patience import PATIENCE_S
from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record

HEAVY = ("torch", "ray", "submitit", "sklearn", "pandas", "pyarrow", "numpy", "rich")
NAMES = (
    "init",
    "params",
    "plan",
    "submit",
    "status",
    "collect",
    "show",
    "logs",
    "retry",
    "cancel",
    "data",
    "data prepare",
)
COMMANDS = [["--help"], *([*name.split(), "--help"] for name in NAMES)]


def _commands(
    group: typer.core.TyperGroup, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            found += _commands(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, runner.cli.main as cli\n"
        "for arguments in %r:\n"
        "    try: cli.main(arguments)\n"
        "    except SystemExit as left: assert left.code == 0, (arguments, left.code)\n"
        "print([name for name in %r if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % (COMMANDS, HEAVY)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_a_plan_of_what_is_not_recorded_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, runner.cli.main as cli\n"
        "try: cli.main(['plan', %r, '--backend', 'ray', '--store', %r])\n"
        "except SystemExit as left: assert left.code == 0, left.code\n"
        "print([name for name in %r if name in sys.modules], file=sys.stderr)"
    )
    quickstart = Path(runner.__file__).parents[1] / "grids" / "quickstart.yaml"
    done = subprocess.run(
        [sys.executable, "-c", code % (str(quickstart), str(tmp_path / "store"), HEAVY)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "[]")


def test_every_command_has_an_example_that_names_it() -> None:
    root = typer.main.get_command(cli.app)
    assert isinstance(root, typer.core.TyperGroup)
    commands = _commands(root)
    assert {path[0] for path, _ in commands} >= {"collect", "show", "logs", "init", "data"}
    for path, command in commands:
        text = getattr(command, "help", None) or ""
        assert f"Example:\n  runner {' '.join(path)}" in text, path


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["show"], ["collect", "--nonsense"], ["logs", "x", "--attempt", "two"]],
)
def test_wrong_usage_is_2_and_says_why(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert "Error: " in done.err
    assert done.out == ""


def test_the_version_is_that_of_the_package(run: Run) -> None:
    done = run("--version")
    assert (done.code, done.out, done.err) == (0, f"runner {__version__}\n", "")


def test_what_a_floor_reports_is_1_and_one_line_without_a_traceback(
    run: Run, tmp_path: Path
) -> None:
    publish(tmp_path / "store")
    done = run("collect", "nowhere", "--store", str(tmp_path / "store"))
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1
    assert "nowhere" in done.err


def test_debugging_shows_where_an_error_came_from(run: Run) -> None:
    with pytest.raises(UnknownSweep):
        run("collect", "nowhere", RUNNER_DEBUG="1")


def _app_that(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)


def test_an_error_of_several_lines_stays_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _app_that(monkeypatch, ProblemsFound(("first", "second")))
    with pytest.raises(SystemExit) as left:
        cli.main([])
    assert left.value.code == 1
    assert capsys.readouterr().err == "error: first\n       second\n"


def test_an_error_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    _app_that(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_the_traceback_of_an_error_nobody_expected_shows_terminal_escapes() -> None:
    code = (
        "import sys, runner.cli.main as cli\ndef bug(*_, **__): raise ZeroDivisionError('a "
        "\\x1b[31mbug')\ncli.app = bug\ncli.main([])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == r"ZeroDivisionError: a \x1b[31mbug"


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    _app_that(monkeypatch, KeyboardInterrupt())
    with pytest.raises(SystemExit) as left:
        cli.main([])
    assert left.value.code == 130


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    store = publish(
        tmp_path,
        *(record(i, {"width": i, "note": "x" * 200}, seed=0, total_s=1.0) for i in range(400)),
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "runner.cli.main", "collect", "--store", str(store.root)]
        done = subprocess.run(
            command,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            restore_signals=False,
        )
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode not in (0, -signal.SIGABRT)


def _complete(run: Run, words: str, **environment: str) -> list[str]:
    done = run(
        _RUNNER_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
        **environment,
    )
    assert (done.code, done.err) == (0, "")
    return done.out.split()


def test_the_shell_completes_commands_sweeps_trials_and_datasets(run: Run, tmp_path: Path) -> None:
    store = publish(
        tmp_path / "store", record(1, {}, sweep="digits"), record(2, {}, sweep="letters")
    )
    journal = Journal(store.sweep_folder("digits"), "worker")
    for trial in ("aa11", "ab22"):
        journal.write(AttemptStarted(trial=trial, attempt=1, at=0.0, node="here", pid=1))
    assert _complete(run, "runner col") == ["collect"]
    assert _complete(run, f"runner collect --store {store.root} d") == ["digits"]
    assert _complete(run, "runner collect ", RUNNER_STORE=str(store.root)) == ["digits", "letters"]
    assert _complete(run, "runner show a", RUNNER_STORE=str(store.root)) == ["aa11", "ab22"]
    assert _complete(run, "runner logs ab", RUNNER_STORE=str(store.root)) == ["ab22"]
    assert _complete(run, "runner data prepare cif") == ["cifar10"]


def test_completion_in_a_folder_without_a_store_stays_silent(run: Run) -> None:
    assert _complete(run, "runner collect ") == []
    assert _complete(run, "runner show ") == []


def test_the_documentation_names_every_command() -> None:
    root = typer.main.get_command(cli.app)
    assert isinstance(root, typer.core.TyperGroup)
    text = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
    for path, _ in _commands(root):
        assert f"`runner {' '.join(path)}" in text, path


def test_every_command_that_prints_a_result_has_json() -> None:
    root = typer.main.get_command(cli.app)
    assert isinstance(root, typer.core.TyperGroup)
    found = {
        " ".join(path): {name for parameter in command.params for name in parameter.opts}
        for path, command in _commands(root)
    }
    with_json = {name for name, options in found.items() if "--json" in options}
    assert with_json >= {
        "plan",
        "params",
        "submit",
        "status",
        "collect",
        "show",
        "retry",
        "cancel",
        "doctor",
    }


def test_ctrl_c_while_it_loads_ends_it_without_a_traceback() -> None:
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'runner.cli.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from runner.cli.entry import main\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
