"""Writes runs into MLflow: a file of SQLite in a folder, or a tracking server.

A sweep is an experiment, an attempt a run. Each run has its key in the tag ``runner.key``, so that
it is found again: what is there is not added twice, and a run that a kill left half-written is
completed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from runner.errors import LibraryMissing
from runner.report.exports.runs import Exported, Run, ToolRefused, plain_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

_KEY: Final = "runner.key"
_CURVES: Final = "epoch/"
"""Before the names of metrics that have a value for each epoch."""
_LONGEST_NAME: Final = 250
_LONGEST_PARAM: Final = 6000
_LONGEST_TAG: Final = 8000
_BATCH: Final = 50
"""Parameters or tags of one request: MLflow takes 100, and a megabyte in all."""
_METRICS: Final = 500
_DIGITS: Final = 8
_FORBIDDEN: Final = re.compile(r"[^\w\-. :/]")
T = TypeVar("T")


def export(runs: Iterable[Run], target: str) -> Exported:
    """Write the runs that are not there yet.

    Args:
        runs: Of any sweeps and stores.
        target: URI of a tracking server or a database; else a folder, in which ``mlflow.db`` is
            made.

    Raises:
        LibraryMissing: MLflow is not installed.
        ToolRefused: It cannot be written to.
    """
    uri, artifacts = _place(target)
    exported = Exported(uri)
    names = _Names()
    known: dict[str, dict[str, tuple[str, bool]]] = {}
    experiments: dict[str, str] = {}
    client = _client(uri)
    from mlflow.exceptions import MlflowException

    try:
        for run in runs:
            if run.sweep not in experiments:
                experiments[run.sweep] = _experiment(client, run, artifacts)
                known[run.sweep] = _known(client, experiments[run.sweep])
            run_id, finished = known[run.sweep].get(run.key, (None, False))
            if run_id is not None and finished:
                exported.known += 1
                continue
            _write(client, experiments[run.sweep], run, run_id, names)
            exported.added += 1
    except MlflowException as error:
        raise ToolRefused("MLflow", uri, str(error).splitlines()[0]) from error
    exported.notes = names.notes()
    return exported


def _place(target: str) -> tuple[str, str | None]:
    """The URI, and where the experiments of a folder keep files; a server has its own place."""
    if "://" in target or target.startswith(("databricks", "uc:")):
        return target, None
    folder = Path(target).absolute()
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise LibraryMissing("mlflow-skinny", "export --mlflow") from error
    for name in ("mlflow", "alembic"):  # they tell of every table they make
        logging.getLogger(name).setLevel(logging.ERROR)
    if uri.startswith("sqlite:///"):
        path = Path(uri.removeprefix("sqlite:///"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ToolRefused("MLflow", uri, error.strerror or str(error)) from error
    try:
        return MlflowClient(tracking_uri=uri)
    except (MlflowException, ImportError, OSError) as error:
        raise ToolRefused("MLflow", uri, str(error).splitlines()[0]) from error


def _experiment(client: MlflowClient, run: Run, artifacts: str | None) -> str:
    """The experiment of a run's sweep, which may have an earlier name of it."""
    for name in (run.sweep, *run.former):
        if found := client.get_experiment_by_name(name):
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
    place = f"{artifacts}/{hashlib.sha256(run.sweep.encode()).hexdigest()[:16]}"
    return str(client.create_experiment(run.sweep, place if artifacts else None))


def _known(client: MlflowClient, experiment: str) -> dict[str, tuple[str, bool]]:
    """By key the ids of the runs that are there, and whether each is complete."""
    found: dict[str, tuple[str, bool]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            if key := run.data.tags.get(_KEY):
                found[key] = (run.info.run_id, run.info.status != "RUNNING")
        token = page.token
        if not token:
            return found


def _write(
    client: MlflowClient, experiment: str, run: Run, run_id: str | None, names: _Names
) -> None:
    """Write a run; its end comes last, so that one without is known to be half-written."""
    from mlflow.entities import Metric, Param, RunTag

    began = int(run.began.timestamp() * 1000) if run.began else 0
    logged: set[tuple[str, int]] = set()
    if run_id is None:
        run_id = client.create_run(
            experiment, start_time=began, tags={_KEY: run.key}, run_name=run.trial
        ).info.run_id
    else:
        for name in client.get_run(run_id).data.metrics:
            logged |= {(name, one.step) for one in client.get_metric_history(run_id, name)}
    params = [
        Param(names.of(name), names.cut(name, plain_text(value), _LONGEST_PARAM))
        for name, value in run.params.items()
    ]
    tags = [
        RunTag(names.of(f"runner.{name}"), names.cut(name, value, _LONGEST_TAG))
        for name, value in _tags(run).items()
    ]
    if commit := run.tags.get("commit"):
        tags.append(RunTag("mlflow.source.git.commit", commit))
    metrics = [Metric(names.of(name), value, began, 0) for name, value in run.metrics.items()]
    metrics += [
        Metric(names.of(f"{_CURVES}{name}"), value, began, step)
        for step, values in run.curves
        for name, value in values.items()
    ]
    for some in _batches(params, _BATCH):
        client.log_batch(run_id, params=some)
    for some in _batches(tags, _BATCH):
        client.log_batch(run_id, tags=some)
    for some in _batches([one for one in metrics if (one.key, one.step) not in logged], _METRICS):
        client.log_batch(run_id, metrics=some)
    status = "FINISHED" if run.completed else "KILLED" if run.cut_short else "FAILED"
    client.set_terminated(run_id, status, began + int(run.total_s * 1000))


def _tags(run: Run) -> Mapping[str, str]:
    return {
        "sweep": run.sweep,
        "trial": run.trial,
        "attempt": str(run.attempt),
        "outcome": run.outcome,
        **run.tags,
    }


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


class _Names:
    """Names and texts as MLflow takes them; keeps in mind what it had to change."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._cut: dict[tuple[str, int], int] = {}

    def of(self, name: str) -> str:
        """Return the name, or, if MLflow does not take it, one that is the same in every export and
        that no other name gets."""
        if name not in self._given:
            made = _FORBIDDEN.sub("_", name)
            if posixpath.normpath(made) != made or made.startswith(("/", "..")) or made == ".":
                made = made.replace("/", "_")
            if made != name or len(made) > _LONGEST_NAME or not name.strip("."):
                digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
                made = f"{made[: _LONGEST_NAME - _DIGITS - 1]}_{digest}"
            self._given[name] = made
        return self._given[name]

    def cut(self, name: str, text: str, longest: int) -> str:
        """Return a text that MLflow can hold."""
        text = text.encode(errors="replace").decode()
        if len(text) > longest:
            self._cut[name, longest] = self._cut.get((name, longest), 0) + 1
            return text[: longest - 1] + "…"
        return text

    def notes(self) -> list[str]:
        """Say what was changed."""
        renamed = [
            f"'{name}' is called '{made}' in MLflow, which does not take the name"
            for name, made in self._given.items()
            if name != made
        ]
        return renamed + [
            f"'{name}' of {count} run{'s' * (count > 1)} is longer than the {longest} characters "
            "that MLflow holds, and was cut"
            for (name, longest), count in self._cut.items()
        ]
