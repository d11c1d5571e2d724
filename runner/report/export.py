"""Write tables of means as files for papers and other tools: CSV, Parquet, JSON, Markdown,
LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from artifacts.errors import UnknownFormat
from artifacts.publish import replace
from artifacts.table_files import write_rows
from runner.report.summary import Summary
from runner.report.tables import Table

_LATEX: Final = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "\n": " ",
        "\t": " ",
    }
)
_MARKDOWN: Final = str.maketrans({"|": "\\|", "\n": " ", "\t": " ", "<": "&lt;", ">": "&gt;"})


def write_summary(summary: Summary, table: Table, path: Path) -> None:
    """Write one row per group, in the format that the file name ends in; an older file is replaced.

    CSV, Parquet and JSON have full numbers, a column each for mean, sd and n of a metric; Markdown
    and LaTeX the table as it is printed.

    Raises:
        UnknownFormat: The name ends in none of .csv, .parquet, .json, .md, .tex.
        StoreFull, StoreNotWritable: It could not be written.
    """
    if path.suffix in TEXT:
        write_text(table, path)
    elif path.suffix in _DATA:
        write_rows(_flat(summary), path)
    else:
        raise UnknownFormat(path, (*_DATA, *TEXT))


def write_text(table: Table, path: Path) -> None:
    """Write a table as it is printed, as Markdown or LaTeX by the end of the file name."""
    replace(path, memoryview(TEXT[path.suffix](table).encode(errors="backslashreplace")))


def markdown(table: Table) -> str:
    """Return a table in GitHub's Markdown, its notes below it."""
    rows = [
        [heading.text for heading in table.headings],
        ["---:" if heading.right else "---" for heading in table.headings],
        *table.rows,
    ]
    lines = [f"| {' | '.join(cell.strip().translate(_MARKDOWN) for cell in row)} |" for row in rows]
    return "\n".join(
        [
            *lines,
            *(
                ["", *(f"- {note.translate(_MARKDOWN)}" for note in table.notes)]
                if table.notes
                else []
            ),
            "",
        ]
    )


def latex(table: Table) -> str:
    """Return a table as a LaTeX tabular with the rules of booktabs, its notes as comments."""
    head, *rows = (
        f"{' & '.join(cell.strip().translate(_LATEX) for cell in row)} \\\\"
        for row in ([heading.text for heading in table.headings], *table.rows)
    )
    columns = "".join("r" if heading.right else "l" for heading in table.headings)
    notes = [f"% {' '.join(note.split())}" for note in table.notes]
    body = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([*notes, r"% needs \usepackage{booktabs}", *body, ""])


def _flat(summary: Summary) -> list[dict[str, Any]]:
    rows = []
    for row in summary.as_rows():
        flat: dict[str, Any] = {}
        titles = {summary.title(metric) for metric in summary.metrics}
        for name, value in row.items():
            if name in titles:
                flat |= {
                    f"{name}_{part}": None if value is None else value[part]
                    for part in ("mean", "sd", "n")
                }
            else:
                flat[name] = value
        rows.append(flat)
    return rows


_DATA: Final = (".csv", ".parquet", ".json")
TEXT: Final[dict[str, Callable[[Table], str]]] = {".md": markdown, ".tex": latex}
"""Formats of text, by the end of a file's name."""
