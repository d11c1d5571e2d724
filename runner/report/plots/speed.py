"""Draw how much faster or slower each setting is than the one that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from runner.report.cells import distinct_labels
from runner.report.comparison import Comparison
from runner.report.effects import Effect
from runner.report.exclusion import DISTURBED
from runner.report.plots.plot import PALETTE, NotDrawn, Plot, finished, named_data
from runner.report.statistics import Verdict
from runner.report.tables import plural

_TITLE: Final = "Speed-up"
_ROW: Final = 38
_MOST_BARS: Final = 20
_SPEEDS: Final = ("time", "rate")
_KINDS: Final = {"faster": PALETTE[0], "slower": PALETTE[1], "not decided": PALETTE[7]}


def speed_up(comparisons: Sequence[Comparison]) -> Plot | NotDrawn:
    """Return the plot of the speed-ups with their intervals, or why there is none."""
    found = [
        (comparison, effect)
        for comparison in comparisons
        for effect in comparison.effects
        if effect.measure.kind in _SPEEDS and effect.effect > 0
    ]
    if not found:
        return NotDrawn(_TITLE, _reason(comparisons))
    shown = found[:_MOST_BARS]
    labels = distinct_labels(
        [f"{comparison.axis or comparison.what} {e.a} against {e.b}" for comparison, e in shown]
    )
    rows = [_row(label, effect) for label, (_, effect) in zip(labels, shown, strict=True)]
    counts = [effect.n for _, effect in shown]
    low, high = min(counts), max(counts)
    repeats = f"n = {low}" if low == high else f"n = {low} to {high}"
    name = shown[0][1].measure.name
    which = f"The first {len(shown)} of {len(found)}. " * (len(shown) < len(found))
    return Plot(
        name="speed-up",
        title=_TITLE,
        caption=f"{which}By {name}, all cells together; above 1 is faster. Line: 95 % interval, "
        f"none with a single repeat. {repeats} pairs; {_hardware(c for c, _ in shown)}.",
        alt="Bars of speed-ups with their intervals. "
        + "; ".join(f"{row['label']}: {row['speed']:.3g} times, {row['kind']}" for row in rows)
        + ".",
        spec=_drawn(rows, labels),
    )


def _row(label: str, effect: Effect) -> dict[str, Any]:
    ends = [effect.effect, effect.low, effect.high]
    if effect.measure.kind == "time":
        ends = [1 / end if end > 0 else math.nan for end in (ends[0], ends[2], ends[1])]
    speed, low, high = (end if math.isfinite(end) else None for end in ends)
    kind = "faster" if effect.verdict is Verdict.better else "not decided"
    kind = "slower" if effect.verdict is Verdict.worse else kind
    return {"label": label, "speed": speed, "low": low, "high": high, "kind": kind, "n": effect.n}


def _drawn(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> dict[str, Any]:
    import altair as alt

    ends = [row[name] for row in rows for name in ("speed", "low", "high") if row[name]]
    low, high = min(*ends, 1.0), max(*ends, 1.0)
    # An interval of few repeats can be absurdly wide: what lies beyond is cut off.
    speeds = [row["speed"] for row in rows]
    low, high = max(low, min(*speeds, 1.0) / 5), min(high, max(*speeds, 1.0) * 5)
    scale = alt.Scale(
        type="log" if high / low > 3 else "linear", domain=[low, high], nice=True, clamp=True
    )
    axis = alt.Axis(tickCount=5, labelOverlap=True, format="~r")
    y = alt.Y("label:N", sort=list(labels), title=None, axis=None)
    kinds = [kind for kind in _KINDS if any(row["kind"] == kind for row in rows)]
    color = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=[_KINDS[kind] for kind in kinds]),
        legend=alt.Legend(columns=3),
    )
    base = alt.Chart(named_data("rows"))
    bars = base.mark_bar(height=12, yOffset=8).encode(
        alt.X("one:Q", scale=scale, axis=axis, title="times as fast"),
        alt.X2("speed:Q"),
        y,
        color,
        tooltip=[
            alt.Tooltip("label:N", title="compared"),
            alt.Tooltip("speed:Q", title="times as fast", format=".3~g"),
            alt.Tooltip("low:Q", title="from", format=".3~g"),
            alt.Tooltip("high:Q", title="to", format=".3~g"),
            alt.Tooltip("n:Q", title="pairs"),
        ],
    )
    intervals = (
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(yOffset=8, strokeWidth=2, color="#888")
        .encode(alt.X("low:Q", scale=scale), alt.X2("high:Q"), y)
    )
    one = alt.Chart(named_data("one")).mark_rule(color="#888", strokeDash=[3, 3])
    texts = base.mark_text(align="left", baseline="bottom", dy=-1, limit={"expr": "width"})
    return finished(
        alt.layer(
            one.encode(alt.X("one:Q", scale=scale)),
            bars,
            intervals,
            texts.encode(y, alt.Text("label:N"), x=alt.value(0)),
        ),
        _ROW * len(labels),
        rows=[{**row, "one": 1.0} for row in rows],
        one=[{"one": 1.0}],
    )


def _hardware(comparisons: Iterable[Comparison]) -> str:
    counts: dict[str, int] = {}
    for comparison in comparisons:
        for devices in comparison.hardware.values():
            for device, count in devices.items():
                counts[device] = max(count, counts.get(device, 0))
    return ", ".join(list(counts)[:4]) or "hardware not recorded"


def _reason(comparisons: Sequence[Comparison]) -> str:
    disturbed = max((each.excluded.get(DISTURBED, 0) for each in comparisons), default=0)
    if disturbed:
        return f"the times of {plural(disturbed, 'trial')} were disturbed by other work"
    return "no two trials with a time differ in one setting only"
