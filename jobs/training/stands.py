"""What null and auto stood for in a training that has run: for people who read its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jobs.hardware import Hardware
from jobs.training.fields import TrainParams
from jobs.training.idle import DEFAULT_WEIGHT_DECAY, is_fused

IDLE: Final = "does not act"


def stands_for(params: TrainParams, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return, for each parameter that can be null or auto, the value that was used.

    Args:
        params: As the record has them.
        record: Its other columns, of which the device is asked; None where it does not say.
    """
    on_gpu = record.get("device") == "cuda"
    fused = is_fused(params)
    moved = params.schedule == "onecycle"
    processes = params.loader == "dataloader" and params.num_workers > 0
    return {
        "train_subset": "all",
        "test_subset": "all",
        "momentum": "0.85 to 0.95" if moved else 0.0 if params.optimizer == "sgd" else IDLE,
        "weight_decay": DEFAULT_WEIGHT_DECAY[params.optimizer],
        "fused": fused,
        "foreach": False if fused else on_gpu,
        "patience": "never stops early",
        "device": record.get("device"),
        "threads": record.get("threads"),
        "grad_scaler": True if params.amp == "fp16" else IDLE,
        "tf32": _tf32(params, record.get("gpu_name")) if on_gpu else IDLE,
        "prefetch_factor": 2 if processes else IDLE,
    }


def _tf32(params: TrainParams, gpu_name: str | None) -> str:
    if Hardware(gpu=True, model=gpu_name).before_ampere or params.amp != "off":
        return IDLE
    return "in convolutions only" if params.cudnn else "off"
