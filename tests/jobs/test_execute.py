"""Whatever a workload does, its attempt ends in a Finished that can be written down."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from artifacts.record import Outcome, Record
from cluster import machine
from cluster.machine import Gpu
from jobs.execute import Expectation, Finished, execute, warm
from jobs.measure import loaded_torch
from jobs.measure.clock import PHASES
from jobs.measure.readings import Readings
from jobs.measure.sampler import Sampler
from jobs.registry import workload
from jobs.spec import JobSpec

Run = Callable[..., Finished]

_count = iter(range(1_000_000))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a body of the user's ``main``; every trial has a module of its own, as modules are
    imported once."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def runs(source: str, params: dict[str, Any] | None = None, **options: Any) -> Finished:
        module = f"users_module_{next(_count)}"
        (tmp_path / f"{module}.py").write_text(source)
        found = workload(f"{module}:main", (str(tmp_path),))
        canonical = found.canonical(found.read(params or {}))
        spec = JobSpec(workload=found.name, target="cpu", seed=7, params=canonical)
        finished = execute(spec, files=tmp_path / "files", import_path=(str(tmp_path),), **options)
        Record(
            "sweep", spec.trial_id, 1, finished.parameters, finished.values, finished.results
        ).to_table()
        return finished

    return runs


def body(code: str) -> str:
    return "def main(context=None):\n" + "".join(f"    {line}\n" for line in code.splitlines())


@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("sys.exit()", 0),
        ("sys.exit('no more')", 1),
        ("raise ValueError('in the fork')", 1),
        ("return {'forked': 1.0}", 0),
        ("sys.stdout.close(); sys.exit(4)", 4),
    ],
)
def test_a_fork_ends_as_in_a_script_and_returns_to_nobody(
    run: Run, capfd: pytest.CaptureFixture[str], way: str, code: int
) -> None:
    here = os.getpid()
    finished = run(
        body(
            f"""
import os, sys
child = os.fork()
if child == 0:
    print('printed and not flushed')
    {way}
