"""What watching the hardware costs a long trial: the same training with and without the sampler,
turn about, in one run.

    python -m benchmarks.sampler

The two ways differ by less than the machine's noise, so the processor time of the sampler's thread
is read as well: it is all that the sampler takes from a trial with a core for each of its threads.
GPUs are watched too where there are any.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from contextlib import nullcontext

import torch

from benchmarks.machine import describe, sum_up
from cluster import machine
from jobs.measure.sampler import Sampler
from jobs.training.models import SimpleCNN
from jobs.training.shape import ImageShape

AIM = 0.01
STEPS_AT_ONCE = 200


def train(seconds: float) -> int:
    """Steps of a small net on one batch of noise until the time is over, a few hundred at a time;
    how many were made."""
    torch.manual_seed(0)
    model = SimpleCNN(ImageShape(3, 32, 32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images, labels = torch.randn(64, 3, 32, 32), torch.randint(10, (64,))
    steps, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(STEPS_AT_ONCE):
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
        steps += STEPS_AT_ONCE
    return steps


def rate(seconds: float, watched: bool) -> tuple[float, float]:
    """Steps a second, and the share of one processor that the sampler's thread had meanwhile."""
    seen = machine.gpus()
    before, begin = own_s(), time.perf_counter()
    with Sampler(seen, len(seen), machine.cpus()) if watched else nullcontext():
        steps = train(seconds)
        took = time.perf_counter() - begin
    return steps / took, (own_s() - before) / took


def own_s() -> float:
    """Processor seconds of the sampler's thread since it began; 0 before that."""
    threads = [thread.ident for thread in threading.enumerate() if thread.name == "sampler"]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in threads if ident)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Training with and without the sampler.")
    parser.add_argument("--seconds", type=float, default=15, help="of each run")
    parser.add_argument("--pairs", type=int, default=6, help="runs with and runs without")
    given = parser.parse_args()
    print(f"{describe('torch')}, {len(machine.gpus())} GPUs\n")
    rate(5, watched=True)  # warm
    pairs = [
        (rate(given.seconds, watched=False)[0], *rate(given.seconds, watched=True))
        for _ in range(given.pairs)
    ]
    slower = [1 - watched / plain for plain, watched, _ in pairs]
    print(
        f"{len(pairs)} pairs of {given.seconds:g} s, slower by {statistics.median(slower):+.2%} "
        f"({min(slower):+.2%} to {max(slower):+.2%})"
    )
    own = statistics.median(share for *_, share in pairs)
    sum_up(f"the sampler's thread takes {own:.4%} of one processor (aim: under {AIM:.0%})")


if __name__ == "__main__":
    main()
