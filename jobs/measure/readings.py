"""What was seen of the hardware under a trial, over all the attempts that it took."""

from __future__ import annotations

from typing import Final

import msgspec

_EARLIER: Final = "in an earlier attempt: "


class Readings(msgspec.Struct, frozen=True):
    """Disturbances and energy of one attempt, or of several that went on from each other; plain
    data, for checkpoints.
    """

    disturbed_by: list[str] | None = None
    """What disturbed the measurement; None if nobody looked."""
    energy_j: dict[str, float] = {}
    """Joules, by the record's column; without those that could not be measured."""

    def after(self, earlier: Readings) -> Readings:
        """Return both together, this attempt having gone on from the earlier ones; energy only
        where all of them have it."""
        reasons = [
            reason if reason.startswith(_EARLIER) else _EARLIER + reason
            for reason in earlier.disturbed_by or ()
        ]
        energy = {
            name: joules + earlier.energy_j[name]
            for name, joules in self.energy_j.items()
            if name in earlier.energy_j
        }
        unseen = self.disturbed_by is None or earlier.disturbed_by is None
        return Readings(
            [*dict.fromkeys(reasons), *(self.disturbed_by or ())] or (None if unseen else []),
            energy,
        )