return {{'left': float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))}}"""
        )
    )
    assert os.getpid() == here, "a fork went on with the tests"
    assert (finished.outcome, finished.results) == ("completed", {"left": code})
    said = capfd.readouterr()
    assert "printed and not flushed" in said.out
    assert ("Traceback" in said.err, "no more" in said.err) == (
        "ValueError" in way,
        "no more" in way,
    )


def test_a_fork_at_import_ends_there(run: Run) -> None:
    here = os.getpid()
    finished = run(
        "import os\nchild = os.fork()\nif child == 0: raise SystemExit(5)\ncode = "
        "os.waitpid(child, 0)[1]\n" + body("return {'c': code}")
    )
    assert os.getpid() == here
    assert finished.results == {"c": 5 << 8}


@pytest.mark.parametrize(
    ("source", "outcome", "error_type"),
    [
        (body("raise ValueError('no')"), "failed", "ValueError"),
        (body("import sys; sys.exit(0)"), "failed", "SystemExit"),
        (body("def again(): again()\nagain()"), "failed", "RecursionError"),
        (body("raise MemoryError"), "out_of_memory", "MemoryError"),
        (
            body("import numpy; numpy.empty(2**60, 'u1')"),
            "out_of_memory",
            "numpy._core._exceptions._ArrayMemoryError",
        ),
        (
            body("class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E"),
            "failed",
            None,
        ),
        (
            body("class E(BaseException):\n    def __str__(self): import sys; sys.exit()\nraise E"),
            "failed",
            None,
        ),
        (body("raise ValueError('stray byte \\udc80')"), "failed", "ValueError"),
        (body("raise ValueError('x' * 10_000_000)"), "failed", "ValueError"),
        (body("raise GeneratorExit"), "failed", "GeneratorExit"),
        (body("raise KeyboardInterrupt('no person typed this')"), "failed", "KeyboardInterrupt"),
        ("raise KeyboardInterrupt\ndef main(): ...\n", "failed", "KeyboardInterrupt"),
        (
            body("raise ExceptionGroup('two', [ValueError(1), KeyError(2)])"),
            "failed",
            "ExceptionGroup",
        ),
        (
            body("import asyncio; raise asyncio.CancelledError"),
            "failed",
            "asyncio.exceptions.CancelledError",
        ),
        (body("raise OSError(12, 'Cannot allocate memory')"), "out_of_memory", "OSError"),
        (
            body(
                "try:\n    raise MemoryError\nexcept MemoryError as e:\n    raise "
                "ValueError('loading') from e"
            ),
            "out_of_memory",
            "ValueError",
        ),
        (
            body("raise RuntimeError('CUDA out of memory. Tried to allocate')"),
            "gpu_out_of_memory",
            "RuntimeError",
        ),
        (
            body("raise RuntimeError('CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED')"),
            "gpu_out_of_memory",
            "RuntimeError",
        ),
        ("raise ImportError('at import')\ndef main(): ...\n", "failed", "ImportError"),
        ("import sys; sys.exit('at import')\ndef main(): ...\n", "failed", "SystemExit"),
        ("import module_that_nobody_has\ndef main(): ...\n", "failed", "ModuleNotFoundError"),
        (body("return 3"), "failed", "jobs.errors.BadResult"),
        (body("from jobs.errors import StopRequested; raise StopRequested"), "preempted", None),
        (body("pass"), "completed", None),
    ],
)
def test_every_way_to_end(run: Run, source: str, outcome: str, error_type: str | None) -> None:
    finished = run(source)
    assert finished.outcome == finished.values["outcome"] == Outcome(outcome)
    if error_type:
        assert finished.values["error_type"] == error_type
    if outcome not in ("completed", "preempted"):
        assert finished.values["error_message"] is not None
        assert finished.values["traceback"]
        assert len(finished.values["traceback"]) < 30_000
    else:
        assert "error_type" not in finished.values
    assert_ledger(finished)


def assert_ledger(finished: Finished) -> None:
    values = finished.values
    parts = [values[f"{name}_s"] for name in (*PHASES, "overhead") if f"{name}_s" in values]
    assert sum(parts) == pytest.approx(values["total_s"])
    assert all(part >= 0 for part in parts)


KILL = (
    "import os, subprocess, time\nsubprocess.run(['kill', '-INT', "
    "str(os.getpid())])\ntime.sleep(60)"
)


@pytest.mark.parametrize(
    "code",
    [
        KILL,
        f"try:\n    {KILL.replace(chr(10), chr(10) + '    ')}\nexcept KeyboardInterrupt as e:\n    "
        "raise ValueError from e",
    ],
)
def test_ctrl_c_is_not_the_trials_whatever_it_makes_of_it(run: Run, code: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(body(code))


def test_a_trial_that_comes_to_its_end_despite_ctrl_c_keeps_its_result(run: Run) -> None:
    finished = run(
        body(
            f"try:\n    {KILL.replace(chr(10), chr(10) + '    ')}\nexcept KeyboardInterrupt:\n    "
            f"return {{'epochs': 3}}"
        )
    )
    assert (finished.outcome, finished.results) == (Outcome.completed, {"epochs": 3})
    assert isinstance(finished.stopped, KeyboardInterrupt)


def test_what_a_module_sets_when_it_is_imported_holds_for_all_its_trials_and_no_others(
    tmp_path: Path, run: Run
) -> None:
    (tmp_path / "setting.py").write_text(
        "import os, socket\nos.environ['OF_THE_MODULE'] = 'set'\nsocket.setdefaulttimeout(9)\n"
        "def main(i):\n"
        "    seen = {'variable': os.environ['OF_THE_MODULE'], 'timeout': "
        "socket.getdefaulttimeout()}\n"
        "    os.environ['OF_THE_MODULE'] = 'changed'\n"
        "    socket.setdefaulttimeout(1)\n"
        "    return seen\n"
    )
    other = body(
        "import os, socket; return {'variable': os.environ.get('OF_THE_MODULE'), 'timeout': "
        "socket.getdefaulttimeout()}"
    )
    for i in (1, 2):
        spec = JobSpec(workload="setting:main", target="cpu", seed=0, params={"i": i})
        assert execute(spec, files=tmp_path, import_path=(str(tmp_path),)).results == {
            "variable": "set",
            "timeout": 9.0,
        }
        assert run(other).results == {"variable": None, "timeout": None}


def test_no_trials_random_numbers_follow_from_the_seed_of_another(run: Run) -> None:
    draw = "import random, numpy; return {'drawn': [random.random(), float(numpy.random.random())]}"
    run(body("import random, numpy; random.seed(3); numpy.random.seed(3)"))
    first = run(body(draw)).results
    run(body("import random, numpy; random.seed(3); numpy.random.seed(3)"))
    assert run(body(draw)).results["drawn"][0] != first["drawn"][0]
    assert run(body(draw)).results["drawn"][1] != first["drawn"][1]


def test_the_record_says_the_threads_that_the_trial_computed_with(run: Run) -> None:
    """Not those of a trial before it."""
    granted = machine.granted_cpus()
    threads = max(1, int(min(2, granted)))
    limited = "import numpy, threadpoolctl; threadpoolctl.threadpool_limits(1)"
    expect = Expectation(cpus=2)
    assert run(body(limited), expect=expect).values["threads"] == 1
    assert run(body("import numpy"), expect=expect).values["threads"] == threads


def test_the_kernel_refuses_memory(run: Run) -> None:
    """The real thing: an address space that is too small."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, before[1]))
    try:
        finished = run(body("x = [bytearray(2**20) for _ in range(2000)]"))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert finished.outcome == Outcome.out_of_memory
    assert "mem_gb" in finished.values["error_message"]


