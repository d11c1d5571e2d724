"""Print what `runner compare --best` and `runner compare --pareto` choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from runner.cli import output

if TYPE_CHECKING:
    from runner.report.gather import Gathered


def print_best(
    gathered: Gathered,
    metrics: Sequence[str] | None,
    by: Sequence[str] | None,
    include: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Print the best configuration of each group."""
    from runner.report.choice import best
    from runner.report.choice_tables import best_table
    from runner.report.measures import measures_of

    measure = None if metrics is None else measures_of(gathered.table, metrics)[0]
    found = best(gathered.table, measure, by=by, include=include)
    if as_json:
        output.json([_plain(each) for each in found])
    else:
        output.table(best_table(found))


def print_front(
    gathered: Gathered,
    cost: str,
    metrics: Sequence[str] | None,
    by: Sequence[str] | None,
    include: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Print the configurations that no other beats in accuracy and cost."""
    from runner.report.choice import pareto
    from runner.report.choice_tables import front_table
    from runner.report.measures import measures_of

    chosen = None if metrics is None else measures_of(gathered.table, metrics)[0]
    measure, of_cost, found = pareto(gathered.table, chosen, cost, by=by, include=include)
    if as_json:
        output.json(
            [
                asdict(point) | {"metric": measure.name, "cost_metric": of_cost.name}
                for point in found
            ]
        )
    else:
        output.table(front_table(found, measure, of_cost))


def _plain(best: Any) -> dict[str, Any]:
    return asdict(best) | {"measure": best.measure.name}
