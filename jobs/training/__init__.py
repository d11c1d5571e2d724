"""The PyTorch workload: parameters, models, data feeding, the loop, checkpoints, profiling.

What follows must stand before the first import of torch. Its OpenMP library lets a thread that
waits for the others spin for milliseconds. Where another process wants that core, the spinning
keeps it from the very work that is waited for: two threads then train several times slower than
one. With short spins they do not.
"""

from __future__ import annotations

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
