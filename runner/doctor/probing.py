"""Send a probe to every target through the backend that trials would use, and wait for the
answers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import rmtree

import msgspec

from artifacts.publish import make_folder
from cluster.backend import ArrayHandle, Backend, TaskEvent
from cluster.errors import ClusterError
from cluster.resources import Resources
from cluster.state import State
from runner.doctor.node import MESSAGE, Answer, Message, ProbeTask, answer_path, inspect_node
from runner.run.interruption import held_back

_LOOK_S = 0.25
_EXTRA_MIN = 5.0
_FILE_LAG_S = 15.0
"""Network file systems show another machine's new file after some seconds."""


@dataclass
class Probe:
    """One target's probe and what is known of it."""

    target: str
    task: ProbeTask
    timeout_s: float
    state: State = State.UNKNOWN
    handle: ArrayHandle | None = None
    """None if the scheduler did not take it, for the reason in ``refusal``."""
    refusal: ClusterError | None = None
    node: str = ""
    detail: str = ""
    code: int = 0
    """Of the TaskError that its task raised, see ``cluster.backend.TaskEvent``."""
    submitted_at: float = 0.0
    """This machine's clock, seconds since 1970."""
    ended_at: float | None = None
    answer: Answer | None = None
    seen_at: float = 0.0
    give_up_at: float = 0.0
    """On the monotonic clock."""

    @property
    def answer_s(self) -> float | None:
        """Return the seconds from submit to answer."""
        return None if self.answer is None else self.seen_at - self.submitted_at


@dataclass(frozen=True)
class MessageFolder:
    """A folder of the store in which the two sides leave messages for each other."""

    folder: Path
    word: str = field(default_factory=lambda: secrets.token_hex(8))

    def write(self) -> None:
        """Write the message again, with the time."""
        aside = self.folder / f".{MESSAGE}"
        aside.write_bytes(msgspec.json.encode(Message(self.word, time.time())))
        aside.replace(self.folder / MESSAGE)


@contextmanager
def message_folder(store: Path) -> Iterator[MessageFolder]:
    """Make a new folder in the store (and the store if it does not exist), and remove both
    afterward.

    Raises:
        StoreFull, StoreNotWritable: The store cannot be written to.
    """
    root = store.absolute()
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    folder = root / f".doctor-{secrets.token_hex(4)}"
    try:
        make_folder(folder)
        yield MessageFolder(folder)
    finally:
        rmtree(folder, ignore_errors=True)
        for one in made:
            with suppress(OSError):  # somebody else has put something there
                one.rmdir()


def send_probes(
    backend: Backend,
    messages: MessageFolder,
    targets: Mapping[str, Resources],
    timeout_s: float,
    *,
    data_dir: Path | None = None,
    datasets: tuple[str, ...] = (),
    why_pending: Callable[[ArrayHandle], str] = lambda _handle: "",
) -> list[Probe]:
    """Run a probe on every target, all at once, and cancel those that take too long.

    Args:
        timeout_s: A probe may wait so long, and from its start run so long.
        data_dir: To be looked at on the node.
        datasets: To be looked for on the node.
        why_pending: What the scheduler says about a task that still waits.
    """
    probes = []
    for target, resources in targets.items():
        task = ProbeTask(
            folder=str(messages.folder),
            target=target,
            gpu=resources.gpu,
            gpus=resources.gpus,
            cpus=resources.cpus,
            data_dir=str(data_dir.absolute()) if data_dir else None,
            datasets=datasets,
        )
        probes.append(Probe(target, task, timeout_s))
    try:
        messages.write()
        for probe in probes:
            _submit(backend, probe, targets[probe.target])
        _follow(backend, messages, probes)
        for probe in probes:
            if probe.handle is not None and probe.state is State.PENDING:
                probe.detail = why_pending(probe.handle)
    finally:
        for probe in probes:
            if probe.handle is not None and not probe.state.final:
                with suppress(ClusterError):
                    backend.cancel(probe.handle)
    return probes


def _submit(backend: Backend, probe: Probe, resources: Resources) -> None:
    # A short limit: a scheduler finds room for a short task sooner.
    limit = min(resources.time_min or float("inf"), probe.timeout_s / 60 + _EXTRA_MIN)
    short = msgspec.structs.replace(resources, time_min=limit)
    probe.submitted_at, probe.give_up_at = time.time(), time.monotonic() + probe.timeout_s
    name = f"runner-doctor-{Path(probe.task.folder).name.rpartition('-')[2]}-{probe.target}"
    try:
        with held_back():  # or a probe that was queued could not be cancelled
            probe.handle = backend.submit(partial(inspect_node, probe.task), 1, short, name=name)
        probe.state = State.PENDING
    except ClusterError as refusal:
        probe.refusal = refusal


def _follow(backend: Backend, messages: MessageFolder, probes: list[Probe]) -> None:
    """Wait until every probe has ended or used up its time."""
    by_handle = {probe.handle.id: probe for probe in probes if probe.handle is not None}
    while outstanding := [probe for probe in by_handle.values() if _is_outstanding(probe)]:
        messages.write()
        if all(probe.ended_at is not None for probe in outstanding):
            time.sleep(
                _LOOK_S
            )  # only files are waited for, and a backend with nothing to do returns at once
        else:
            for event in backend.wait(_LOOK_S):
                _note(by_handle[event.handle_id], event)
        for probe in outstanding:
            _look_for_answer(messages, probe)


def _is_outstanding(probe: Probe) -> bool:
    if probe.ended_at is None:
        return time.monotonic() < probe.give_up_at
    # An answer may be on its way after the task has ended well.
    return (
        probe.answer is None
        and probe.state is State.COMPLETED
        and time.monotonic() < probe.ended_at + _FILE_LAG_S
    )


def _note(probe: Probe, event: TaskEvent) -> None:
    probe.state, probe.node, probe.detail = event.state, event.node or probe.node, event.detail
    probe.code = event.code
    if event.state is State.RUNNING:
        probe.give_up_at = time.monotonic() + probe.timeout_s
    elif event.state.final:
        probe.ended_at = time.monotonic()


def _look_for_answer(messages: MessageFolder, probe: Probe) -> None:
    if probe.answer is None:
        with suppress(FileNotFoundError):
            probe.answer = msgspec.json.decode(
                answer_path(messages.folder, probe.target).read_bytes(), type=Answer
            )
            probe.seen_at = time.time()
