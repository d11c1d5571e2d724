"""The Python API: what the commands `plan`, `submit` and `collect` do, for scripts and notebooks.

Nothing but the standard library is imported before a function is called, so that ``import runner``
costs next to nothing, wherever it happens.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from cluster.resources import Resources
    from runner.planning.packing import Plan
    from runner.planning.plan import Preview
    from runner.planning.request import Request
    from runner.report.gather import Gathered
    from runner.run.progress import Watch
    from runner.run.submit import Submitted
    from runner.sweep.early_stop import Stopped

DEFAULT_STORE = "results"
MAX_TRIALS = 100_000

Grid = str | os.PathLike[str] | Mapping[str, Any]
"""The path of a grid, or a mapping with what such a file would hold."""
Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class PlannedTrial:
    """One point of the grid, seed included."""

    trial: str
    """Its id."""
    workload: str
    target: str
    seed: int
    params: dict[str, Any]
    """What the grid gives; defaults are left out."""


@dataclass(frozen=True)
class PlannedArray:
    """Trials that share their resources, as they would be queued."""

    target: str
    trials: int
    tasks: int
    packs: list[list[str]]
    """The ids of the trials that each task runs."""
    resources: Resources
    """Of one task."""
    gpu_hours: float | None
    """At most; None where no walltime limits it."""


@dataclass(frozen=True)
class ChangedGroup:
    """Completed trials of a group that were computed by other code, or on other data, than would be
    used now."""

    group: str
    completed: int
    """Its trials with a completed record."""
    other_data: list[str]
    """The ids of those that were computed on other data."""
    datasets: list[str]
    """The datasets that have changed."""
    other_code: list[str]
    """The ids of those that were computed by other code."""
    files: list[str]
    """The files that have changed, where the store has kept the other code."""


@dataclass(frozen=True)
class PlanReport:
    """What submit would do now."""

    sweep: str
    backend: str
    trials: list[PlannedTrial]
    """Every trial of the grid."""
    merged: int
    """Points of the grid that were the same trial as another one."""
    notes: list[str]
    to_run: int
    completed: int
    """Trials with a completed record, which are left alone."""
    queued: int
    """Trials that the scheduler holds already."""
    held_back: int
    """Trials that the limit leaves for later."""
    gpu_hours: float | None
    """At most; None where no walltime limits it."""
    scripts: list[str]
    """The batch script of each class of arrays; none where no scheduler is."""
    arrays: list[PlannedArray]
    changed: list[ChangedGroup]
    """Groups whose data has changed since; their trials run again if that is asked for."""


@dataclass(frozen=True)
class SubmitReport:
    """What a submit did."""

    sweep: str
    submission: int
    """Number of the submission: 1 for the sweep's first."""
    backend: str
    trials: int
    completed_before: int
    to_run: int
    queued_before: int
    held_back: int
    ran: dict[str, int] | None
    """How many attempts ended with which outcome; None where a scheduler has the trials now."""
    unstarted: list[str]
    """Why tasks ended before their trial began, each reason once."""
    stopped: list[Stopped]
    """Groups of which something was left out, because their first trials failed in one way."""
    notes: list[str]
    changed: list[ChangedGroup]
    """Groups whose data has changed since; their trials run again if that is asked for."""

    @property
    def ok(self) -> bool:
        """Return whether everything that ran here completed."""
        failed = sum(count for outcome, count in (self.ran or {}).items() if outcome != "completed")
        return not failed and not self.unstarted


