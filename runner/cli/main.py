"""Define the `runner` command: its sub-commands, and how errors and exit codes reach the shell.

Exit codes: 0 done, 1 something failed and the message says what, 2 wrong usage, 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated, NoReturn

import typer

from runner import __version__
from runner.cli import (
    cancel,
    clean,
    collect,
    compare,
    data,
    diff,
    doctor,
    export,
    init,
    logs,
    ls,
    merge,
    mv,
    output,
    params,
    plan,
    query,
    report,
    reproduce,
    retry,
    rm,
    schema,
    show,
    status,
    streams,
    submit,
)

HELP = """Run a grid of hyperparameters on SLURM or a local Ray, and gather one table of results.

\b
Example:
  runner init                          write a commented grid.yaml
  runner submit grid.yaml              run its trials
  runner collect --by model,lr         one table: mean ± sd, n
"""

app = typer.Typer(
    name="runner",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,  # examples keep their lines, and help answers without loading rich
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        output.say(f"runner {__version__}")
        raise typer.Exit


@app.callback()
def _runner(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_say_version
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


app.command("init")(init.init)
app.command("plan")(plan.plan)
app.command("params")(params.params)
app.command("schema")(schema.schema)
app.command("submit")(submit.submit)
app.command("status")(status.status)
app.command("collect")(collect.collect)
app.command("compare")(compare.compare)
app.command("diff")(diff.diff)
app.command("query")(query.query)
app.command("report")(report.report)
app.command("reproduce")(reproduce.reproduce)
app.command("show")(show.show)
app.command("logs")(logs.logs)
app.command("export")(export.export)
app.command("retry")(retry.retry)
app.command("cancel")(cancel.cancel)
app.command("ls")(ls.ls)
app.command("mv")(mv.mv)
app.command("rm")(rm.rm)
app.command("clean")(clean.clean)
app.command("merge")(merge.merge)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")


_READER_GONE = 128 + signal.SIGPIPE
"""The exit code that a shell gives a program whose reader has ended."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (the process's own by default) and exit with its code."""
    sys.excepthook = _print_traceback
    streams.prepare()
    code = _run(arguments)
    if (lost := streams.lost()) is not None:
        if lost.errno == errno.EPIPE:  # its reader has seen enough (`runner collect | head`)
            sys.exit(code or _READER_GONE)
        output.error(f"not everything could be printed: {lost.strerror or lost}")
        sys.exit(code or 1)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    """Run one command line and return its exit code."""
    try:
        code = app(
            args=None if arguments is None else list(arguments),
            prog_name="runner",
            standalone_mode=False,
        )
    except Exception as error:
        if (
            show := getattr(error, "show", None)
        ) is not None:  # wrong usage, which the library prints itself
            show(usage := io.StringIO())
            output.message(usage.getvalue())
            return int(getattr(error, "exit_code", 2))
        if os.environ.get("RUNNER_DEBUG") or not isinstance(error, _expected_errors()):
            raise
        output.error(str(error))
        return int(getattr(error, "exit_code", 1))
    return code if isinstance(code, int) else 0


def _print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of an unexpected error, with the control characters of its message
    spelled out."""
    output.message("".join(traceback.format_exception(kind, error, trace)))


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return the roots of every floor's errors. Their messages say how to fix what is wrong, and a
    traceback would only hide it."""
    from artifacts.errors import ArtifactsError
    from cluster.errors import ClusterError
    from jobs.data.errors import DataError
    from jobs.errors import JobsError
    from runner.errors import RunnerError

    return ArtifactsError, ClusterError, DataError, JobsError, RunnerError


if __name__ == "__main__":
    main()
