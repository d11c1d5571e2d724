"""What a trial does once before it is timed: compile, choose algorithms, capture graphs, count
operations.

Blank batches of every shape to come go through the model; afterward weights, buffers, random
streams and sums are as they were, so that a trial computes the same with and without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from jobs.measure import loaded_torch
from jobs.training import optimizers, seeds
from jobs.training.errors import BadModel
from jobs.training.graphs import GraphedPass
from jobs.training.pixels import layout_of
from jobs.training.session import Session
from jobs.training.steps import Pass, Sums

PASSES_OF_A_PROGRAM: Final = 3
"""A compiled program with CUDA graphs runs plainly, then records, and only then replays."""


def warm_up(session: Session) -> Session:
    """Return the session, ready to be timed; its forward and backward pass captured if that was
    asked for."""
    full, *rest = _batch_sizes(session)
    compiles = session.params.compile != "off"
    with _undone(session):
        session.work(*_blank(session, full))
        if (
            session.device.type == "cpu" and not compiles
        ):  # nothing is chosen by shape: the libraries are loaded, and that is all
            return session
        for n in rest:
            session.work(*_blank(session, n))
        _warm_evaluation(session)
        if session.device.type == "cuda":
            _warm_optimizer(session)
        # What was tried out so far is no part of training; what is recorded from here on is, and
        # replaying it shows no memory.
        loaded_torch.reset_peak_memory()
        if session.replays and isinstance(session.work, Pass) and not compiles:
            return replace(session, work=GraphedPass(session.work, *_blank(session, full)))
        for _ in range(PASSES_OF_A_PROGRAM - 1 if compiles else 0):
            session.work(*_blank(session, full))
        return session


def count_flops(session: Session) -> float:
    """Floating-point operations of forward and backward pass for one image, by torch's own counter.

    Raises:
        BadModel: What comes out of it are not scores of shape (n, classes). A label beyond them
            would be an error on a CPU, but a fault of the whole GPU there.
    """
    n = min(2, session.data.n_train)

    def forward(images: Tensor) -> Tensor:
        logits: Tensor = session.model(images)
        if logits.shape != (n, session.data.shape.classes):
            raise BadModel(
                session.params.model,
                f"for {n} images of {session.data.shape.classes} classes it gives "
                f"{tuple(logits.shape)}",
            )
        return logits

    eager = Pass(forward, session.optimizer, session.precision, Sums(session.device))
    with _undone(session), FlopCounterMode(display=False) as counter:
        eager(*_blank(session, n))
    return float(counter.get_total_flops()) / n


def _batch_sizes(session: Session) -> list[int]:
    """Sizes of the training batches, the full one first."""
    order = session.order(1)
    n, size = len(order.positions), min(order.batch_size, len(order.positions))
    return [size] if n % size == 0 else [size, n % size]


def _blank(session: Session, n: int) -> tuple[Tensor, Tensor]:
    """A black batch of n images as the loader would make it, all of the first class."""
    channels, height, width, _ = session.data.shape
    layout = layout_of(channels_last=session.params.channels_last)
    images = torch.empty(
        n, channels, height, width, device=session.device, memory_format=layout
    ).zero_()
    return images, torch.zeros(n, dtype=torch.int64, device=session.device)


def _warm_evaluation(session: Session) -> None:
    sizes = set().union(
        *(part.batch_sizes for part in (session.val, session.test) if part is not None)
    )
    session.model.eval()
    with torch.no_grad():
        for n in sorted(sizes, reverse=True):
            with session.precision.autocast():
                session.model(_blank(session, n)[0])
    session.model.train()


def _warm_optimizer(session: Session) -> None:
    """Load the optimizer's kernels by stepping a weight that nobody needs."""
    weight = nn.Parameter(torch.zeros(1, device=session.device))
    weight.grad = torch.zeros_like(weight)
    optimizers.build(session.params, [weight]).step()


@contextmanager
def _undone(session: Session) -> Iterator[None]:
    """Put back what a pass changes beside gradients: buffers such as running means, and the random
    streams."""
    buffers = [(buffer, buffer.clone()) for buffer in session.model.buffers()]
    streams = seeds.states(session.device)
    yield
    seeds.restore(streams, session.device)
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
    session.sums.set({})
