"""Write what a page says as Markdown, for a README or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from runner.report.answers import Answers
from runner.report.export import markdown as table_markdown
from runner.report.page.content import Content
from runner.report.plots.plot import Plot
from runner.report.printable import shown

_MEANING: Final = re.compile(r"[\\`*_{}\[\]<>|#!&]")


def write_markdown(content: Content, images: Sequence[tuple[Plot, Path]] = ()) -> str:
    """Return a page as Markdown.

    Args:
        content: What it says.
        images: The plots that were written as images, and their paths from where the text will be.
    """
    return "\n\n".join(part.strip("\n") for part in _parts(content, images)) + "\n"


def _parts(content: Content, images: Sequence[tuple[Plot, Path]]) -> Iterator[str]:
    yield f"## {_text(content.title)}"
    outcomes = ", ".join(
        f"{count} {_text(outcome)}" for outcome, count in content.counts if outcome != "completed"
    )
    yield (
        f"{content.completed} of {content.n_trials} trials completed"
        f"{': ' * bool(outcomes)}{outcomes}."
        + (f" Measured on {_text(content.hardware)}." if content.hardware else "")
    )
    if content.notes:
        yield "\n".join(f"- {_text(note)}" for note in content.notes)
    if content.answers is not None and content.answers.rows:
        yield "### What each axis does"
        yield _answers(content.answers)
        yield "\n".join(f"- {_text(note)}" for note in content.answers.notes)
    if content.table is not None:
        yield "### Results"
        yield "Mean ± standard deviation (n − 1) over the n completed repeats of each row."
        yield shown(table_markdown(content.table))
    for plot, path in images:
        yield f"### {_text(plot.title)}"
        yield f"![{_text(plot.alt)}]({quote(path.as_posix())})"
        yield _text(plot.caption)
    if content.causes:
        yield "### Failures by cause"
        yield "\n".join(
            f"- {cause.attempts} × {_text(cause.outcome)}: "
            f"{_text(': '.join(filter(None, (cause.error_type, cause.message))) or cause.meaning)}"
            for cause in content.causes
        )
    if content.differences:
        yield "### What the trials do not share"
        yield "\n".join(
            f"- {_text(each.column)}: "
            + "; ".join(f"{_text(value)} ({count})" for value, count, _ in each.values)
            for each in content.differences
        )
    for about in content.about:
        yield f"### Environment of {_text(about.sweep)}"
        yield "\n".join(f"- {name}: {_text(value)}" for name, value in about.lines)


def _answers(answers: Answers) -> str:
    lines = [("axis", "value", "against", *answers.metrics), ["---"] * (3 + len(answers.metrics))]
    for row in answers.rows:
        cells = (
            ""
            if cell is None
            else f"{cell.effect} ({cell.interval or 'no interval'}, {cell.n}) {cell.verdict}"
            for cell in row.cells
        )
        lines.append((row.axis, row.value, row.against, *cells))
    return "\n".join(
        f"| {' | '.join(_text(cell) if cell != '---' else cell for cell in line)} |"
        for line in lines
    )


def _text(value: str) -> str:
    """Return text in one line, without a character that Markdown or HTML would obey."""
    return _MEANING.sub(lambda found: "\\" + found[0], " ".join(shown(value).split()))
