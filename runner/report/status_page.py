"""Write how sweeps stand as one page that needs nothing beside it, and that loads itself again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from runner.report.tables import Table
from runner.report.watching import causes_table, failures, headline, pace_text, parts, running_table
from runner.sweep.tracking import View

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --done: #1a7f5a; --failed: #c2410c; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem;
  padding: 0 1rem; }
h1 { font-size: 1.25rem; margin-bottom: .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
.bar { display: flex; height: .75rem; background: var(--line); border-radius: .25rem;
  overflow: hidden; }
.done { background: var(--done); } .failed { background: var(--failed); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.right { text-align: right; }
td:last-child { overflow-wrap: anywhere; }
"""


def status_page(
    views: Sequence[View], spelled: Callable[[str], str], *, again_s: int | None = None
) -> str:
    """Return the page as HTML.

    Args:
        views: What it shows.
        spelled: Spells out the characters that would be obeyed and not shown.
        again_s: The page loads itself again after so many seconds; None for one that is final.
    """
    title = ", ".join(view.status.sweep for view in views)
    again = "" if again_s is None else f'<meta http-equiv="refresh" content="{again_s}">\n'
    written = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    more = "; it loads itself again while 'runner status --watch --html' runs" if again_s else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"{again}<title>{_shown(title, spelled)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        "<body>\n<main>\n"
        + "".join(_section(view, spelled) for view in views)
        + f"<p><small>Written {escape(written)}{escape(more)}.</small></p>\n"
        "</main>\n</body>\n</html>\n"
    )


def _section(view: View, spelled: Callable[[str], str]) -> str:
    status = view.status
    total = max(status.trials, 1)
    done, failed = status.counts["completed"], failures(view)
    label = f"{done} of {status.trials} trials completed, {failed} ended otherwise"
    html = [
        f"<h1>{_shown(headline(status), spelled)}</h1>\n",
        f'<div class="bar" role="img" aria-label="{label}">',
        f'<div class="done" style="width:{100 * done / total:.2f}%"></div>',
        f'<div class="failed" style="width:{100 * failed / total:.2f}%"></div></div>\n',
        f"<p>{_shown(pace_text(view), spelled)}</p>\n",
        _table("Groups", parts(status), spelled),
    ]
    if view.running:
        html.append(_table("Running", running_table(view.running, short=False), spelled))
    if view.causes:
        html.append(_table("Not completed", causes_table(view.causes, short=False), spelled))
    return "".join(html)


def _table(title: str, table: Table, spelled: Callable[[str], str]) -> str:
    sides = [' class="right"' if heading.right else "" for heading in table.headings]
    heads = "".join(
        f'<th scope="col"{side}>{_shown(heading.text, spelled)}</th>'
        for side, heading in zip(sides, table.headings, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{side}>{_shown(cell, spelled)}</td>" for side, cell in zip(sides, row, strict=True)
        )
        + "</tr>\n"
        for row in table.rows
    )
    return (
        f'<h2>{title}</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _shown(text: str, spelled: Callable[[str], str]) -> str:
    return escape(spelled(text))
