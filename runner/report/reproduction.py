"""Compare what a sweep gave with what it gave when it was run again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cluster import machine
from runner.report.comparison import Comparison, compare_tables
from runner.report.effects import Effect
from runner.report.measures import Measure
from runner.report.statistics import Verdict
from runner.sweep.provenance import Environment
from runner.sweep.submission import About
from runner.sweep.surroundings import differences

if TYPE_CHECKING:
    import pyarrow as pa

SIDES: Final = ("again", "original")
_MOST: Final = 8


class Reproduced(StrEnum):
    """How one metric of one cell came out again."""

    identical = "identical"
    """Bit for bit, in every repeat."""
    same = "same"
    """Surely within the margin."""
    different = "different"
    undecided = "undecided"


def reproduced(effect: Effect) -> Reproduced:
    """Return how a metric came out again."""
    if effect.identical:
        return Reproduced.identical
    if effect.verdict is Verdict.equivalent:
        return Reproduced.same
    if effect.verdict in (Verdict.better, Verdict.worse):
        return Reproduced.different
    return Reproduced.undecided


def compare_again(
    original: pa.Table,
    again: pa.Table,
    trials: Mapping[str, str],
    measures: Sequence[Measure],
    *,
    new_seeds: bool = False,
    include: Collection[str] = (),
) -> Comparison:
    """Compare the trials of a sweep with those that reproduce them.

    Args:
        original: Records of the sweep, one row per trial.
        again: Records of the trials that were run again.
        trials: By the id of each original, the id of its trial that was run again.
        measures: What to compare.
        new_seeds: The two sides are independent; otherwise they are paired by seed.
        include: Reasons for which nothing is left out.
    """
    import pyarrow as pa

    place = {trial: row for row, trial in enumerate(again["trial"].to_pylist())}
    rows = [
        (row, place[trials[trial]])
        for row, trial in enumerate(original["trial"].to_pylist())
        if trial in trials and trials[trial] in place
    ]
    of_original = original.take(pa.array([row for row, _ in rows], pa.int64()))
    of_again = again.take(pa.array([row for _, row in rows], pa.int64()))
    named = set(_flat(of_original["parameters"]))
    for name in ("trial", "workload", "target", "group", "parameters", *sorted(named)):
        # A target that stands for another, and what cannot act on it, part no pair.
        field, column = of_original.schema.field(name), of_original[name]
        at = of_again.schema.get_field_index(name)
        of_again = (
            of_again.append_column(field, column)
            if at < 0
            else of_again.set_column(at, field, column)
        )
    return compare_tables(
        of_again, of_original, measures, names=SIDES, include=include, independent=new_seeds
    )


def differences_before(
    original: pa.Table, about: About, here: Environment, data: Mapping[str, str]
) -> list[str]:
    """Return what differs from the original before anything runs: Python, packages, variables,
    this package, the data, and the devices of this machine.

    Args:
        original: Records of the sweep.
        about: What its submit found.
        here: What is found now.
        data: Digest of each dataset now, by its name.
    """
    return list(_differences(original, about, here, data))


def _differences(
    original: pa.Table, about: About, here: Environment, data: Mapping[str, str]
) -> Iterator[str]:
    before = about.environment
    for what, then, now in (
        ("Python", before.python, here.python),
        ("runner", before.runner_version, here.runner_version),
        ("code of runner", before.runner_code, here.runner_code),
        ("platform", before.platform, here.platform),
    ):
        if then != now:
            yield f"{what}: {now or 'not known'}, originally {then or 'not known'}"
    packages = differences(before.packages, here.packages)
    if packages:
        yield f"packages: {_listed(packages)}"
    variables = differences(before.variables or {}, here.variables or {})
    if before.variables is not None and variables:
        yield f"environment variables: {_listed(variables)}"
    for name in sorted(about.data.keys() & data.keys()):
        if about.data[name] != data[name]:
            yield f"data: '{name}' has other content (digest {data[name]}, not {about.data[name]})"
    here_are: dict[str, set[str | None]] = {
        "cpu_model": {machine.cpu_model()},
        "gpu_name": {gpu.name for gpu in machine.gpus()},
        "driver_version": {machine.driver_version()},
    }
    for name, found in here_are.items():
        had = {value for value in original[name].unique().to_pylist() if value is not None}
        has = {value for value in found if value is not None}
        if had and not had <= has:
            yield (
                f"{name}: this machine has {', '.join(sorted(has)) or 'none'}, originally "
                f"{', '.join(sorted(had))}"
            )


def _listed(found: Mapping[str, tuple[Any, Any]]) -> str:
    shown = [
        f"{name} {now or 'not there'} (originally {then or 'not there'})"
        for name, (then, now) in list(found.items())[:_MOST]
    ]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more else "")


def _flat(column: Any) -> list[str]:
    names: list[str] = [
        name for chunk in column.chunks for name in chunk.flatten().unique().to_pylist()
    ]
    return names
