"""Run `runner report`: write what sweeps have found as a page, as Markdown and as plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, StoreOption, SweepsArgument, sweeps_of
from runner.report.tables import plural

if TYPE_CHECKING:
    from artifacts.store import Store
    from runner.report.page.content import Content
    from runner.report.plots.plot import Plot

DEFAULT_PAGE = Path("report.html")


def report(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a page of one file that opens without a network. By default report.html, "
            "unless another kind is asked for.",
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a README or an issue.")
    ] = False,
    plots: Annotated[
        Path | None,
        typer.Option(
            "--plots",
            metavar="FOLDER",
            help="Write each plot as PDF (vectors, for a paper) and as PNG.",
        ),
    ] = None,
) -> None:
    """Write what sweeps have found as a page.

    It first says what each axis does to accuracy and time, by how much, and
    how sure that is. Then it has the results, plots, the failures by cause,
    the environment and a table of all trials, with links to logs and files.

    \b
    Example:
      runner report quickstart
      runner report quickstart --html quickstart.html
      runner report quickstart --markdown --plots figures > RESULTS.md
    """
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.report.gather import open_sweeps, settle_before
    from runner.report.page.content import read_content
    from runner.sweep.sweep import submitted_sweeps

    opened = Store(store)
    names = sweeps_of(opened, sweeps)
    if not names and not opened.sweeps() and not submitted_sweeps(opened):
        raise SweepNotNamed(str(store), ())
    warnings = settle_before(open_sweeps(opened, names))
    for trouble in warnings:
        output.warn(trouble)
    content = read_content(opened, names, warnings)
    images = [] if plots is None else _write_plots(content, plots)
    if markdown:
        from runner.report.page.markdown import write_markdown

        output.say(write_markdown(content, images).rstrip("\n"))
    if html is not None or not (markdown or plots):
        _write_page(content, opened, html or DEFAULT_PAGE)


def _write_page(content: Content, store: Store, path: Path) -> None:
    from artifacts.publish import replace
    from runner.report.page.assemble import write_html

    page = write_html(content, store, path).encode()
    replace(path, memoryview(page))
    output.note(f"wrote {path} ({len(page) / 1e6:.1f} MB): open it in a browser")


def _write_plots(content: Content, folder: Path) -> list[tuple[Plot, Path]]:
    """Write every plot, and return each with the path of its image."""
    from artifacts.publish import make_folder, replace
    from runner.report.plots.plot import pdf, png

    make_folder(folder)
    written = []
    for plot in content.plots:
        path = folder / f"{plot.name}.png"
        replace(path, memoryview(png(plot)))
        replace(path.with_suffix(".pdf"), memoryview(pdf(plot)))
        written.append((plot, path))
    output.note(f"wrote {plural(len(written), 'plot')} to {folder}, each as PDF and PNG")
    for absent in content.not_drawn:
        output.note(f"not drawn: {absent.title}: {absent.reason}")
    return written
