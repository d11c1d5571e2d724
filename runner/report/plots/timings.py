"""Draw where time and memory go: the ledger of phases, the batch-size sweep, the operators."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from artifacts.errors import ArtifactsError
from artifacts.publish import translate_read_errors
from artifacts.store import Store
from artifacts.values import spelled
from runner.report.cells import Cell, Trials, distinct_labels, is_finite, named
from runner.report.plots.plot import (
    DASHES,
    MOST_SERIES,
    NotDrawn,
    Plot,
    category,
    finished,
    named_data,
    numbers_of,
)

_PHASES: Final = {
    "startup_s": "start",
    "import_s": "start",
    "data_s": "data",
    "build_s": "build",
    "warmup_s": "warm-up",
    "train_s": "train",
    "eval_s": "evaluate",
    "write_s": "write",
    "overhead_s": "runner",
}
"""Phases of a trial, by the name that a plot gives them."""
_PHASE_COLORS: Final = (
    "#7f7f7f", "#56b4e9", "#cc79a7", "#e69f00", "#0072b2", "#009e73", "#8c6d31", "#d55e00",
)  # fmt: skip
_SHAPES: Final = (
    "circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "arrow", "stroke",
)  # fmt: skip
_ROW: Final = 38
"""Pixels of a bar and of the name above it."""
_MOST_BARS: Final = 12
_MEMORY: Final = ("gpu_mem_reserved_gb", "host_rss_gb")
_MOST_OPERATORS: Final = 8
_MOST_PROFILES: Final = 200
"""Profiles that are read; a sweep of thousands has the same operators in each."""


def time_ledger(trials: Trials) -> Plot | NotDrawn:
    """Return the plot of the seconds that each phase takes, stacked for each cell."""
    names = list(dict.fromkeys(_PHASES.values()))
    ledger: list[tuple[Cell, dict[str, float]]] = []
    for cell in trials.cells:
        seconds: dict[str, float] = {}
        for column, phase in _PHASES.items():
            if found := trials.numbers(column, cell.rows):
                seconds[phase] = seconds.get(phase, 0.0) + max(0.0, fmean(found))
        if sum(seconds.values()) > 0:
            ledger.append((cell, seconds))
    if not ledger:
        return NotDrawn("Where the time goes", "no completed trial has timed phases")
    longest = sorted(ledger, key=lambda entry: -sum(entry[1].values()))[:_MOST_BARS]
    rows = [
        {"cell": cell.label, "phase": phase, "order": names.index(phase), "seconds": seconds[phase]}
        for cell, seconds in longest
        for phase in names
        if phase in seconds
    ]
    which = f"The {len(longest)} longest of {len(ledger)} cells. " * (len(longest) < len(ledger))
    said = "; ".join(_largest(cell.label, seconds) for cell, seconds in longest)
    return Plot(
        name="time-ledger",
        title="Where the time goes",
        caption=f"{which}Mean seconds of each phase; start is the worker's share and its imports, "
        f"runner its own cost. {trials.standing([cell for cell, _ in longest])}.",
        alt=f"Stacked bars of seconds by phase. {said}.",
        spec=_stacked(rows, names, [cell.label for cell, _ in longest]),
    )


def batch_size_sweep(trials: Trials) -> Iterator[Plot | NotDrawn]:
    """Yield the throughput and the memory against the batch size, or why there is neither."""
    title = "Batch-size sweep"
    lines: dict[str, list[Cell]] = {}
    if "batch_size" in trials.varying:
        lines = _lines(trials)
    if not lines:
        yield NotDrawn(title, "no cells differ in the batch size only")
        return
    memory = next((name for name in _MEMORY if trials.has_numbers(name)), None)
    for metric, what in (("samples_per_s", "samples per second"), (memory, "memory")):
        if metric is None:
            continue
        rows = [
            {
                "batch": float(cell.keys["batch_size"]),
                "line": name,
                "value": fmean(found),
                "n": len(found),
            }
            for name, cells in list(lines.items())[:MOST_SERIES]
            for cell in cells
            if (found := trials.numbers(metric, cell.rows))
        ]
        if not rows:
            continue
        shown = list(lines)[:MOST_SERIES]
        which = f"The first {len(shown)} of {len(lines)} lines. " * (len(shown) < len(lines))
        cells = [cell for name in shown for cell in lines[name]]
        unit = "GiB" if metric in _MEMORY else "samples/s"
        yield Plot(
            name=f"batch-size-{metric}",
            title=f"Batch size and {what}",
            caption=f"{which}Mean {metric} over the repeats. {trials.standing(cells)}.",
            alt=f"Lines of {metric} against the batch size. "
            + "; ".join(
                f"{row['line']}, batch {row['batch']:g}: {row['value']:.3g} {unit}"
                for row in rows[:16]
            ),
            spec=_against_batch(rows, f"{metric} ({unit})", shown),
        )


def top_operators(trials: Trials, store: Store) -> Plot | NotDrawn:
    """Return the plot of the operators that take most of the time in the profiled cells."""
    title = "Operators that take the time"
    shares: dict[int, dict[str, list[float]]] = {}
    read = 0
    if "profile" in trials.table.column_names:
        profiled = trials.values("profile")
        for number, cell in enumerate(trials.cells):
            for row in cell.rows:
                if not profiled[row] or read >= _MOST_PROFILES:
                    continue
                trial = trials.values("trial")[row]
                table = _operators(store.files_folder(trial) / "profile" / "operators.csv")
                read += bool(table)
                for operator, share in table.items():
                    shares.setdefault(number, {}).setdefault(operator, []).append(share)
    if not shares:
        return NotDrawn(title, "no trial has left a profile (profile: true)")
    kept = list(shares)[:MOST_SERIES]
    means = {n: {name: fmean(found) for name, found in shares[n].items()} for n in kept}
    largest: dict[str, float] = {}
    for found in means.values():
        for name, share in found.items():
            largest[name] = max(share, largest.get(name, 0.0))
    ranked = sorted(largest, key=lambda name: -largest[name])[:_MOST_OPERATORS]
    operators = distinct_labels(ranked)
    labels = [trials.cells[number].label for number in kept]
    rows = [
        {
            "operator": operator,
            "cell": trials.cells[number].label,
            "share": 100 * means[number].get(name, 0.0),
        }
        for number in kept
        for name, operator in zip(ranked, operators, strict=True)
    ]
    cells = [trials.cells[number] for number in kept]
    which = f"The first {len(kept)} of {len(shares)} profiled cells. " * (len(kept) < len(shares))
    return Plot(
        name="top-operators",
        title=title,
        caption=f"{which}Share of the operators' own time in the traced steps. "
        f"{trials.standing(cells)}.",
        alt="Points of each operator's share of the time. "
        + "; ".join(
            f"{operator}: at most {100 * largest[name]:.3g} %"
            for name, operator in zip(ranked, operators, strict=True)
        ),
        spec=_by_operator(rows, operators, labels),
    )


def _stacked(
    rows: Sequence[dict[str, Any]], names: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    import altair as alt

    y = alt.Y("cell:N", sort=list(labels), title=None, axis=None)
    x = alt.X("seconds:Q", title="seconds", stack="zero", axis=alt.Axis(tickCount=5))
    bars = (
        alt.Chart(named_data("rows"))
        .mark_bar(height=14, yOffset=8)
        .encode(
            x,
            y,
            alt.Color(
                "phase:N",
                scale=category(names, _PHASE_COLORS),
                sort=list(names),
                legend=alt.Legend(columns=4),
            ),
            alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("cell:N", title="cell"),
                alt.Tooltip("phase:N", title="phase"),
                alt.Tooltip("seconds:Q", title="seconds", format=".4~g"),
            ],
        )
    )
    names_above = alt.Chart(named_data("labels")).mark_text(
        align="left", baseline="bottom", dy=-1, limit={"expr": "width"}
    )
    texts = names_above.encode(y, alt.Text("cell:N"), x=alt.value(0))
    return finished(
        alt.layer(bars, texts),
        _ROW * len(labels),
        rows=rows,
        labels=[{"cell": label} for label in labels],
    )


def _against_batch(
    rows: Sequence[dict[str, Any]], title: str, lines: Sequence[str]
) -> dict[str, Any]:
    import altair as alt

    legend = alt.Legend() if len(lines) > 1 else None
    sizes = sorted({row["batch"] for row in rows})
    chart = (
        alt.Chart(named_data("rows"))
        .mark_line(point=alt.OverlayMarkDef(size=50, filled=True), strokeWidth=2)
        .encode(
            alt.X(
                "batch:Q",
                title="batch_size",
                scale=alt.Scale(type="log", base=2, nice=False),
                axis=alt.Axis(values=sizes, format="~g", labelOverlap=True),
            ),
            alt.Y("value:Q", title=title, scale=alt.Scale(zero=True)),
            alt.Color("line:N", scale=category(lines), sort=list(lines), legend=legend),
            alt.StrokeDash(
                "line:N",
                scale=alt.Scale(domain=list(lines), range=list(DASHES[: len(lines)])),
                legend=legend,
            ),
            tooltip=[
                alt.Tooltip("line:N", title="cell"),
                alt.Tooltip("batch:Q", title="batch_size"),
                alt.Tooltip("value:Q", title="mean", format=".4~g"),
                alt.Tooltip("n:Q", title="repeats"),
            ],
        )
    )
    return finished(chart, 260, rows=rows)


def _by_operator(
    rows: Sequence[dict[str, Any]], operators: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    import altair as alt

    y = alt.Y("operator:N", sort=list(operators), title=None, axis=None)
    x = alt.X(
        "share:Q", title="share of the operators' own time (%)",
        scale=alt.Scale(**{**numbers_of(0.0, *(row["share"] for row in rows)), "zero": True}),
    )  # fmt: skip
    legend = alt.Legend() if len(labels) > 1 else None
    points = (
        alt.Chart(named_data("rows"))
        .mark_point(filled=True, size=90, yOffset=8, opacity=0.9)
        .encode(
            x,
            y,
            alt.Color("cell:N", scale=category(labels), sort=list(labels), legend=legend),
            alt.Shape(
                "cell:N",
                scale=alt.Scale(domain=list(labels), range=list(_SHAPES[: len(labels)])),
                legend=legend,
            ),
            tooltip=[
                alt.Tooltip("operator:N", title="operator"),
                alt.Tooltip("cell:N", title="cell"),
                alt.Tooltip("share:Q", title="share %", format=".3~g"),
            ],
        )
    )
    names_above = alt.Chart(named_data("labels")).mark_text(
        align="left", baseline="bottom", dy=-1, limit={"expr": "width"}
    )
    texts = names_above.encode(y, alt.Text("operator:N"), x=alt.value(0))
    return finished(
        alt.layer(points, texts),
        _ROW * len(operators),
        rows=rows,
        labels=[{"operator": name} for name in operators],
    )


def _lines(trials: Trials) -> dict[str, list[Cell]]:
    """Return the cells that differ in the batch size only, by what they have in common."""
    found: dict[tuple[str, ...], list[Cell]] = {}
    others = [name for name in trials.varying if name != "batch_size"]
    for cell in trials.cells:
        if is_finite(cell.keys["batch_size"]) and cell.keys["batch_size"] > 0:
            found.setdefault(tuple(spelled(cell.keys[name]) for name in others), []).append(cell)
    lines = [
        sorted(cells, key=lambda cell: float(cell.keys["batch_size"]))
        for cells in found.values()
        if len({cell.keys["batch_size"] for cell in cells}) > 1
    ]
    inside = [name for name in others if len({spelled(line[0].keys[name]) for line in lines}) > 1]
    names = [
        ", ".join(filter(None, (named(name, line[0].keys[name]) for name in inside)))
        or "all trials"
        for line in lines
    ]
    return dict(zip(distinct_labels(names), lines, strict=True))


def _operators(path: Path) -> dict[str, float]:
    """Return the share of each operator of a profile; nothing if it is not there or damaged."""
    try:
        with (
            translate_read_errors(path),
            path.open(newline="", encoding="utf-8", errors="replace") as file,
        ):
            return {row["operator"]: float(row["share"]) for row in csv.DictReader(file)}
    except (ArtifactsError, OSError, KeyError, TypeError, ValueError, csv.Error):
        return {}


def _largest(label: str, seconds: dict[str, float]) -> str:
    phase = max(seconds, key=lambda name: seconds[name])
    total = sum(seconds.values())
    return f"{label}: {total:.3g} s, of which {phase} {seconds[phase]:.3g} s"
