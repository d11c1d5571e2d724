"""Draw what an accuracy costs: a point per cell, and the cells that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Final

from runner.report.cells import Trials
from runner.report.plots.plot import PALETTE, NotDrawn, Plot, finished, named_data, numbers_of
from runner.report.printable import shown
from runner.report.summary import TIMES, more_is_better

_TITLE: Final = "Accuracy against time"
_MOST_POINTS: Final = 800
_NAMED: Final = 8


def accuracy_against_time(trials: Trials) -> Plot | NotDrawn:
    """Return the plot of the result against the time, or why there is none."""
    result = trials.result
    time = next((name for name in TIMES if trials.has_numbers(name)), None)
    if result is None or time is None:
        return NotDrawn(_TITLE, "no completed trial has both a result and a time")
    title = shown(f"{result.name} %" if result.fraction else result.name)
    points: list[dict[str, Any]] = []
    for cell in trials.cells:
        found = trials.numbers(result.name, cell.rows)
        seconds = trials.numbers(time, cell.rows)
        if found and seconds and fmean(seconds) > 0:
            scale = 100 if result.fraction else 1
            points.append(
                {
                    "cell": cell.label,
                    "time": fmean(seconds),
                    "result": scale * fmean(found),
                    "n": len(cell.rows),
                }
            )
    if len(points) < 2:
        return NotDrawn(_TITLE, "fewer than two cells have both a result and a time")
    ranked = more_is_better(result.name)
    front = pareto_front([(p["time"], p["result"]) for p in points]) if ranked else []
    for number, point in enumerate(points):
        point["kind"] = "on the front" if number in front else "beaten in both"
    rows = _thinned(points, set(front))
    left_out = len(points) - len(rows)
    on_front = sorted((points[number] for number in front), key=lambda point: point["time"])
    names = "; ".join(
        f"{p['cell']}: {p['result']:.4g} in {p['time']:.3g} s" for p in on_front[:_NAMED]
    )
    more = f"; and {len(on_front) - _NAMED} more" if len(on_front) > _NAMED else ""
    said = f" On the front, from the fastest: {names}{more}." if front else ""
    return Plot(
        name="accuracy-against-time",
        title=f"{result.name} against {time}",
        caption="One point per cell, the mean over its repeats."
        + (f" {left_out} points that others cover are left out." if left_out else "")
        + said
        + f" {trials.standing(trials.cells)}.",
        alt=f"{len(points)} points of {result.name} against {time}.{said}",
        spec=_drawn(rows, title, f"{time} (s)", has_front=bool(front)),
    )


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the numbers of the points than which no other is faster and at least as good, or as
    fast and better; a point is (time, result), and more of the result is better."""
    best, front = -float("inf"), []
    for number in sorted(range(len(points)), key=lambda n: (points[n][0], -points[n][1])):
        if points[number][1] > best:
            best = points[number][1]
            front.append(number)
    return front


def _drawn(
    rows: Sequence[dict[str, Any]], title: str, x_title: str, *, has_front: bool
) -> dict[str, Any]:
    import altair as alt

    times = [row["time"] for row in rows]
    wide = max(times) / min(times) > 20
    x = alt.X(
        "time:Q",
        title=x_title,
        scale=alt.Scale(type="log", padding=12)
        if wide
        else alt.Scale(**numbers_of(*times), padding=12),
        axis=alt.Axis(tickCount=5, labelOverlap=True, grid=not wide),
    )
    y = alt.Y(
        "result:Q",
        title=title,
        scale=alt.Scale(**numbers_of(*(row["result"] for row in rows)), padding=12),
    )
    kinds = ["on the front", "beaten in both"] if has_front else ["beaten in both"]
    base = alt.Chart(named_data("rows"))
    points = base.mark_point(filled=True, size=70, opacity=0.85).encode(
        x,
        y,
        alt.Color(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=[PALETTE[1], PALETTE[0]][-len(kinds) :]),
            legend=alt.Legend(columns=2) if has_front else None,
        ),
        alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=["diamond", "circle"][-len(kinds) :]),
            legend=alt.Legend(columns=2) if has_front else None,
        ),
        tooltip=[
            alt.Tooltip("cell:N", title="cell"),
            alt.Tooltip("time:Q", title="seconds", format=".4~g"),
            alt.Tooltip("result:Q", title="result", format=".4~g"),
            alt.Tooltip("n:Q", title="repeats"),
        ],
    )
    if not has_front:
        return finished(points, 300, rows=rows)
    step = (
        base.transform_filter("datum.kind == 'on the front'")
        .mark_line(interpolate="step-after", color=PALETTE[1], strokeDash=[4, 3])
        .encode(x, y)
    )
    return finished(alt.layer(step, points), 300, rows=rows)


def _thinned(points: Sequence[dict[str, Any]], front: set[int]) -> list[dict[str, Any]]:
    """Return the front, and of the other points one where several would cover each other."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    side = 25
    times, results = [p["time"] for p in points], [p["result"] for p in points]
    low_t, span_t = min(times), (max(times) - min(times)) or 1.0
    low_r, span_r = min(results), (max(results) - min(results)) or 1.0
    kept = {
        (int((p["time"] - low_t) / span_t * side), int((p["result"] - low_r) / span_r * side)): p
        for number, p in enumerate(points)
        if number not in front
    }
    return [*(points[number] for number in sorted(front)), *kept.values()]