def test_parameters_context_and_seed_arrive(run: Run) -> None:
    finished = run(
        "def main(a: float, b=(1, 2), *, seed, context, **others):\n"
        "    return {'seen': [a, b[0], seed, others['z']], 'kind': type(b).__name__, 'same': "
        "context.seed == seed}\n",
        {"a": 1, "z": 5},
    )
    assert finished.results == {"seen": [1.0, 1, 7, 5], "kind": "tuple", "same": True}
    assert finished.parameters == {"a": 1.0, "b": [1, 2], "z": 5}


def test_a_function_behind_a_decorator_gets_what_it_asks_for(run: Run) -> None:
    finished = run(
        "def wrap(f):\n    return f\nmain = wrap(lambda seed, x: {'sum': seed + x})\n", {"x": 3}
    )
    assert finished.results == {"sum": 10}


def test_metrics_fill_columns_and_the_rest_becomes_results(run: Run) -> None:
    finished = run(
        "import numpy as np\n"
        "def main(x=2, *, context):\n"
        "    context.report(1, train_loss=0.5, lr=0.1, gradient_norm=3)\n"
        "    return {'test_accuracy': np.float32(0.5), 'best_epoch': 1.0, 'x': 2, 'mine': "
        "np.arange(3), 'text': 'hm', 'none': None}\n"
    )
    assert finished.outcome == Outcome.completed
    assert finished.values["test_accuracy"] == 0.5
    assert finished.values["best_epoch"] == 1
    assert finished.results == {"mine": [0, 1, 2], "text": "hm", "none": None}
    assert finished.values["history"] == [
        {"epoch": 1, "train_loss": 0.5, "lr": 0.1, "extra": {"gradient_norm": 3.0}}
    ]


def test_a_bad_result_costs_none_of_the_good_ones(run: Run) -> None:
    finished = run(
        "def main(x=2):\n"
        "    return {'good': 1, 'test_accuracy': 97.5, 'val_accuracy': 0.5, 'train_s': 3, 'x': 3, "
        "'thing': object(), 4: 5, 'trial': 'a'}\n"
    )
    assert finished.outcome == Outcome.failed
    assert finished.results == {"good": 1}
    assert finished.values["val_accuracy"] == 0.5
    assert "test_accuracy" not in finished.values
    message = finished.values["error_message"]
    assert "fractions" in message
    assert all(name in message for name in ("train_s", "x", "thing", "4", "trial"))


def test_what_was_measured_before_a_failure_is_kept(run: Run) -> None:
    finished = run(
        body("context.report(1, train_loss=1.5)\ncontext.note(samples_per_s=10)\nraise ValueError")
    )
    assert finished.values["history"] == [{"epoch": 1, "train_loss": 1.5}]
    assert finished.values["samples_per_s"] == 10


def test_the_users_time_is_training_unless_they_say_otherwise(run: Run) -> None:
    source = "import time\n" + body(
        "with context.phase('data'):\n    time.sleep(0.05)\ntime.sleep(0.1)"
    )
    finished = run(source)
    assert finished.values["data_s"] >= 0.05
    assert finished.values["train_s"] >= 0.1
    assert_ledger(finished)


def test_the_device_is_measured_and_what_is_missing_is_none(run: Run) -> None:
    finished = run(body("pass"), expect=Expectation(cpus=10_000))
    values = finished.values
    assert values["device"] == "cpu"
    assert values["cpus_asked"] == 10_000
    assert 1 <= values["cpus_granted"] <= (os.cpu_count() or 1)
    assert values["threads"] == values["cpus_granted"]
    assert values["disturbed"] is True
    assert values["disturbed_by"][0].startswith("fewer CPUs than asked: ")
    assert values["host_rss_gb"] > 0.001
    assert values.get("gpu_name") is None
    assert values.get("test_accuracy") is None
    assert 0 not in [value for name, value in values.items() if name.startswith("gpu_")]


