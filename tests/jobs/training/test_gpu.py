"""What only a GPU can show: settings of its libraries, copies from pinned memory, graphs, and
memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.errors import StopRequested
from jobs.execute import Expectation, execute
from jobs.spec import JobSpec
from jobs.training import backends
from jobs.training.fields import TrainParams
from jobs.training.graphs import GraphedPass
from jobs.training.loop import Loop
from tests.jobs.training import own_models
from tests.jobs.training.conftest import Train, Trained

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]

IMAGES = "synthetic:3x32x32x10x600"


@pytest.fixture
def train_there(train: Train) -> Train:
    """The same small trial on the GPU."""

    def train_there(**params: Any) -> Trained:
        return train(
            **({"dataset": IMAGES, "train_subset": 200, "_context": {"device": "cuda"}} | params)
        )

    return train_there


def losses(trained: Trained) -> list[float]:
    """Training loss of each epoch."""
    return [row["train_loss"] for row in trained.history]


def test_a_gpu_computes_what_a_cpu_does(train: Train, train_there: Train) -> None:
    params = {"dataset": IMAGES, "train_subset": 200, "tf32": False, "augmentation": "crop_flip"}
    assert losses(train_there(**params)) == pytest.approx(losses(train(**params)), rel=1e-3)


@pytest.mark.parametrize("model", ["simple_cnn", "resnet10"])
@pytest.mark.parametrize("amp", ["off", "fp16", "bf16"])
@pytest.mark.parametrize("schedule", ["none", "onecycle"])
def test_cuda_graphs_replay_the_same_training(
    train_there: Train, model: str, amp: str, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three full batches and an odd one in each epoch, so that replays and plain passes
    alternate."""
    params = {
        "model": model,
        "amp": amp,
        "schedule": schedule,
        "epochs": 3,
        "deterministic": True,
        "lr": 1e-4,
    }
    plain, graphed = train_there(**params), []
    call = GraphedPass.__call__
    monkeypatch.setattr(
        GraphedPass,
        "__call__",
        lambda self, *batch, **how: graphed.append(len(batch[1])) or call(self, *batch, **how),
    )
    replayed = train_there(cuda_graphs=True, **params)
    assert len(graphed) == replayed.columns["steps"]
    assert losses(replayed) == pytest.approx(losses(plain), rel=2e-2 if amp != "off" else 1e-4)
    assert replayed.columns["test_loss"] == pytest.approx(plain.columns["test_loss"], rel=5e-2)


@pytest.mark.parametrize(
    "how", [{"cuda_graphs": True}, {"model": f"{own_models.NAME}:with_dropout"}], ids=str
)
def test_a_trial_resumes_as_undisturbed(train_there: Train, how: dict[str, Any]) -> None:
    params = {"deterministic": True, "epochs": 2, **how}
    undisturbed = train_there(**params)
    with pytest.raises(StopRequested):
        train_there(
            _context={"device": "cuda", "stop": iter([False, False, True]).__next__}, **params
        )
    assert losses(train_there(**params)) == pytest.approx(losses(undisturbed), rel=1e-5)


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_training_is_the_same(train_there: Train, mode: str, accumulation: int) -> None:
    params = {"tf32": False, "grad_accumulation": accumulation, "epochs": 2}
    assert losses(train_there(compile=mode, **params)) == pytest.approx(
        losses(train_there(**params)), rel=1e-3
    )


def test_deterministic_training_repeats_bit_for_bit(train_there: Train) -> None:
    assert losses(train_there(model="resnet10", deterministic=True)) == losses(
        train_there(model="resnet10", deterministic=True)
    )


@pytest.mark.parametrize(
    "params",
    [{"cudnn": False}, {"cudnn_benchmark": True}, {"tf32": True}, {"blas": "cublaslt"}],
    ids=str,
)
def test_library_settings_hold_in_training_and_are_put_back(
    train_there: Train, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings() -> tuple[Any, ...]:
        backend = torch.backends
        return (
            backend.cudnn.enabled,
            backend.cudnn.benchmark,
            backend.cuda.matmul.allow_tf32,
            backend.cuda.preferred_blas_library(),
        )

    before, inside, run = settings(), [], Loop.run
    monkeypatch.setattr(Loop, "run", lambda loop: inside.append(settings()) or run(loop))
    train_there(**params)
    assert inside != [before]
    assert settings() == before


def test_cublaslt_is_what_multiplies(train_there: Train) -> None:
    with backends.applied(TrainParams(blas="cublaslt"), torch.device("cuda"), 1):
        assert torch.backends.cuda.preferred_blas_library() == torch._C._BlasBackend.Cublaslt


@pytest.mark.parametrize("pinned", [True, False])
def test_batches_come_from_pinned_memory_if_asked_for(
    train_there: Train, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[bool] = []
    original = torch.Tensor.to

    def to(tensor: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        if "non_blocking" in options:
            copied.append(tensor.is_pinned())
        return original(tensor, *args, **options)

    monkeypatch.setattr(torch.Tensor, "to", to)
    train_there(loader="dataloader", pin_memory=pinned, non_blocking=True)
    assert set(copied) == {pinned}


def test_the_record_has_the_memory_and_the_device(tmp_path: Path) -> None:
    spec = JobSpec(
        workload="train",
        target="gpu",
        seed=0,
        params={"dataset": IMAGES, "model": "resnet10", "train_subset": 200},
    )
    finished = execute(spec, files=tmp_path, expect=Expectation(gpus=1))
    values = finished.values
    assert finished.outcome == "completed", values["error_message"]
    assert (
        0 < values["gpu_mem_allocated_gb"] <= values["gpu_mem_reserved_gb"] < values["gpu_total_gb"]
    )
    assert values["device"] == "cuda"
    assert values["gpu_name"] == torch.cuda.get_device_name()


def test_larger_batches_take_more_memory(train_there: Train) -> None:
    def peak(**params: Any) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        train_there(model="resnet10", **params)
        return torch.cuda.max_memory_allocated()

    assert peak(batch_size=64) > peak(batch_size=16)


def test_replayed_passes_have_their_memory(train_there: Train) -> None:
    def peak(**params: Any) -> int:
        train_there(model="resnet10", batch_size=64, test_subset=8, **params)
        return torch.cuda.max_memory_allocated()

    plain = peak()
    assert peak(cuda_graphs=True) == pytest.approx(plain, rel=0.5)
    assert peak() == pytest.approx(plain, rel=0.05)  # the graph left nothing behind


def test_step_times_are_the_devices(train_there: Train) -> None:
    trained = train_there(model="resnet18", epochs=2)
    assert 0 < trained.columns["step_p50_s"] <= trained.columns["step_p95_s"]
    assert (
        trained.columns["steps"] * trained.columns["step_p50_s"]
        < 2 * trained.context.phases()["train"]
    )
