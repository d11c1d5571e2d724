"""What a trial does to its process is undone after it, or said to be beyond that."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DAMAGES = {
    "folder": ("import os, tempfile; os.chdir(tempfile.mkdtemp())", "os.getcwd()"),
    "folder that is removed": (
        "import os, tempfile; f = tempfile.mkdtemp(); os.chdir(f); os.rmdir(f)",
        "os.getcwd()",
    ),
    "umask": ("import os; os.umask(0o777)", "[os.umask(0), os.umask(0o22)][0]"),
    "environment": ("import os; os.environ.clear(); os.environ['NEW'] = '1'", "dict(os.environ)"),
    "environment replaced": ("import os; os.environ = {}", "len(os.environ) > 3"),
    "sys.path": (
        "import sys; sys.path.insert(0, '/nowhere'); sys.argv[:] = ['x']",
        "[sys.path, sys.argv]",
    ),
    "stdout replaced": (
        "import sys, io; sys.stdout = io.StringIO(); sys.stderr = None",
        "[id(sys.stdout), id(sys.stderr)]",
    ),
    "stdout closed": (
        "import sys; sys.stdout.close()",
        "[sys.stdout.closed, sys.stdout.fileno(), sys.stdout.flush()]",
    ),
    "stdout detached": ("import sys; sys.stdout.detach()", "sys.stdout.fileno()"),
    "descriptors of the streams": (
        "import os; os.close(0); os.close(1); os.dup2(os.open('/dev/null', 1), 2)",
        "streams()",
    ),
    "every descriptor": (
        "import os; os.closerange(0, 1000)",
        "[os.fstat(number) is not None for number in range(3)]",
    ),
    "built-in functions": (
        "import builtins as b; b.len = b.isinstance = b.open = b.zip = b.__import__ = None; del b.map",
        "[len([1]), isinstance(1, int), open is __import__('io').open, list(map(int, '1'))]",
    ),
    "functions of os, io and time": (
        "import os, io, time; os.open = os.write = os.fsync = os.path.join = io.open = time.time = None",
        "[os.path.join('a', 'b'), os.open, os.write, os.fsync, io.open, time.time]",
    ),
    "modules forgotten": (
        "import sys; [sys.modules.pop(name) for name in list(sys.modules) if name != 'sys']",
        "[id(sys.modules.get(name)) for name in ('os', 'jobs.execute', 'artifacts.record')]",
    ),
    "modules replaced": ("import sys; sys.modules = {}", "id(sys.modules)"),
    "hooks": (
        "import sys, threading; sys.excepthook = threading.excepthook = print",
        "[id(sys.excepthook), id(threading.excepthook)]",
    ),
    "recursion": ("import sys; sys.setrecursionlimit(77)", "sys.getrecursionlimit()"),
    "garbage collector": (
        "import gc; gc.disable(); gc.set_threshold(1)",
        "[gc.isenabled(), gc.get_threshold()]",
    ),
    "warnings": ("import warnings; warnings.simplefilter('error')", "str(warnings.filters)"),
    "root logger": (
        "import logging, sys; logging.basicConfig(stream=sys.stdout, level=1); logging.disable(50)",
        "[logging.root.handlers, logging.root.level, logging.root.manager.disable]",
    ),
    "locale": (
        "import locale; locale.setlocale(locale.LC_ALL, 'C')",
        "locale.setlocale(locale.LC_ALL)",
    ),
    "decimal": ("import decimal; decimal.getcontext().prec = 3", "decimal.getcontext().prec"),
    "socket timeout": (
        "import socket; socket.setdefaulttimeout(0.5)",
        "socket.getdefaulttimeout()",
    ),
    "alarm": (
        "import signal; signal.alarm(1); signal.setitimer(signal.ITIMER_PROF, 5)",
        "signal.getitimer(signal.ITIMER_REAL)[0]",
    ),
    "delayed dump": ("import faulthandler; faulthandler.dump_traceback_later(1, exit=True)", "0"),
    "handlers": (
        "import signal; [signal.signal(n, signal.SIG_IGN) for n in (2, 15, 10, 17)]",
        "[str(signal.getsignal(n)) for n in (2, 15, 10, 17)]",
    ),
    "signal mask": (
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15])",
        "signal.pthread_sigmask(0, []) == set()",
    ),
    "limits": (
        "import resource as r; [r.setrlimit(n, (8, r.getrlimit(n)[1])) for n in (r.RLIMIT_NOFILE, "
        "r.RLIMIT_FSIZE, r.RLIMIT_CORE)]",
        "[resource.getrlimit(n) for n in range(10)]",
    ),
    "affinity": (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])",
        "sorted(os.sched_getaffinity(0))",
    ),
    "start method": (
        "import multiprocessing as m; m.set_start_method('spawn' if m.get_start_method() != "
        "'spawn' else 'fork', force=True)",
        "multiprocessing.get_start_method(allow_none=True)",
    ),
    "user": ("import os; os.setegid(65534); os.seteuid(65534)", "[os.getresuid(), os.getresgid()]"),
    "NumPy": ("import numpy; numpy.seterr(all='raise')", "numpy.geterr()"),
    "torch's defaults": (
        "import torch; torch.set_default_dtype(torch.float64); torch.set_default_device('meta')",
        "[str(torch.get_default_dtype()), str(torch.get_default_device())]",
    ),
    "torch's modes": (
        "import torch; torch.use_deterministic_algorithms(True); torch.set_grad_enabled(False); "
        "torch.autograd.set_detect_anomaly(True)\n"
        "torch.set_float32_matmul_precision('medium'); torch.backends.cudnn.benchmark = True; "
        "torch.backends.cudnn.enabled = False",
        "[torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled(), "
        "torch.is_anomaly_enabled(),"
        " torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark, "
        "torch.backends.cudnn.enabled]",
    ),
}

BEYOND = {
    "inter-op threads": (
        "import torch; torch.set_num_interop_threads(7)",
        "torch's inter-op threads",
    ),
    "fault handler": ("import faulthandler; faulthandler.disable()", "the fault handler"),
    "process group": (
        "import torch.distributed as d, tempfile; d.init_process_group('gloo', "
        "f'file://{tempfile.mktemp()}', rank=0, world_size=1)",
        "torch.distributed",
    ),
    "descriptors used up": (
        "import os\nkept = os.kept = []\ntry:\n    while True: kept.append(os.open('/dev/null', "
        "0))\nexcept OSError: pass",
        "nearly as many open files",
    ),
    "hard limit": (
        "import resource as r; r.setrlimit(r.RLIMIT_CORE, (1, 1))",
        "RLIMIT_CORE: a hard limit that was lowered",
    ),
}

SCRIPT = """
import decimal, faulthandler, gc, io, json, locale, logging, multiprocessing, os, resource, signal, socket, sys, threading, time, traceback, warnings
from pathlib import Path
from artifacts.record import Outcome
from jobs.execute import execute
from jobs.spec import JobSpec

