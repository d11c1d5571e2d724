"""How long a test waits for what must come: a guard against hangs, far above what a slow and loaded
machine needs.

No test may end well or badly because of how long something took: hold trials back by files, signals
and step counts.
"""

from __future__ import annotations

PATIENCE_S = 900.0
