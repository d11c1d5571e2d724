"""Files held against a JSON Schema by `check-jsonschema`, as a user or a CI job would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def check(files: Sequence[str], schema: Path) -> list[tuple[str, str]]:
    """Return the mistakes in the files, each as (place, message); the deepest of each place where
    several schemas are tried."""
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--output-format",
        "json",
        "--verbose",
        "--schemafile",
        str(schema),
    ]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert not said.get("parse_errors"), said
    return [
        (deepest["path"], deepest["message"])
        for error in said.get("errors", ())
        for deepest in [error.get("best_deep_match") or error]
    ]