class Records:
    """The records of a store, read once: one row per trial, or per attempt."""

    def __init__(self, store: Path, gathered: Gathered, warnings: Sequence[str] = ()) -> None:
        self.store = store
        self.unreadable = gathered.unreadable
        """Records that are damaged, and how; they are not among the rows."""
        self.notes = (*warnings, *gathered.notes)
        """What is to be said about trials that are not among the rows."""
        self._table, self._attempts = gathered.table, gathered.attempts

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        said = [f"{len(self)} rows of {self.store}", *self.notes]
        said += [f"{len(self.unreadable)} unreadable"] * bool(self.unreadable)
        return f"<Records: {'; '.join(said)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first rows as a table."""
        from runner.report.notebook import records_html

        notes = [*self.notes, *(f"unreadable: {problem}" for problem in self.unreadable)]
        return records_html(self._table, str(self.store), notes)

    def to_arrow(self) -> pa.Table:
        """Return the rows with all columns of the schema, the parameters and the results.

        docs/records.md lists the columns. Where trials gave values of several kinds for one
        parameter, its column is text, each value spelled as YAML has it.
        """
        return self._table

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas data frame."""
        frame: pd.DataFrame = self._table.to_pandas()
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a polars data frame.

        Raises:
            LibraryMissing: polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            from runner.errors import LibraryMissing

            raise LibraryMissing("polars", "to_polars()") from error
        frame: pl.DataFrame = pl.DataFrame(self._table)
        return frame

    def summary(
        self,
        by: str | Sequence[str] | None = None,
        metrics: str | Sequence[str] | None = None,
        *,
        sort: str | None = None,
        top: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the mean, standard deviation (n - 1) and n of every group's completed trials.

        Args:
            by: The columns to group by; None for every parameter that varies, but for the seed.
            metrics: The columns to average; None for the accuracy or first result, and the times.
            sort: A column to sort by, the best first; with a minus before it, the worst first.
            top: Only the first so many groups; without ``sort`` the best by the first metric.

        Returns:
            One mapping per group: the key columns, ``n``, ``not_completed``, ``disturbed``,
            ``diverged``, and for each metric ``{"mean": …, "sd": …, "n": …}`` or None.

        Raises:
            UnknownColumn: The records have no such column.
            NoNumbers: A metric is not a column of numbers.
        """
        from runner.report.summary import arranged, summarize

        keys, averaged = ([each] if isinstance(each, str) else each for each in (by, metrics))
        return arranged(summarize(self._table, keys, averaged), sort, top).as_rows()

    def compare(
        self,
        axis: str | None = None,
        *,
        a: str | None = None,
        b: str | None = None,
        reference: Any = None,
        metrics: str | Sequence[str] | None = None,
        margins: Mapping[str, float] | None = None,
        include: Sequence[str] = (),
        pooled: bool = False,
    ) -> dict[str, Any]:
        """Return what ``runner compare --json`` prints: effects with intervals and verdicts.

        Args:
            axis: The column to compare; its values are compared with a reference value.
            a: In place of an axis, the condition of the side that is judged.
            b: The condition of the side that it is compared with.
            reference: Value of the axis; None for the smallest number, or what is off, or the first
                by the alphabet.
            metrics: Columns; None for the accuracy or first result, and the training time.
            margins: What does not matter, by column or kind: ``{"accuracy": 0.005, "time": 0.03}``.
            include: What is not to be left out: ``disturbed``, ``device``, ``driver``, ``code``,
                ``data``, ``versions``.
            pooled: Judge all cells together only.

        Raises:
            TypeError: Neither an axis nor two sides are given, or both.
            UnknownColumn, UnknownLevel, NothingToCompare, BadSides, BadCondition: What is named
                cannot be compared.
            NoNumbers, BadMargin: A metric, or a margin, is not one.
        """
        from runner.report.comparison import compare_axis, compare_sides
        from runner.report.measures import measures_of

        names = [metrics] if isinstance(metrics, str) else metrics
        measures = measures_of(self._table, names, margins)
        if axis is not None and a is None and b is None:
            return compare_axis(
                self._table, axis, measures, reference=reference, include=include, pooled=pooled
            ).as_plain()
        if axis is not None or a is None or b is None:
            raise TypeError("compare() takes an axis, or both a and b")
        return compare_sides(self._table, a, b, measures, include=include, pooled=pooled).as_plain()

    def sql(self, query: str) -> pa.Table:
        """Return the answer to a SELECT, in DuckDB's SQL.

        The views are those of ``runner query``: ``results``, ``attempts``, ``epochs`` and
        ``parameters``, of the trials among these rows. ``DESCRIBE results`` lists columns. Nothing
        else can be read, and nothing is written.

        Raises:
            BadQuery: It is not one SELECT, or names what the views do not have.
            QueryFailed: It needs too much memory, or a value cannot be converted.
        """
        from artifacts.query import answer
        from runner.report.query import with_origin

        return answer(query, with_origin(str(self.store), self._attempts))

    def trial(self, prefix: str) -> list[dict[str, Any]]:
        """Return every attempt of one trial, the first first, with all that it recorded.

        Args:
            prefix: The trial's id, or its beginning.

        Raises:
            UnknownTrial: The store has no record of such a trial.
            AmbiguousTrial: Several start so.
        """
        from artifacts.store import Store
        from runner.report.record import epoch

        store = Store(self.store)
        found, sweeps = store.find(prefix)
        return [
            {**row, "history": [epoch(entry) for entry in row.get("history") or ()]}
            for sweep in sweeps
            for row in store.read(sweep, found)
        ]


