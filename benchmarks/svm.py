"""An rbf SVM on MNIST split 70/10/20: our workload beside scikit-learn's own SVC, in one run.

    python -m benchmarks.svm --data-dir DIR

Both fit on the 49,000 training images and predict the 21,000 others, pixels divided by 255. The
time is that of fitting and predicting; it fails where the accuracies differ by more than a tenth of
a point.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.svm import SVC

from artifacts.record import Outcome
from benchmarks.machine import describe, sum_up
from cluster import machine
from jobs.data import missing, open_dataset
from jobs.execute import Expectation, execute, warm
from jobs.spec import JobSpec

SPLIT = [0.7, 0.1, 0.2]
AIM = 8.0
TOLERANCE = 0.001


@dataclass(frozen=True)
class Fitted:
    """One classifier."""

    name: str
    fit_s: float
    predict_s: float
    val_accuracy: float
    test_accuracy: float

    @property
    def seconds(self) -> float:
        return self.fit_s + self.predict_s


def stock(data_dir: Path, subset: int | None) -> Fitted:
    """SVC as a person calls it."""
    dataset = open_dataset("mnist", data_dir)
    split = dataset.split(SPLIT, train_subset=subset)
    pixels = {
        name: _scaled(dataset.images[part])
        for name, part in (("train", split.train), ("val", split.val), ("test", split.test))
    }
    begin = time.perf_counter()
    model = SVC(kernel="rbf").fit(pixels["train"], dataset.labels[split.train])
    fitted = time.perf_counter()
    val, test = (
        float((model.predict(pixels[name]) == dataset.labels[part]).mean())
        for name, part in (("val", split.val), ("test", split.test))
    )
    return Fitted("scikit-learn's SVC", fitted - begin, time.perf_counter() - fitted, val, test)


def ours(data_dir: Path, subset: int | None) -> Fitted:
    """The workload, in this process, with all of the machine's cores."""
    params = {"dataset": "mnist", "kernel": "rbf", "split": SPLIT} | (
        {"train_subset": subset} if subset else {}
    )
    spec = JobSpec(workload="svm", target="cpu", seed=0, params=params)
    warm(spec, data_dir=data_dir)
    with tempfile.TemporaryDirectory() as files:
        finished = execute(
            spec, files=Path(files), data_dir=data_dir, expect=Expectation(cpus=machine.cpus())
        )
    values = finished.values
    assert finished.outcome == Outcome.completed, values["error_message"]
    name = f"ours, engine {values['engine']}"
    return Fitted(
        name, values["train_s"], values["eval_s"], values["val_accuracy"], values["test_accuracy"]
    )


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description="scikit-learn's SVC beside our SVM workload.")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("RUNNER_DATA"),
        help="folder with MNIST; else RUNNER_DATA",
    )
    parser.add_argument(
        "--images", type=int, help="training images, for a quicker look; all 49,000 if not given"
    )
    given = parser.parse_args()
    if reason := missing("mnist", given.data_dir):
        raise SystemExit(reason)
    rows = [ours(given.data_dir, given.images), stock(given.data_dir, given.images)]
    print(describe("scikit-learn", "scikit-learn-intelex"))
    print(f"\n{'':<28}{'fit s':>8}{'predict s':>11}{'validation':>12}{'test':>9}{'ours is':>10}")
    for row in rows:
        accuracies = f"{row.val_accuracy:>12.2%}{row.test_accuracy:>9.2%}"
        times = f"{row.fit_s:>8.1f}{row.predict_s:>11.1f}"
        print(f"{row.name:<28}{times}{accuracies}{row.seconds / rows[0].seconds:>9.1f}x")
    sum_up(f"the SVM takes 1/{rows[1].seconds / rows[0].seconds:.1f} of stock (aim {AIM:g})")
    for name in ("val_accuracy", "test_accuracy"):
        difference = getattr(rows[0], name) - getattr(rows[1], name)
        if abs(difference) > TOLERANCE:
            raise SystemExit(
                f"{name} differs by {difference:+.2%}: the two do not find the same classifier"
            )


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1) / 255


if __name__ == "__main__":
    main()
