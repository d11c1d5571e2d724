"""`runner init`: a first grid to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli import output
from runner.errors import RunnerError

GRID = """\
# A grid: every combination of the values below is one trial. What can be written here: docs/grid-language.md
name: my-first-sweep                  # its records are kept under this name

groups:                               # the sweep is the union of its groups
  - workload: train                   # a PyTorch network
    target: cpu                       # what it runs on, as the cluster profile names it; [cpu, gpu] would compare the two
    matrix:                           # the full product of these axes
      optimizer: [sgd, adam]
      lr: [1e-1, 1e-2, 1e-3]          # also {logspace: [1e-3, 1e-1, 3]}, {linspace: ...}, {range: ...}
    fixed:                            # the same in every trial
      dataset: digits                 # 1,797 real handwritten digits, no download; or mnist, fashion_mnist, cifar10
      model: simple_cnn
      epochs: 5
      batch_size: 32
    exclude:                          # drop the points that match all the keys given
      - {optimizer: adam, lr: 1e-1}
    repeats: 3                        # each point three times, with seeds 0, 1 and 2

  - workload: svm                     # scikit-learn's SVC
    target: cpu
    matrix:
      kernel: [linear, rbf]
      C: [1, 10]
    fixed: {dataset: digits}
    repeats: 3
"""


class GridExists(RunnerError):
    """There is a file where the new grid would go; it was left as it is."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is already there and stays as it is: name another file, as in `runner init other.yaml`"


class GridNotWritable(RunnerError):
    """The new grid could not be written where it should go."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}"


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("grid.yaml"),
) -> None:
    """Write a commented grid that runs as it is.

    An existing file is never overwritten.

    \b
    Example:
      runner init
      runner plan grid.yaml
    """
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(GRID)
    except FileExistsError:
        raise GridExists(str(file)) from None
    except OSError as error:
        raise GridNotWritable(str(file), error.strerror or str(error)) from error
    output.say(f"wrote {file}")
    output.next_step(f"runner plan {file}", "shows the trials it stands for")
