"""Run `runner params [WORKLOAD]`: list the parameters that a grid can set."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output
from runner.cli.options import JsonOption, grid_step

if TYPE_CHECKING:
    from jobs.parameters import Parameter

_WIDEST = 100


def _complete_workload(incomplete: str) -> list[str]:
    from jobs.registry import BUILT_IN

    return [name for name in BUILT_IN if name.startswith(incomplete)]


def params(
    workload: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKLOAD",
            help="train, svm or package.module:function. By default train and svm.",
            show_default=False,
            autocompletion=_complete_workload,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the parameters of a workload: type, range, default, meaning, and when each acts.

    The parameters of your own function are read from its source, which is not run.

    \b
    Example:
      runner params train
      runner params svm --json
      runner params package.module:function
    """
    from jobs import parameters, registry

    names = list(registry.BUILT_IN) if workload is None else [workload]
    found = {
        name: parameters.describe(registry.workload(name, (str(Path.cwd()),))) for name in names
    }
    if as_json:
        output.json(
            [
                {"workload": name, **_plain(parameter)}
                for name, of in found.items()
                for parameter in of
            ]
        )
        return
    for number, (name, of) in enumerate(found.items()):
        if number:
            output.say()
        _show(name, of)
    grid_step("says which of these act in the trials of a grid")


def _show(workload: str, of: Iterable[Parameter]) -> None:
    output.heading(f"parameters of {workload}")
    section, width = "", min(_WIDEST, shutil.get_terminal_size().columns)
    for parameter in of:
        if parameter.section != section:
            section = parameter.section
            output.say()
            output.heading(section)
        kind = ", ".join(filter(None, (parameter.type, parameter.range)))
        default = (
            parameter.default if parameter.default == "required" else f"default {parameter.default}"
        )
        output.say(f"  {parameter.name}: {kind}; {default}")
        acts = "" if parameter.acts == "always" else f"Acts {parameter.acts}."
        for text in filter(None, (parameter.meaning, acts)):
            output.say(
                textwrap.fill(
                    text,
                    width,
                    initial_indent=" " * 6,
                    subsequent_indent=" " * 6,
                    break_on_hyphens=False,
                )
            )


def _plain(parameter: Parameter) -> dict[str, str]:
    return {
        name: getattr(parameter, name)
        for name in ("name", "type", "range", "default", "meaning", "acts", "section")
    }
