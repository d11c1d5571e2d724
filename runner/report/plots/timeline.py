"""Draw when which node ran what, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from runner.report.cells import distinct_labels
from runner.report.plots.plot import NotDrawn, Plot, finished, named_data
from runner.report.summary import COMPLETED
from runner.report.tables import plural

if TYPE_CHECKING:
    import altair as alt

_TITLE: Final = "The sweep by node"
_FROM_OUTSIDE: Final = frozenset(
    {"preempted", "killed", "cancelled", "interrupted", "node_failed", "unknown"}
)
_ENDINGS: Final = {
    "completed": "#0072b2",
    "failed": "#d55e00",
    "ended from outside": "#e69f00",
}
_MOST_BARS: Final = 400
_MOST_LANES: Final = 32
_TIME_FORMATS: Final = (
    (3_600_000, "%H:%M:%S"),
    (86_400_000, "%H:%M"),
    (20 * 86_400_000, "%m-%d %H:%M"),
    (float("inf"), "%Y-%m-%d"),
)
"""Of the axis, by the longest time in ms that it fits."""
_STEPS: Final = 96
"""Equal parts of the time, where there are too many attempts for a bar each."""


@dataclass(frozen=True)
class _Ran:
    """One attempt that has begun and ended; times in ms since 1970."""

    start: int
    end: int
    node: str
    worker: Any
    ending: str
    trial: str
    outcome: str


def timeline(attempts: pa.Table) -> Plot | NotDrawn:
    """Return the plot of the attempts of some sweeps, one row per attempt, or why there is none."""
    ran = _ran(attempts)
    if not ran:
        return NotDrawn(_TITLE, "no attempt has a time at which it began and ended")
    counts = Counter(item.ending for item in ran)
    nodes = Counter(item.node for item in ran)
    lanes = {(item.node, item.worker) for item in ran}
    single = len(ran) <= _MOST_BARS and len(lanes) <= _MOST_LANES
    first, last = min(item.start for item in ran), max(item.end for item in ran)
    how = (
        "One bar per attempt, one row per worker"
        if single
        else "Each row is a node; the more attempts ran at a time, the stronger its color"
    )
    if not single and len(nodes) > _MOST_LANES:
        how += f"; the {_MOST_LANES} busiest of {len(nodes)} nodes"
    ended = ", ".join(f"{counts[ending]} {ending}" for ending in _ENDINGS if counts[ending])
    what = (
        f"{plural(len(ran), 'attempt')} ({ended}) on {plural(len(nodes), 'node')}, from "
        f"{_time(first)} to {_time(last)} UTC."
    )
    return Plot(
        name="timeline",
        title=_TITLE,
        caption=f"{how}. n = {what}",
        alt=what,
        spec=_bars(ran) if single else _stripes(ran, nodes, first, last),
    )


def _ran(attempts: pa.Table) -> list[_Ran]:
    names = ("started_at", "ended_at", "node", "pid", "outcome", "trial")
    columns = {
        name: pc.divide(attempts.column(name).cast(pa.int64()), 1000).to_pylist()
        if name.endswith("_at")
        else attempts.column(name).to_pylist()
        for name in names
    }
    return [
        _Ran(
            start,
            max(start, end),
            node or "node not recorded",
            pid,
            _ending(outcome),
            trial,
            outcome,
        )
        for start, end, node, pid, outcome, trial in zip(
            *(columns[name] for name in names), strict=True
        )
        if start is not None and end is not None
    ]


def _ending(outcome: str) -> str:
    if outcome == COMPLETED:
        return "completed"
    return "ended from outside" if outcome in _FROM_OUTSIDE else "failed"


def _bars(ran: Sequence[_Ran]) -> dict[str, Any]:
    """Draw one bar per attempt; a worker is a row, in the order in which they began."""
    import altair as alt

    ordered = sorted(ran, key=lambda item: (item.node, item.start))
    lanes = list(dict.fromkeys((item.node, item.worker) for item in ordered))
    numbers: Counter[str] = Counter()
    named = []
    for node, _ in lanes:
        numbers[node] += 1
        named.append(f"{node} · {numbers[node]}")
    labels = dict(zip(lanes, distinct_labels(named), strict=True))
    rows = [
        {
            "lane": labels[item.node, item.worker],
            "start": item.start,
            "end": item.end,
            "ending": item.ending,
            "trial": item.trial,
            "outcome": item.outcome,
        }
        for item in ordered
    ]
    bars = (
        alt.Chart(named_data("rows"))
        .mark_bar(height={"band": 0.7}, stroke="white", strokeWidth=0.5, minBandSize=2)
        .encode(
            _times(ran),
            alt.X2("end:T"),
            _lanes(list(labels.values())),
            _ended(),
            tooltip=[
                alt.Tooltip("trial:N", title="trial"),
                alt.Tooltip("outcome:N", title="outcome"),
                alt.Tooltip("start:T", title="began (UTC)", format="%Y-%m-%d %H:%M:%S"),
                alt.Tooltip("end:T", title="ended (UTC)", format="%Y-%m-%d %H:%M:%S"),
            ],
        )
    )
    return finished(bars, 22 * len(lanes), rows=rows)


def _stripes(ran: Sequence[_Ran], nodes: Counter[str], first: int, last: int) -> dict[str, Any]:
    """Draw how many attempts ran on each node in each part of the time, those that failed above."""
    import altair as alt

    shown = sorted(node for node, _ in nodes.most_common(_MOST_LANES))
    labels = dict(zip(shown, distinct_labels(shown), strict=True))
    width = max(1, -(-(last - first) // _STEPS))
    found: Counter[tuple[str, int, str]] = Counter()
    for item in ran:
        # An attempt counts in the part in which it ended, and in those in which it ran on.
        for part in range((item.start - first) // width, (item.end - first) // width + 1):
            found[item.node, part, item.ending] += 1
    rows: list[dict[str, Any]] = [
        {
            "lane": labels[node],
            "start": first + part * width,
            "end": first + (part + 1) * width,
            "ending": ending,
            "count": count,
        }
        for (node, part, ending), count in found.items()
        if node in labels
    ]
    bars = (
        alt.Chart(named_data("rows"))
        .mark_bar()
        .encode(
            _times(ran),
            alt.X2("end:T"),
            _lanes(list(labels.values())),
            _ended(),
            alt.YOffset("ending:N", sort=list(_ENDINGS), scale=alt.Scale(domain=list(_ENDINGS))),
            opacity=alt.Opacity(
                "count:Q",
                scale=alt.Scale(domain=[0, max(row["count"] for row in rows)], range=[0.25, 1]),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("lane:N", title="node"),
                alt.Tooltip("ending:N", title="attempts that"),
                alt.Tooltip("count:Q", title="number"),
                alt.Tooltip("start:T", title="from (UTC)", format="%Y-%m-%d %H:%M:%S"),
            ],
        )
    )
    return finished(bars, max(120, 30 * len(shown)), rows=rows)


def _times(ran: Sequence[_Ran]) -> alt.X:
    import altair as alt

    span = max(item.end for item in ran) - min(item.start for item in ran)
    form = next(form for longest, form in _TIME_FORMATS if span <= longest)

    return alt.X(
        "start:T",
        title="time (UTC)",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(tickCount=5, labelOverlap=True, format=form),
    )


def _lanes(labels: Sequence[str]) -> alt.Y:
    import altair as alt

    return alt.Y(
        "lane:N", sort=list(labels), title=None, axis=alt.Axis(labelLimit=110, ticks=False)
    )


def _ended() -> alt.Color:
    import altair as alt

    return alt.Color(
        "ending:N",
        scale=alt.Scale(domain=list(_ENDINGS), range=list(_ENDINGS.values())),
        sort=list(_ENDINGS),
        legend=alt.Legend(columns=3),
    )


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
