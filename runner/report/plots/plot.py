"""What a plot is, how all of them look, and how one becomes a file.

Every plot has one view whose width its page sets, so that it fits a phone. The columns of its data
have fixed names: what a user called a parameter is only ever text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import altair as alt

PALETTE: Final = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f",
)  # fmt: skip
"""Colors that people with the common kinds of color blindness tell apart: those of Okabe and Ito
(2008) that stand out from white and from black, then brown and gray."""
DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3], [10, 4], [3, 6])
"""Lines are told apart without color too."""
MOST_SERIES: Final = len(PALETTE)
_WIDTH: Final = 560
"""Of a file, in pixels; a page has its own."""


@dataclass(frozen=True)
class Plot:
    """One drawn plot."""

    name: str
    """Of its file, without a suffix."""
    title: str
    caption: str
    """What it shows, over how many repeats, on what hardware."""
    alt: str
    """What a person who cannot see it should know of it."""
    spec: Mapping[str, Any]
    """Vega-Lite; the width is that of the page."""


@dataclass(frozen=True)
class NotDrawn:
    """A plot that the records do not give, and why."""

    title: str
    reason: str


def named_data(name: str) -> alt.NamedData:
    """Return the data of a chart by its name; its rows are given to ``finished``.

    Altair checks rows that it is given one by one, which takes seconds for thousands.
    """
    import altair as alt

    return alt.NamedData(name)


def finished(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart,
    height: int,
    **rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return a chart's specification with the look that all plots share.

    Args:
        chart: The chart.
        height: Of its view, without axes and legend, in pixels.
        rows: Its data, by name.
    """
    import altair as alt

    styled = chart.properties(
        width="container",
        height=height,
        background="transparent",
        padding=4,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    ).configure(
        font="sans-serif",
        range={"category": list(PALETTE)},
        view={"stroke": None},
        axis={
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelLimit": 140,
            "gridColor": "#ddd",
            "domainColor": "#888",
            "tickColor": "#888",
            "labelColor": "#222",
            "titleColor": "#222",
        },
        legend={
            "orient": "bottom",
            "direction": "vertical",
            "columns": 1,
            "labelFontSize": 12,
            "labelLimit": 300,
            "symbolSize": 120,
            "symbolStrokeWidth": 2,
            "symbolOpacity": 1,
            "title": None,
            "labelColor": "#222",
        },
        text={"color": "#222", "fontSize": 12},
        aria=False,  # the element around it has the alternative text
    )
    spec: dict[str, Any] = styled.to_dict()
    return {**spec, "datasets": {name: list(found) for name, found in rows.items()}}


def category(names: Sequence[str], colors: Sequence[str] = PALETTE) -> alt.Scale:
    """Return a scale that gives each name its color, in the order of the names."""
    import altair as alt

    return alt.Scale(domain=list(names), range=list(colors[: len(names)]))


def numbers_of(*values: float) -> dict[str, Any]:
    """Return the options of a scale that need not begin at zero, with room for a single value."""
    low, high = min(values), max(values)
    if low < high:
        return {"zero": False, "nice": True}
    room = abs(low) * 0.1 or 1.0
    return {"domain": [low - room, high + room], "zero": False}


def javascript() -> str:
    """Return the libraries that draw every plot of a page, as one script."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def png(plot: Plot) -> bytes:
    """Return a plot as an image of twice the usual number of pixels."""
    import vl_convert

    image: bytes = vl_convert.vegalite_to_png(_on_paper(plot), scale=2)
    return image


def pdf(plot: Plot) -> bytes:
    """Return a plot as a page of vectors, with the fonts it uses."""
    import vl_convert

    page: bytes = vl_convert.vegalite_to_pdf(_on_paper(plot))
    return page


def _on_paper(plot: Plot) -> dict[str, Any]:
    return {**plot.spec, "width": _WIDTH, "background": "white"}
