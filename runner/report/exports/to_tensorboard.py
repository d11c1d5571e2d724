"""Writes runs as TensorBoard's events: a folder for each attempt, with its curves, its final
numbers and its hyperparameters.

A folder is written aside and renamed, so one that is there is whole, and is not written again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from artifacts.publish import PARTIAL, make_folder, translate_write_errors
from runner.housekeeping.copying import delete, remove_stale
from runner.report.exports.runs import Exported, Run, plain_text

CURVES, FINAL = "epoch/", "final/"
"""Before the tags of what each epoch has, and of what the attempt has."""


def export(runs: Iterable[Run], folder: Path) -> Exported:
    """Write the runs that are not there yet, to ``folder/<sweep>/<trial>-<attempt>``.

    Raises:
        StoreFull, StoreNotWritable: Not everything was written; the same call goes on.
    """
    exported = Exported(str(folder))
    parents: dict[str, Path] = {}
    for run in runs:
        if run.sweep not in parents:
            names = (run.sweep, *run.former)
            there = [folder / name for name in names if (folder / name).is_dir()]
            parents[run.sweep] = (there or [folder / run.sweep])[0]
            make_folder(parents[run.sweep])
            remove_stale(parents[run.sweep])
        parent = parents[run.sweep]
        origin = f"@{run.merged_from}" if run.merged_from else ""
        target = parent / f"{run.trial}-{run.attempt}{origin}"
        if target.exists():
            exported.known += 1
            continue
        partial = parent / f".{secrets.token_hex(8)}{PARTIAL}"
        with translate_write_errors(target):
            try:
                _write(run, partial)
                with suppress(FileExistsError):  # another export was quicker
                    partial.rename(target)
            finally:
                if partial.exists():
                    delete(partial)
        exported.added += 1
    return exported


def _write(run: Run, folder: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    began = run.began.timestamp() if run.began else 0.0
    last = run.curves[-1][0] if run.curves else 0
    writer = EventFileWriter(str(folder))
    try:
        params = {_text(name): _setting(value) for name, value in run.params.items()}
        start = hparams_pb(params, trial_id=run.key, start_time_secs=began)
        writer.add_event(Event(wall_time=began, step=0, summary=start))
        curves = [
            (step, {f"{CURVES}{name}": value for name, value in values.items()})
            for step, values in run.curves
        ]
        final = {f"{FINAL}{name}": value for name, value in run.metrics.items()}
        for number, (step, values) in enumerate([*curves, (last, final)], 1):
            points = [
                Summary.Value(tag=_text(name), simple_value=value) for name, value in values.items()
            ]
            event = Event(
                # Nobody has noted when each epoch ended: they are spread over the attempt.
                wall_time=began + run.total_s * number / (len(curves) + 1),
                step=step,
                summary=Summary(value=points),
            )
            writer.add_event(event)
        end = began + run.total_s
        writer.add_event(Event(wall_time=end, step=last, summary=_end(start, run, end)))
    finally:
        writer.close()


def _end(start: Any, run: Run, at: float) -> Any:
    """The summary that closes the session of hyperparameters which the other one opened."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    end = Summary()
    end.CopyFrom(start)
    end.value[0].tag = metadata.SESSION_END_INFO_TAG
    status = api_pb2.STATUS_SUCCESS if run.completed else api_pb2.STATUS_FAILURE
    data = plugin_data_pb2.HParamsPluginData(
        version=metadata.PLUGIN_DATA_VERSION,
        session_end_info=plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=at),
    )
    end.value[0].metadata.plugin_data.content = data.SerializeToString()
    return end


def _setting(value: Any) -> str | float | bool:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return float(value) if abs(value) < 2**53 else str(value)
    return _text(plain_text(value))


def _text(text: str) -> str:
    """The text as a protocol buffer takes it."""
    return text.encode(errors="replace").decode()