def plan(
    grid: Grid,
    *,
    store: Folder | None = None,
    cluster: Folder | None = None,
    data_dir: Folder | None = None,
    sets: Sequence[str] = (),
    on: Mapping[str, str] | None = None,
    backend: str = "auto",
    pack: int | None = None,
    limit: int | None = None,
    max_trials: int = MAX_TRIALS,
    rerun_changed: bool = False,
    no_snapshot: bool = False,
) -> PlanReport:
    """Return what submit would do now, and change nothing.

    Args:
        grid: The grid's file, or a mapping with what such a file would hold.
        store: Folder of the records; None for RUNNER_STORE, else ``results``.
        cluster: Profile of the site; None for cluster.yaml beside the grid, else the user's own,
            else this machine.
        data_dir: Folder of the datasets; None for RUNNER_DATA, else what the store remembers.
        sets: Parameters to replace, as ``--set`` has them: ``["lr=1e-2,1e-3", "epochs=1"]``.
        on: Targets whose trials are to run on another one, such as ``{"a30": "cpu"}``.
        backend: ``auto``, ``slurm``, ``ray`` or ``inline``.
        pack: Trials per array task of a scheduler; None to have it chosen.
        limit: Run at most so many trials.
        max_trials: Refuse a grid that expands to more.
        rerun_changed: Also run completed trials whose code or data has changed since.
        no_snapshot: Do not freeze your code: trials run it as it is when they start.

    Raises:
        GridError: The grid has mistakes; all are listed.
        ProblemsFound: The profile has, or datasets are missing.
        UnknownTarget: ``on`` maps to a target that the profile does not have.
        Infeasible: A target could never run here.
    """
    from artifacts.store import Store
    from runner.planning.plan import Options, preview_request
    from runner.sweep.sweep import Sweep

    opened = Store(_store(store))
    request = _request(
        grid, opened.root, cluster=cluster, data_dir=data_dir, sets=sets, on=on, backend=backend,
        max_trials=max_trials, no_snapshot=no_snapshot,
    )[0]  # fmt: skip
    sweep = Sweep(opened, request.sweep, request.profile)
    options = Options(pack=pack, limit=limit, rerun_changed=rerun_changed)
    return plan_report(request, preview_request(request, sweep, options))


def submit(
    grid: Grid,
    *,
    store: Folder | None = None,
    cluster: Folder | None = None,
    data_dir: Folder | None = None,
    sets: Sequence[str] = (),
    on: Mapping[str, str] | None = None,
    backend: str = "auto",
    pack: int | None = None,
    limit: int | None = None,
    max_trials: int = MAX_TRIALS,
    no_snapshot: bool = False,
    keep_going: bool = False,
    rerun_changed: bool = False,
    watch: Watch | None = None,
) -> SubmitReport:
    """Run every trial of a grid that has no completed record, and return what became of them.

    On SLURM the trials are queued and this returns; on a local Ray, and inline, it returns when the
    last one has ended. Trials that fail raise nothing: their records say why (see
    ``SubmitReport.ok``).

    Args:
        grid: As for ``plan``, and so are all arguments up to ``no_snapshot``.
        store: Folder of the records; created if absent.
        cluster: Profile of the site.
        data_dir: Folder of the datasets; the store remembers one that is given.
        sets: Parameters to replace.
        on: Targets whose trials are to run on another one.
        backend: ``auto``, ``slurm``, ``ray`` or ``inline``.
        pack: Trials per array task of a scheduler.
        limit: Run at most so many trials.
        max_trials: Refuse a grid that expands to more.
        no_snapshot: Do not freeze your code: trials run it as it is when they start.
        keep_going: Run every trial of a group, also where its first ones all fail in the same way.
        rerun_changed: Also run completed trials whose code or data has changed since.
        watch: Called several times a second with a Progress (``done``, ``total``, ``left_s`` and
            more), with a Feeding while a scheduler's queue is filled, and with Stopping after
            Ctrl-C; None to be quiet.

    Raises:
        GridError, ProblemsFound, UnknownTarget, Infeasible: As for ``plan``.
        SweepBusy: Another submit holds the sweep.
        StoreFull, StoreNotWritable: Nothing more can be recorded; what is recorded stays.
        SchedulerSilent: What it holds of this sweep is not known, so nothing was queued.
        SubmitStopped: Ctrl-C; every attempt under way got its record.
        BackendLost: What ran the trials is gone; every attempt under way got its record.
    """
    from artifacts.store import Store
    from runner.planning.data_folder import remember
    from runner.planning.plan import Options
    from runner.run.submit import submit as submit_request

    opened = Store(_store(store))
    request, folder = _request(
        grid, opened.root, cluster=cluster, data_dir=data_dir, sets=sets, on=on, backend=backend,
        max_trials=max_trials, no_snapshot=no_snapshot,
    )  # fmt: skip
    if folder is not None:
        remember(opened, folder)
    options = Options(pack=pack, limit=limit, keep_going=keep_going, rerun_changed=rerun_changed)
    done = submit_request(request, opened, options, watch or (lambda _progress: None))
    return submit_report(request, done)


