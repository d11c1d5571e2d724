"""What a trial prints is in its own log, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import ctypes, os, subprocess, sys, threading
from pathlib import Path
from runner.sweep.logs import section

sys.stdout.write("of the task, ")
with section(Path("one")):
    print("one")
    os.write(2, b"stderr of one, ")
    ctypes.CDLL(None).printf(b"C of one, ")
    turn, done = threading.Event(), threading.Event()
    def late():
        turn.wait()
        print("thread of one, ", end="")
        done.set()
    threading.Thread(target=late).start()
    child = subprocess.Popen(["sh", "-c", "read line; printf 'child of one, '"], stdin=subprocess.PIPE)
    sys.stdout.write("no end of the line, ")
with section(Path("two")):
    turn.set()
    done.wait()
    child.communicate(b"go\\n")
    print("two")
    sys.stdout.close()
    print("closed, ", end="")
    sys.stdout = sys.stderr = None
with section(Path("three")):
    print("three")
    os.closerange(0, 1000)
with section(Path("folder/four")):
    print("four")
with section(Path("silent")):
    pass
print("not seen by anybody")
"""


def test_every_line_is_in_the_log_of_the_trial_that_printed_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    logs = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert done.stdout == "of the task, "
    assert sorted(logs) == ["four", "one", "three", "two"]
    of_one = {
        "one\nstderr of one",
        "no end of the line",
        "C of one",
        "thread of one",
        "child of one",
        "",
    }
    assert set(logs["one"].split(", ")) == of_one
    assert (logs["two"], logs["three"], logs["four"]) == ("two\nclosed, ", "three\n", "four\n")
