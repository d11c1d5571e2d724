"""Gives every attempt that ended without a word its record, and tidies the store; shared by all
commands that may write."""

from __future__ import annotations

from artifacts.collect import compact_leftovers
from artifacts.publish import told
from artifacts.store import Store
from runner.errors import SweepBusy
from runner.sweep.attempts import settle_abandoned
from runner.sweep.lock import sweep_lock
from runner.sweep.queue import QueueView, look, settle, settle_doubts


def settle_all(store: Store, sweep: str) -> QueueView:
    """Give every attempt that ended without a word its record, and look at what is queued; call it
    with the sweep locked."""
    settle_abandoned(store, sweep, store.index(sweep))
    doubt = settle_doubts(store, sweep)
    view = look(store, sweep)
    view.trouble = view.trouble or doubt
    settle(store, view)
    compact_leftovers(store, sweep)
    return view


def settle_if_idle(store: Store, sweep: str) -> QueueView | None:
    """The same where no submit is at it; None where one is, which does this itself.

    Raises:
        StoreFull, StoreNotWritable: Nothing can be written here; what is recorded can still be
            read.
    """
    folder = store.sweep_folder(sweep)
    if not folder.is_dir():
        return None
    try:
        with told(folder), sweep_lock(folder):
            return settle_all(store, sweep)
    except SweepBusy:
        return None
