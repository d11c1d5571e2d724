"""Gives a sweep another name."""

from __future__ import annotations

import time

from artifacts.errors import NameTaken
from artifacts.names import Alias, add_alias, aliases, remove_aliases
from artifacts.record import check_sweep
from artifacts.store import Store


def rename(store: Store, old: str, new: str) -> str:
    """Give a sweep a new name, under which it is shown from now on; its former names go on meaning
    it. Repeated, it changes nothing.

    Returns:
        The name that it was shown under before.

    Raises:
        UnknownSweep: No sweep has the old name.
        BadName: The new one cannot be a file's name.
        NameTaken: Another sweep has it.
        StoreFull, StoreNotWritable: It cannot be written down.
    """
    check_sweep(new)
    sweep = store.resolve(old)
    store.check_known(sweep)
    before = store.shown_name(sweep)
    if before == new:
        return before
    for alias in aliases(store.root):
        if alias.name == new and not store.has(alias.sweep):  # a removal was cut short
            remove_aliases(store.root, alias.sweep)
    if new != sweep and store.has(new):
        raise NameTaken(new, new, store.root)
    add_alias(store.root, Alias(new, sweep, time.time()))
    return before
