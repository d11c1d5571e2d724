"""How many workers each array may have at a time, so that none waits for ever and nothing idles.
Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.room import Free, Need, Room


def pool_sizes(rooms: Sequence[Room], wants: Sequence[tuple[Need, int]]) -> list[int]:
    """Return the workers for each array.

    Those that need a GPU choose first: a CPU finds other work more easily than a GPU does. Within
    each kind one worker is given to each array in turn, until nothing more fits or no array wants
    more.

    Args:
        rooms: The nodes, as if empty.
        wants: For each array what one worker needs, and how many it has tasks for.
    """
    free = [Free(room) for room in rooms]
    sizes = [0] * len(wants)
    for with_gpu in (True, False):
        hungry = [
            place
            for place, (need, limit) in enumerate(wants)
            if (need.gpus > 0) is with_gpu and limit > 0
        ]
        while hungry:
            for place in list(hungry):
                need, limit = wants[place]
                if any(node.take(need) for node in free):
                    sizes[place] += 1
                else:
                    hungry.remove(place)
                    continue
                if sizes[place] >= limit:
                    hungry.remove(place)
    return sizes
