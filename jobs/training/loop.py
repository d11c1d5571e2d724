"""The training loop: epochs of optimizer steps, evaluations between them, and a clean stop at any
step.

The host waits for the device once an epoch, when the sums are read, and at the edges of the
ledger's phases.
"""

from __future__ import annotations

import time
from typing import Final

from jobs.context import Context
from jobs.errors import StopRequested
from jobs.training import checkpoint
from jobs.training.feeding.order import Order
from jobs.training.progress import TrainingProgress
from jobs.training.scalars import TensorBoard
from jobs.training.session import Session
from jobs.training.timing import StepTimes

CHECKPOINT_EVERY_S: Final = 600.0
"""Without being asked, a checkpoint is written this often: what a node's death can cost."""


class Loop:
    """Runs one trial's epochs.

    Args:
        progress: Where to begin; it moves on with the loop.
        board: Gets the figures of each epoch.
    """

    def __init__(
        self,
        session: Session,
        context: Context,
        progress: TrainingProgress,
        times: StepTimes,
        board: TensorBoard | None = None,
    ) -> None:
        self._session, self._context, self._progress, self._times = (
            session,
            context,
            progress,
            times,
        )
        self._board = board
        self._saved_at = self._begun = time.perf_counter()

    def run(self) -> None:
        """Train to the last epoch, or until patience runs out.

        Raises:
            StopRequested: A checkpoint was written, because the context asked for it.
        """
        params, progress = self._session.params, self._progress
        self._context.track(self._under_way)
        while progress.epoch <= params.epochs and not self._out_of_patience():
            row = self._train_epoch()
            if progress.epoch == params.epochs or progress.epoch % params.eval_every == 0:
                row |= self._evaluate()
            self._context.report(progress.epoch, **row)
            if self._board is not None:
                with self._context.phase("write"):
                    self._board.epoch(progress.epoch, row)
            progress.epoch, progress.batch, progress.epoch_s = progress.epoch + 1, 0, 0.0
            self._session.sums.set({})

    def _train_epoch(self) -> dict[str, float]:
        """The rest of the epoch under way; its row of the history."""
        session, progress = self._session, self._progress
        with self._context.phase("train"):
            order = session.order(progress.epoch, progress.batch)
            self._steps(order)
            loss, accuracy = session.sums.means(len(order.positions))  # waits for the device
            progress.epoch_s = time.perf_counter() - self._begun
            self._times.end()
        progress.train_s += progress.epoch_s
        progress.scores |= {"train_loss": loss, "train_accuracy": accuracy}
        row = {
            "train_s": progress.epoch_s,
            "lr": progress.lr,
            "train_loss": loss,
            "train_accuracy": accuracy,
        }
        return row | {"samples_per_s": len(order.positions) / progress.epoch_s}

    def _under_way(self) -> dict[str, float]:
        """The epochs that are done, with the share of the one under way, and its images per second:
        both as far as steps were queued."""
        progress, session = self._progress, self._session
        if not progress.batch:
            return {"epoch": float(progress.epoch - 1)}
        images = min(progress.batch * session.params.batch_size, session.n_fed)
        share = {"epoch": progress.epoch - 1 + images / session.n_fed}
        whole = images == session.n_fed and progress.epoch_s  # being evaluated
        seconds = progress.epoch_s if whole else time.perf_counter() - self._begun
        return share | {"samples_per_s": images / seconds}

    def _steps(self, order: Order) -> None:
        """All optimizer steps that the epoch still has."""
        session, progress = self._session, self._progress
        together, size = session.params.grad_accumulation, order.batch_size
        self._begun = time.perf_counter() - progress.epoch_s
        self._times.begin()
        for images, labels in session.data.train.batches(order):
            before = progress.batch % together
            images_before = (progress.batch - before) * size
            in_step = min(together * size, len(order.positions) - images_before)
            session.work(images, labels, first=before == 0, share=len(labels) / in_step)
            progress.batch += 1
            progress.images += len(labels)
            if progress.batch % together and progress.batch < order.n_batches:
                continue
            progress.lr = session.lr
            session.update()
            progress.steps += 1
            self._times.mark()
            stop = self._context.stop_requested()
            if stop or time.perf_counter() - self._saved_at > CHECKPOINT_EVERY_S:
                self._save()
            if stop:
                raise StopRequested(
                    f"stopped after step {progress.steps}, in epoch {progress.epoch}; a checkpoint "
                    "was written"
                )

    def _evaluate(self) -> dict[str, float]:
        """Validate; test too where there is no validation part, or where training ends here.

        What the history gets of it.
        """
        session, progress = self._session, self._progress
        with self._context.phase("eval"):
            if session.val is not None:
                score = session.val(session.model)
                progress.scores |= {"val_loss": score.loss, "val_accuracy": score.accuracy}
                progress.judge(score.accuracy)
            ends = progress.epoch == session.params.epochs or self._out_of_patience()
            if session.test is not None and (session.val is None or ends):
                score = session.test(session.model)
                progress.scores |= {"test_loss": score.loss, "test_accuracy": score.accuracy}
                tested = {"test_accuracy": score.accuracy}
            else:
                tested = {}
        return {
            name: progress.scores[name]
            for name in ("val_loss", "val_accuracy")
            if session.val is not None
        } | tested

    def _out_of_patience(self) -> bool:
        patience = self._session.params.patience
        return patience is not None and self._progress.evaluations_since_best >= patience

    def _save(self) -> None:
        """Write a checkpoint between two steps: its time is neither the epoch's nor a step's."""
        context, progress = self._context, self._progress
        with context.phase("write"):  # waits for the device
            self._times.end()
            paused = time.perf_counter()
            progress.epoch_s = paused - self._begun
            checkpoint.save(
                context.checkpoint_folder,
                context.trial,
                self._session,
                progress,
                self._times,
                context.snapshot(),
            )
        self._saved_at = time.perf_counter()
        self._begun += self._saved_at - paused
        self._times.begin()
