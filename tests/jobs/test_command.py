"""A command line as a workload, run as real processes: its words, its results, and how it ends."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from artifacts.record import Outcome
from jobs.context import Context
from jobs.errors import BadWorkload
from jobs.execute import Expectation, Finished, execute
from jobs.registry import workload
from jobs.spec import JobSpec
from tests.patience import PATIENCE_S

SAYS_ALL = (
    "import json, os, sys\nprint('runner: ' + json.dumps({'words': sys.argv[1:], "
    "'seed_seen': os.environ['RUNNER_SEED']}))\n"
)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs a script by a command line, as one trial."""

    def ran(
        script: str, command: str = "python script.py", stop: Any = lambda: False, **params: Any
    ) -> Finished:
        (tmp_path / "script.py").write_text(script)
        spec = JobSpec(workload=f"$ {command}", target="cpu", seed=7, params=params)
        return execute(
            spec,
            files=tmp_path / "files",
            import_path=(str(tmp_path),),
            expect=Expectation(),
            stop_requested=stop,
        )

    return ran


def test_values_stay_in_their_words(run: Any, tmp_path: Path) -> None:
    finished = run(
        SAYS_ALL,
        "python script.py --lr={lr} '{text} {seed}' {flag} {{}} {list} 'two words'",
        lr=0.001, text="a b; touch pwned $(id)", flag=True, list=[1, "x"],
    )  # fmt: skip
    assert finished.outcome == Outcome.completed, finished.values
    assert finished.results["words"] == [
        "--lr=0.001",
        "a b; touch pwned $(id) 7",
        "true",
        "{}",
        '[1, "x"]',
        "two words",
    ]
    assert finished.results["seed_seen"] == "7"
    assert not (tmp_path / "pwned").exists()


def test_it_runs_with_this_python_where_its_script_lies(run: Any, tmp_path: Path) -> None:
    finished = run(
        "import os, sys, json\nprint('runner:', json.dumps({'here': os.getcwd(), 'prefix': "
        "sys.prefix}))"
    )
    assert finished.results == {"here": str(tmp_path), "prefix": sys.prefix}


def test_the_file_of_results_counts_before_a_line(run: Any) -> None:
    written = (
        "import os, json\nopen(os.environ['RUNNER_RESULTS'], "
        "'w').write(json.dumps({'test_accuracy': 0.5, 'mine': 2}))\n"
    )
    finished = run(written + "print('runner: {\"mine\": 3}')")
    assert finished.values["test_accuracy"] == 0.5
    assert finished.results == {"mine": 2}


def test_the_last_line_of_results_counts_and_words_behind_it_do_no_harm(run: Any) -> None:
    finished = run(
        "import sys\nprint('runner: {\"a\": 1}')\nprint('runner: {\"a\": 2}')\nprint('bye', "
        "file=sys.stderr)"
    )
    assert finished.results == {"a": 2}
    assert finished.values["host_rss_gb"] > 0.001


@pytest.mark.parametrize("said", ["[1]", "{a: 1}"])
def test_results_that_are_no_json_object_fail_the_trial(run: Any, said: str) -> None:
    finished = run(f"print('runner: {said}')")
    assert finished.outcome == Outcome.failed
    assert "JSON" in finished.values["error_message"]


def test_a_failure_tells_the_exit_code_and_the_end_of_the_output(run: Any) -> None:
    finished = run("print('begins')\nraise RuntimeError('not today')", "python script.py {x}", x=1)
    assert finished.outcome == Outcome.failed
    message = finished.values["error_message"]
    assert (
        message.splitlines()[0]
        == "python script.py 1 ended with exit code 1: RuntimeError: not today"
    )
    assert 'File "' in message


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("import os\nos.kill(os.getpid(), 9)", Outcome.killed),
        ("import os\nos.abort()", Outcome.crashed),
        ("raise MemoryError", Outcome.out_of_memory),
        ("raise RuntimeError('CUDA out of memory. Tried')", Outcome.gpu_out_of_memory),
    ],
)
def test_each_end_has_its_name(run: Any, script: str, outcome: Outcome) -> None:
    assert run(script).outcome == outcome


def test_a_program_that_is_not_there_says_so(run: Any) -> None:
    finished = run("", "nosuchprogram {x}", x=1)
    assert finished.outcome == Outcome.failed
    assert (
        "nosuchprogram 1 could not be started (No such file or directory)"
        in finished.values["error_message"]
    )


SAVES = """
import os, pathlib, signal, sys
saved = pathlib.Path(os.environ["RUNNER_CHECKPOINT"]) / "saved"
if saved.exists():
    sys.exit(print('runner: {"resumed": 1}'))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(saved.touch()))
pathlib.Path("began").touch()
while True:
    signal.pause()
"""


def test_the_wish_to_stop_reaches_it_and_it_goes_on_from_what_it_saved(
    run: Any, tmp_path: Path
) -> None:
    assert run(SAVES, stop=(tmp_path / "began").exists).outcome == Outcome.preempted
    finished = run(SAVES)
    assert (finished.outcome, finished.results) == (Outcome.completed, {"resumed": 1})


def test_what_it_leaves_behind_ends_with_it(run: Any) -> None:
    script = (
        "import subprocess\nchild = subprocess.Popen(['sleep', '3600'])\nprint('runner: "
        '{"child": %d}\' % child.pid)'
    )
    with suppress(psutil.NoSuchProcess):
        child = psutil.Process(run(script).results["child"])
        if child.status() != psutil.STATUS_ZOMBIE:
            child.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("", "is empty"),
        ("python 'train.py", "No closing quotation"),
        ("python train.py {", "brace"),
        ("python train.py {}", "not a name"),
        ("python train.py {lr:.3f}", "not a name"),
        ("python train.py {train_s}", "is a column of every record"),
        ("python nowhere.py", "there is no nowhere.py in"),
    ],
)
def test_a_command_that_cannot_be_one_is_refused_when_it_is_read(
    tmp_path: Path, command: str, told: str
) -> None:
    (tmp_path / "train.py").touch()
    with pytest.raises(BadWorkload, match=told):
        workload(f"$ {command}", (str(tmp_path),))


def test_its_placeholders_are_its_parameters(tmp_path: Path) -> None:
    found = workload("$ echo {b} {a}{b} {seed} {trial}", (str(tmp_path),))
    assert found.names() == ("a", "b")
    assert Context(files=tmp_path).seed == 0
    assert json.dumps(found.canonical(found.read({"a": 1.0, "b": "x"}))) == '{"a": 1, "b": "x"}'