def load(
    store: Folder | None = None,
    sweeps: str | Sequence[str] = (),
    *,
    where: str | None = None,
    attempts: bool = False,
    earlier: bool = False,
) -> Records:
    """Read the records of a store, as ``collect`` does.

    Records that dead workers could not write are derived first, where no submit is running.

    Args:
        store: Folder of the records; None for RUNNER_STORE, else ``results``.
        sweeps: Sweeps, by name or by the grid's file; all of the store if none is named.
        where: Only the trials for which a condition holds, as in ``"lr<0.1 and model=resnet18"``.
        attempts: One row per attempt; else one per trial.
        earlier: Also trials that the sweep's grid no longer has.

    Raises:
        UnknownSweep: The store has no sweep of that name.
        SweepNotNamed: The store has no sweep at all.
        BadCondition: ``where`` cannot be read, or names a column that the records do not have.
    """
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.report.gather import expected_trials, gather, open_sweeps, settle_before
    from runner.report.origins import latest_of
    from runner.sweep.selection import sweep_of

    opened = Store(_store(store))
    given = [sweeps] if isinstance(sweeps, str) else sweeps
    names = list(dict.fromkeys(sweep_of(opened, name) for name in given))
    if not names and not opened.sweeps():
        raise SweepNotNamed(str(opened.root), ())
    chosen = open_sweeps(opened, names)
    warnings = settle_before(chosen)
    expected = None if earlier else expected_trials(chosen)
    latest = latest_of(chosen)
    gathered = gather(opened, names, attempts=attempts, expected=expected, latest=latest)
    return Records(opened.root, gathered if where is None else gathered.where(where), warnings)


def plan_report(request: Request, preview: Preview) -> PlanReport:
    """Return a plan as plain data."""
    plan = preview.plan
    return PlanReport(
        sweep=request.sweep,
        backend=request.about.backend,
        trials=[
            PlannedTrial(spec.trial_id, spec.workload, spec.target, spec.seed, spec.params)
            for spec in request.specs
        ],
        merged=request.about.merged,
        notes=request.about.notes,
        to_run=plan.trials,
        completed=plan.completed,
        queued=plan.queued,
        held_back=plan.held_back,
        gpu_hours=plan.gpu_hours,
        scripts=preview.scripts,
        arrays=[
            PlannedArray(
                target=array.target,
                trials=array.trials,
                tasks=len(array.packs),
                packs=[[item.trial for item in pack] for pack in array.packs],
                resources=array.resources,
                gpu_hours=array.gpu_hours,
            )
            for array in plan.arrays
        ],
        changed=_changed(plan),
    )


def submit_report(request: Request, done: Submitted) -> SubmitReport:
    """Return what a submit did as plain data."""
    plan, progress = done.plan, done.progress
    return SubmitReport(
        sweep=request.sweep,
        submission=done.submission.number,
        backend=done.submission.about.backend,
        trials=len(request.specs),
        completed_before=plan.completed,
        to_run=plan.trials,
        queued_before=plan.queued,
        held_back=plan.held_back,
        ran=None if progress is None else {"completed": progress.completed, **progress.failed},
        unstarted=list(done.unstarted),
        stopped=list(done.stopped),
        notes=list(request.about.notes),
        changed=_changed(plan),
    )


def _changed(plan: Plan) -> list[ChangedGroup]:
    return [
        ChangedGroup(
            group.group,
            group.completed,
            other_data=list(group.data),
            datasets=list(group.datasets),
            other_code=list(group.code),
            files=list(group.files),
        )
        for group in plan.changed
    ]


def _store(folder: Folder | None) -> Path:
    return Path(folder or os.environ.get("RUNNER_STORE") or DEFAULT_STORE)


def _request(
    grid: Grid,
    store: Path,
    *,
    cluster: Folder | None,
    data_dir: Folder | None,
    sets: Sequence[str],
    on: Mapping[str, str] | None,
    backend: str,
    max_trials: int,
    no_snapshot: bool,
) -> tuple[Request, Path | None]:
    """Return the checked request, and the folder of the datasets."""
    from artifacts.store import Store
    from runner.planning.data_folder import remembered
    from runner.planning.request import read_request

    given = data_dir or os.environ.get("RUNNER_DATA")
    folder = Path(given) if given else remembered(Store(store))
    request = read_request(
        grid if isinstance(grid, Mapping) else Path(grid),
        sets=[sets] if isinstance(sets, str) else sets,
        on=on,
        cluster_file=None if cluster is None else Path(cluster),
        data_dir=folder,
        backend=backend,
        max_trials=max_trials,
        live=no_snapshot,
    )
    return request, folder
