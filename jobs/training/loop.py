"""The training loop: epochs of optimizer steps, evaluations between them, and a clean stop at any step.

The host waits for the device once an epoch, when the sums are read, and at the edges of the ledger's phases.
"""

from __future__ import annotations

import time
from typing import Final

from jobs.context import Context
from jobs.errors import StopRequested
from jobs.training import checkpoint
from jobs.training.feeding.order import Order
from jobs.training.progress import Progress
from jobs.training.session import Session
from jobs.training.timing import StepTimes

CHECKPOINT_EVERY_S: Final = 600.0
"""Without being asked, a checkpoint is written this often: what a node's death can cost."""


class Loop:
    """Runs one trial's epochs.

    Args:
        progress: Where to begin.
    """

    def __init__(self, session: Session, context: Context, progress: Progress, times: StepTimes) -> None:
        self._session, self._context, self._progress, self._times = session, context, progress, times
        self._saved_at = time.perf_counter()

    def run(self) -> None:
        """Train to the last epoch, or until patience runs out.

        Raises:
            StopRequested: A checkpoint was written, because the context asked for it.
        """
        params, progress = self._session.params, self._progress
        while progress.epoch <= params.epochs and not self._out_of_patience():
            row = self._train_epoch()
            if progress.epoch == params.epochs or progress.epoch % params.eval_every == 0:
                row |= self._evaluate()
            self._context.report(progress.epoch, **row)
            progress.epoch, progress.batch, progress.epoch_s = progress.epoch + 1, 0, 0.0
            self._session.sums.set({})

    def _train_epoch(self) -> dict[str, float]:
        """The rest of the epoch under way; its row of the history."""
        session, progress = self._session, self._progress
        with self._context.phase("train"):
            order = session.order(progress.epoch, progress.batch)
            begun = self._steps(order)
            loss, accuracy = session.sums.means(len(order.positions))  # waits for the device
            progress.epoch_s = time.perf_counter() - begun
            self._times.end()
        progress.train_s += progress.epoch_s
        progress.scores |= {"train_loss": loss, "train_accuracy": accuracy}
        row = {"seconds": progress.epoch_s, "lr": progress.lr, "train_loss": loss, "train_accuracy": accuracy}
        return row | {"samples_per_s": len(order.positions) / progress.epoch_s}

    def _steps(self, order: Order) -> float:
        """All optimizer steps that the epoch still has; when it would have begun, had nothing come between."""
        session, progress = self._session, self._progress
        together, n_batches = session.params.grad_accumulation, order.n_batches
        begun = time.perf_counter() - progress.epoch_s
        self._times.begin()
        for images, labels in session.data.train.batches(order):
            before = progress.batch % together
            in_step = min(together, n_batches - progress.batch + before)
            session.work(images, labels, first=before == 0, share=1 / in_step)
            progress.batch += 1
            progress.images += len(labels)
            if progress.batch % together and progress.batch < n_batches:
                continue
            self._step()
            self._times.mark()
            stop = self._context.stop_requested()
            if stop or time.perf_counter() - self._saved_at > CHECKPOINT_EVERY_S:
                begun = self._save(begun)
            if stop:
                raise StopRequested(f"stopped after step {progress.steps}, in epoch {progress.epoch}; a checkpoint was written")
        return begun

    def _step(self) -> None:
        """One optimizer step from the gradients that are there."""
        session, progress = self._session, self._progress
        progress.lr = float(session.optimizer.param_groups[0]["lr"])
        scaler = session.precision.scaler
        if scaler.is_enabled():
            scaler.step(session.optimizer)
            scaler.update()
        else:
            session.optimizer.step()
        if session.schedule is not None:
            session.schedule.step()
        progress.steps += 1

    def _evaluate(self) -> dict[str, float]:
        """Validate; test too where there is no validation part, or where training ends here. What the history gets of it."""
        session, progress = self._session, self._progress
        with self._context.phase("eval"):
            if session.val is not None:
                score = session.val(session.model, session.forward)
                progress.scores |= {"val_loss": score.loss, "val_accuracy": score.accuracy}
                progress.judge(score.accuracy)
            ends = progress.epoch == session.params.epochs or self._out_of_patience()
            if session.test is not None and (session.val is None or ends):
                score = session.test(session.model, session.forward)
                progress.scores |= {"test_loss": score.loss, "test_accuracy": score.accuracy}
                tested = {"test_accuracy": score.accuracy}
            else:
                tested = {}
        return {name: progress.scores[name] for name in ("val_loss", "val_accuracy") if session.val is not None} | tested

    def _out_of_patience(self) -> bool:
        patience = self._session.params.patience
        return patience is not None and self._progress.evaluations_since_best >= patience

    def _save(self, begun: float) -> float:
        """Write a checkpoint; when the epoch would have begun without the time this took."""
        session, context = self._session, self._context
        with context.phase("write"):  # waits for the device
            self._times.end()
            paused = time.perf_counter()
            self._progress.epoch_s = paused - begun
            carried = {"phases": context.phases(), "history": context.history}
            checkpoint.save(context.checkpoint_folder, context.trial, session, self._progress, self._times, carried)
        self._saved_at = time.perf_counter()
        self._times.begin()
        return begun + self._saved_at - paused