def test_threads_are_those_of_the_grant_and_no_more_than_asked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "granted_cpus", lambda: 2.0)
    source = (
        "import numpy, threadpoolctl\n"
        "def main(context):\n"
        "    pools = {pool['num_threads'] for pool in threadpoolctl.threadpool_info() if "
        "pool['user_api'] == 'blas'}\n"
        "    return {'pools': sorted(pools), 'told': context.threads}\n"
    )
    for asked, given in ((1, 1), (3, 2)):
        finished = run(source, expect=Expectation(cpus=asked))
        assert finished.results == {"pools": [given], "told": given}
        assert finished.values["threads"] == given


def test_torch_keeps_to_the_grant_although_the_users_module_said_otherwise(run: Run) -> None:
    finished = run(
        "import torch\ntorch.set_num_threads(2)\ndef main(): return {'torch': "
        "torch.get_num_threads()}\n"
    )
    assert finished.results == {"torch": 1}


class Cuda:
    """``torch.cuda`` of two GPUs; notes what is done to their memory, and what the sampler was told
    to watch."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.watched: tuple[int, float, int] | None = None

    def device_count(self) -> int:
        return 2

    def synchronize(self) -> None: ...

    def empty_cache(self) -> None:
        self.done.append("emptied")

    def reset_peak_memory_stats(self, index: int) -> None:
        self.done.append(f"reset {index}")

    def max_memory_allocated(self, index: int) -> int:
        return (2**30, 2 * 2**30)[index]

    def max_memory_reserved(self, index: int) -> int:
        return (4 * 2**30, 8 * 2**30)[index]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    """Two GPUs as torch, NVML and the sampler would see them."""
    cuda = Cuda()

    class Watching(Sampler):
        def __init__(self, gpus: Sequence[Gpu], share: float, cpus: int) -> None:
            super().__init__(gpus, share, cpus)
            cuda.watched = (len(gpus), share, cpus)

        def columns(self) -> dict[str, Any]:
            return {
                "gpu_power_w": 90.0,
                "gpu_energy_j": 300.0,
                "gpu_energy_source": "NVML energy counter",
            }

        def readings(self, *, of_gpu: bool = True) -> Readings:
            return (
                Readings(["GPU throttled: power brake"], {"gpu_energy_j": 300.0})
                if of_gpu
                else Readings([])
            )

    monkeypatch.setattr(loaded_torch, "cuda", lambda: cuda)
    monkeypatch.setattr(
        machine,
        "gpus",
        lambda: tuple(Gpu(None, "NVIDIA A30", f"GPU-{index}", 24 * 10**9) for index in range(2)),
    )
    monkeypatch.setattr("jobs.execute.Sampler", Watching)
    return cuda


@pytest.mark.usefixtures("cuda")
def test_a_trial_on_the_gpu_tells_of_it(run: Run) -> None:
    values = run(body("pass"), expect=Expectation(gpus=2)).values
    expected = {
        "device": "cuda",
        "gpu_name": "NVIDIA A30",
        "gpu_power_w": 90.0,
        "gpu_energy_j": 300.0,
        "gpu_energy_source": "NVML energy counter",
        "gpu_mem_allocated_gb": 3.0,
        "gpu_mem_reserved_gb": 12.0,
        "disturbed_by": ["GPU throttled: power brake"],
    }
    assert {name: values.get(name) for name in expected} == expected


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize(("source", "given"), [("context.device = 'cpu'", 2), ("pass", 0)])
def test_a_trial_on_the_cpu_tells_nothing_of_the_gpu(run: Run, source: str, given: int) -> None:
    values = run(body(source), expect=Expectation(gpus=given)).values
    assert (values["device"], values["disturbed"]) == ("cpu", False)
    assert not [name for name in values if name.startswith("gpu_")]


@pytest.mark.parametrize(
    ("expect", "watched"),
    [(Expectation(gpus=0.5, cpus=3), (2, 0.5, 3)), (Expectation(cpus=3), (0, 0, 3))],
)
def test_what_was_promised_is_watched(
    run: Run, cuda: Cuda, expect: Expectation, watched: tuple[int, float, int]
) -> None:
    run(body("pass"), expect=expect)
    assert cuda.watched == watched


def test_gpu_memory_is_counted_from_the_beginning_of_the_trial(run: Run, cuda: Cuda) -> None:
    run(body("context.stop_requested()"), stop_requested=lambda: bool(cuda.done.append("trial")))
    assert cuda.done == ["emptied", "reset 0", "reset 1", "trial"]


def test_energy_is_that_of_all_attempts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Sampler, "readings", lambda _sampler, *, of_gpu: Readings([], {"cpu_energy_j": 3.0})
    )
    source = "import json\n" + body(
        "state = context.checkpoint_folder / 'state'\n"
        "if context.resumed: context.carry(json.loads(state.read_text()))\n"
        "state.write_text(json.dumps(context.snapshot()))"
    )
    assert [run(source).values["cpu_energy_j"] for _ in range(3)] == [3.0, 6.0, 9.0]


def test_energy_that_an_attempt_could_not_measure_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Sampler,
        "columns",
        lambda _sampler: {"cpu_energy_j": 3.0, "cpu_energy_source": "RAPL, whole packages"},
    )
    monkeypatch.setattr(
        Sampler, "readings", lambda _sampler, *, of_gpu: Readings([], {"cpu_energy_j": 3.0})
    )
    values = run(
        body("context.carry({'phases': {}, 'history': [], 'readings': {'disturbed_by': []}})")
    ).values
    assert (values["cpu_energy_j"], values["cpu_energy_source"]) == (None, None)
    assert run(body("pass")).values["cpu_energy_source"] == "RAPL, whole packages"


def test_a_short_trial_does_not_claim_to_be_undisturbed(run: Run) -> None:
    assert run(body("pass")).values["disturbed"] is None


def test_a_trial_that_wants_another_gpu_is_not_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    finished = run(body("raise ValueError('ran')"), expect=Expectation(gpu="a30", gpus=1))
    assert finished.outcome == Outcome.wrong_device
    assert "model a30" in finished.values["error_message"]
    assert "train_s" not in finished.values


def test_a_target_declared_to_have_no_gpu_is_satisfied(run: Run) -> None:
    finished = run(body("return {'on': context.device}"), expect=Expectation(gpu="none", gpus=1))
    assert finished.outcome == Outcome.completed
    assert finished.results == {"on": "cpu"}


def test_a_parameter_that_the_function_no_longer_knows_fails_the_trial(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "changed.py").write_text("def main(new=1): ...\n")
    spec = JobSpec(workload="changed:main", target="cpu", seed=0, params={"old": 1})
    finished = execute(spec, files=tmp_path, import_path=(str(tmp_path),))
    assert finished.outcome == Outcome.failed
    assert "old" in finished.values["error_message"]
    assert finished.parameters == {"old": 1}


def test_a_workload_that_does_not_exist_fails_the_trial(tmp_path: Path) -> None:
    finished = execute(
        JobSpec(workload="nothing:here", target="cpu", seed=0, params={}), files=tmp_path
    )
    assert finished.outcome == Outcome.failed
    assert "no module nothing" in finished.values["error_message"]


def test_the_next_trial_starts_where_this_one_did(run: Run, tmp_path: Path) -> None:
    home = Path.cwd()
    run(f"import os\ndef main(): os.chdir({str(tmp_path)!r})\n")
    assert Path.cwd() == home


def test_peak_memory_is_this_trials_own(run: Run) -> None:
    large = run(body("x = bytearray(300_000_000)")).values["host_rss_gb"]
    small = run(body("pass")).values["host_rss_gb"]
    assert large - small > 0.25


def test_a_stop_reaches_the_workload(run: Run) -> None:
    finished = run(
        "from jobs.errors import StopRequested\n"
        + body(
            "(context.checkpoint_folder / 'state').write_text('3')\nif context.stop_requested(): "
            "raise StopRequested"
        ),
        stop_requested=lambda: True,
    )
    assert finished.outcome == Outcome.preempted
    assert run(body("return {'resumed': context.resumed}")).results == {"resumed": True}


def test_warming_never_raises_and_never_runs_the_users_code(tmp_path: Path) -> None:
    (tmp_path / "boom.py").write_text("raise SystemExit\ndef main(): ...\n")
    warm(
        JobSpec(workload="boom:main", target="cpu", seed=0, params={}), import_path=(str(tmp_path),)
    )
    warm(
        JobSpec(workload="svm", target="cpu", seed=0, params={"dataset": "mnist"}),
        data_dir=tmp_path,
    )
    warm(JobSpec(workload="svm", target="cpu", seed=0, params={}))
    assert "boom" not in sys.modules
    assert "sklearn" in sys.modules
