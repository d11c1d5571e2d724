"""Draw learning curves: a metric against the epoch, a line per cell and a band over its repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.columns import HISTORY
from runner.report.cells import Cell, Trials
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
from runner.report.printable import shown

if TYPE_CHECKING:
    import altair as alt

_METRICS: Final = ("val_accuracy", "test_accuracy", "train_accuracy")
_LOSSES: Final = ("val_loss", "train_loss")
_UNITS: Final = {name: unit for name, _, unit, _ in HISTORY}
_MOST_TICKS: Final = 12
_MOST_POINTS: Final = 200
"""Of one line; more of them than pixels show nothing."""


def learning_curves(trials: Trials) -> Iterator[Plot | NotDrawn]:
    """Yield one plot of the accuracy and one of the loss, or why there is none."""
    drawn = [
        plot
        for kind in (_METRICS, _LOSSES)
        if (plot := next(filter(None, (_curve(trials, name) for name in kind)), None)) is not None
    ] or [plot for name in _own_metrics(trials) if (plot := _curve(trials, name)) is not None][:2]
    yield from drawn
    if not drawn:
        yield NotDrawn("Learning curves", "no completed trial reports more than one epoch")


def _curve(trials: Trials, metric: str) -> Plot | None:
    """Return the plot of one metric; None if no cell has it at two epochs."""
    points = _points(trials, metric)
    lines: dict[int, list[dict[str, Any]]] = {}
    for point in points:
        lines.setdefault(point["cell"], []).append(point)
    lines = {cell: line for cell, line in lines.items() if len(line) > 1}
    if not lines:
        return None
    fraction = _UNITS.get(metric) == "fraction"
    ranked = sorted(lines, key=lambda cell: lines[cell][-1]["mean"], reverse=not _is_loss(metric))
    among = [trials.cells[number] for number in ranked[:MOST_SERIES]]
    rows = [
        {
            "epoch": point["epoch"],
            "cell": trials.cells[number].label,
            "n": point["n"],
            **{
                name: 100 * point[name] if fraction else point[name]
                for name in ("mean", "low", "high")
            },
        }
        for number in ranked[:MOST_SERIES]
        for point in _thinned(lines[number])
    ]
    title = f"{metric} %" if fraction else shown(metric)
    return Plot(
        name=f"learning-{metric}",
        title=f"Learning curves: {metric}",
        caption=f"{_which(among, lines, metric)}Line: mean over the repeats; band: from the lowest "
        f"to the highest repeat. {trials.standing(among)}.",
        alt=f"Lines of {metric} against the epoch. "
        + "; ".join(_ending(trials.cells[n], lines[n], fraction) for n in ranked[:MOST_SERIES]),
        spec=_drawn(rows, title, [cell.label for cell in among]),
    )


def _drawn(rows: Sequence[dict[str, Any]], title: str, labels: Sequence[str]) -> dict[str, Any]:
    import altair as alt

    color = alt.Color("cell:N", scale=category(labels), sort=list(labels))
    dash = alt.StrokeDash(
        "cell:N", scale=alt.Scale(domain=list(labels), range=list(DASHES[: len(labels)]))
    )
    x = alt.X("epoch:Q", title="epoch", axis=_ticks({row["epoch"] for row in rows}))
    scale = alt.Scale(**numbers_of(*(row["low"] for row in rows), *(row["high"] for row in rows)))
    base = alt.Chart(named_data("rows"))
    band = base.mark_area(opacity=0.18).encode(
        x, alt.Y("low:Q", scale=scale, title=title), alt.Y2("high:Q"), color
    )
    line = base.mark_line(strokeWidth=2).encode(
        x,
        alt.Y("mean:Q", scale=scale, title=title),
        color,
        dash,
        tooltip=[
            alt.Tooltip("cell:N", title="cell"),
            alt.Tooltip("epoch:Q", title="epoch"),
            alt.Tooltip("mean:Q", title="mean", format=".4~g"),
            alt.Tooltip("n:Q", title="repeats"),
        ],
    )
    return finished(alt.layer(band, line), 300, rows=rows)


def _ticks(epochs: set[float]) -> alt.Axis:
    import altair as alt

    few = len(epochs) <= _MOST_TICKS
    return alt.Axis(values=sorted(epochs), format="~g") if few else alt.Axis(format="~g")


def _points(trials: Trials, metric: str) -> list[dict[str, Any]]:
    """Return by cell and epoch the mean, the extremes and the number of repeats, by epoch."""
    history = trials.table.column("history").combine_chunks()
    if isinstance(history, pa.ChunkedArray):
        history = pa.concat_arrays(history.chunks) if history.num_chunks else None
    if history is None or not len(trials):
        return []
    entries = pc.list_flatten(history)
    values = _metric(entries, metric)
    if values is None:
        return []
    cells = pa.array(trials.cell_of_row, pa.int32()).take(pc.list_parent_indices(history))
    table = pa.table({"cell": cells, "epoch": entries.field("epoch"), "value": values})
    table = table.filter(
        pc.and_kleene(
            pc.greater_equal(table["cell"], 0),
            pc.and_kleene(pc.is_finite(table["value"]), pc.is_valid(table["epoch"])),
        )
    )
    means = table.group_by(["cell", "epoch"]).aggregate(
        [("value", "mean"), ("value", "min"), ("value", "max"), ("value", "count")]
    )
    named = means.sort_by([("cell", "ascending"), ("epoch", "ascending")]).select(
        ["cell", "epoch", "value_mean", "value_min", "value_max", "value_count"]
    )
    rows: list[dict[str, Any]] = named.rename_columns(
        ["cell", "epoch", "mean", "low", "high", "n"]
    ).to_pylist()
    return rows


def _metric(entries: pa.StructArray, metric: str) -> pa.Array | None:
    if metric in _UNITS:
        values = entries.field(metric)
        return None if values.null_count == len(values) else values
    return pc.map_lookup(entries.field("extra"), metric, "first")


def _own_metrics(trials: Trials) -> list[str]:
    """Return the names of what a user's own workload reported for its epochs."""
    if not len(trials):
        return []
    entries = pc.list_flatten(trials.table.column("history"))
    names = pa.chunked_array([chunk.field("extra").keys for chunk in entries.chunks], pa.string())
    found: list[str] = pc.unique(names).to_pylist()
    return found


def _thinned(line: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    step = -(-len(line) // _MOST_POINTS)
    kept = list(line[::step])
    return kept if kept[-1] is line[-1] else [*kept, line[-1]]


def _which(among: Sequence[Cell], lines: dict[int, Any], metric: str) -> str:
    if len(among) == len(lines):
        return ""
    best = "lowest" if _is_loss(metric) else "highest"
    return f"The {len(among)} of {len(lines)} cells that end {best}. "


def _is_loss(metric: str) -> bool:
    return metric.endswith("loss")


def _ending(cell: Cell, line: Sequence[dict[str, Any]], fraction: bool) -> str:
    last = line[-1]
    value = f"{100 * last['mean']:.4g} %" if fraction else f"{last['mean']:.4g}"
    return f"{cell.label} ends at {value} (n = {last['n']})"
