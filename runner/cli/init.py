"""Run `runner init`: write a first grid, a study or a first profile, for the user to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from runner.cli import output
from runner.cli.schema import Kind, schema_of
from runner.errors import RunnerError
from runner.grid.shipped import studies
from runner.grid.shipped import study as study_text

PROFILE = Path("cluster.yaml")
GRID = """\
# A grid: every combination of the values below is one trial.
# docs/grid-language.md describes this file; `runner params train` lists the parameters.
name: my-first-sweep                  # the name of the sweep, and of its folder in the store

groups:                               # the sweep is the union of its groups
  - workload: train                   # a PyTorch network
    target: cpu                       # from the cluster profile; [cpu, gpu] compares the two
    matrix:                           # the full product of these axes
      optimizer: [sgd, adam]
      lr: [1e-1, 1e-2, 1e-3]          # also {logspace: [1e-3, 1e-1, 3]}, linspace, range
    fixed:                            # the same in every trial
      dataset: digits                 # handwritten, no download; or mnist, fashion_mnist, cifar10
      model: simple_cnn
      epochs: 5
      batch_size: 32
    exclude:                          # drops the points that match all of these keys
      - {optimizer: adam, lr: 1e-1}
    repeats: 3                        # runs each point with the seeds 0, 1 and 2

  - workload: svm                     # scikit-learn's SVC
    target: cpu
    matrix:
      kernel: [linear, rbf]
      C: [1, 10]
    fixed: {dataset: digits}
    repeats: 3
"""


class FileExists(RunnerError):
    """The file to write exists already; it was left as it is."""

    path: str
    command: str

    def __str__(self) -> str:
        return (
            f"{self.path} exists already and stays as it is: name another file, as in "
            f"`{self.command} other.yaml`"
        )


class FileNotWritable(RunnerError):
    """The new file could not be written."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"cannot write {self.path} ({self.reason}): name a file that you may write"


class NoCluster(RunnerError):
    """There is no SLURM to describe; nothing was written."""

    reason: str

    def __str__(self) -> str:
        return (
            f"no SLURM answers here ({self.reason}): type this on a login node of the cluster. "
            "Without a cluster you need no profile: `runner submit grid.yaml` uses this machine"
        )


def init(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The file to write. By default grid.yaml, with --study NAME.yaml, with --slurm "
            "cluster.yaml.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", metavar="NAME", help="Write the grid of a study that ships instead."
        ),
    ] = None,
    list_studies: Annotated[
        bool, typer.Option("--list", help="List the studies that ship, and write nothing.")
    ] = False,
    slurm: Annotated[
        bool,
        typer.Option(
            "--slurm",
            help="Write a profile of this SLURM site instead, from what sinfo and scontrol report.",
        ),
    ] = False,
) -> None:
    """Write a commented grid that runs as it is, a study that ships, or the profile of a SLURM
    site.

    An existing file is never overwritten. The file's JSON Schema is written
    beside it, so that editors with a YAML language server complete and check.

    \b
    Example:
      runner init
      runner init --list
      runner init --study quickstart
      runner init --slurm
      runner plan grid.yaml
    """
    if slurm:
        profile = file or PROFILE
        _write(profile, _profile(), "runner init --slurm", Kind.cluster)
        output.say(f"wrote {profile}")
        output.next_step(
            "runner doctor" + ("" if profile == PROFILE else f" --cluster {profile}"),
            "checks it against the cluster",
        )
        return
    if list_studies:
        for name, question in studies().items():
            output.say(f"{name}\n    {question}")
        output.next_step("runner init --study NAME", "writes one")
        return
    grid = file or Path("grid.yaml" if study is None else f"{study}.yaml")
    command = "runner init" + ("" if study is None else f" --study {study}")
    _write(grid, GRID if study is None else study_text(study), command, Kind.grid)
    output.say(f"wrote {grid}")
    output.next_step(f"runner plan {grid}", "shows its trials")


def _write(file: Path, text: str, command: str, kind: Kind) -> None:
    """Write a new file, and beside it the schema that its first line names for editors."""
    schema = file.with_name(f".{kind}.schema.json")
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(f"# yaml-language-server: $schema={schema.name}\n{text}")
        schema.write_bytes(msgspec.json.format(msgspec.json.encode(schema_of(kind)), indent=1))
    except FileExistsError:
        raise FileExists(str(file), command) from None
    except OSError as error:
        raise FileNotWritable(str(error.filename or file), error.strerror or str(error)) from error


def _profile() -> str:
    from cluster.errors import BackendUnavailable
    from cluster.slurm.draft import draft_here
    from cluster.slurm.errors import SlurmCommandFailed

    try:
        return draft_here()
    except BackendUnavailable as error:
        raise NoCluster(error.reason) from error
    except SlurmCommandFailed as error:
        raise NoCluster(f"{error.program}: {error.message}") from error