def streams():
    return [[os.fstat(number).st_dev, os.fstat(number).st_ino] for number in range(3)]

Path("damages.py").write_text("def main(program: str):\\n    exec(program, {})\\n")
here = os.getcwd()
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
if ALONE:
    faulthandler.enable()
found = {}
for name, (code, probe) in json.loads(Path("cases.json").read_text()).items():
    if "numpy" in probe: import numpy
    if "torch" in probe: import torch
    before = repr(eval(probe)) if not ALONE else None
    spec = JobSpec(workload="damages:main", target="cpu", seed=0, params={"program": code})
    finished = execute(spec, files=Path(here) / "files", import_path=(here,))
    said = finished.values.get("error_message")
    os.seteuid(0)
    found[name] = [str(finished.outcome), finished.spent, before, repr(eval(probe)) if not ALONE else None, said]
    Path(here, "found.json").write_text(json.dumps(found))
"""

PR_CAPBSET_DROP, CAP_SYS_RESOURCE = 24, 24
"""Without it root cannot raise a hard limit either, like everybody else."""


def damaged(folder: Path, cases: dict[str, tuple[str, str]], *, alone: bool) -> dict[str, Any]:
    """For each case outcome, why the process is spent, what was probed before and after, and the
    error; in a process of its own."""
    (folder / "cases.json").write_text(json.dumps(cases))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("ALONE", str(alone))], cwd=folder, capture_output=True, text=True,
        preexec_fn=lambda: ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every damage in one process, one after another."""
    return damaged(tmp_path_factory.mktemp("damaged"), DAMAGES, alone=False)


@pytest.mark.parametrize("name", DAMAGES)
def test_what_a_trial_changes_is_put_back(after: dict[str, Any], name: str) -> None:
    outcome, spent, before, now, said = after[name]
    assert (outcome, spent, now) == ("completed", "", before), said


@pytest.mark.parametrize("name", BEYOND)
def test_what_cannot_be_put_back_makes_the_process_unfit_for_others(
    tmp_path: Path, name: str
) -> None:
    outcome, spent, _, _, said = damaged(tmp_path, {name: BEYOND[name]}, alone=True)[name]
    assert outcome == "completed", said
    assert BEYOND[name][1] in spent
