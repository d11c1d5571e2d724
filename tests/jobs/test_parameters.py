"""What is said about parameters: all of it from the structs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.hardware import CPU, Hardware
from jobs.parameters import ALWAYS, Parameter, describe, markdown
from jobs.registry import BUILT_IN, workload
from jobs.training.fields import TrainParams
from jobs.training.stands import stands_for

DOCS = Path(__file__).parents[2] / "docs"


def _named(name: str, import_path: tuple[str, ...] = ()) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in describe(workload(name, import_path))}


def test_the_documentation_is_current() -> None:
    assert (DOCS / "parameters.md").read_text() == markdown() + "\n", (
        "python -m jobs.parameters > docs/parameters.md"
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_parameter_of_a_built_in_workload_has_a_meaning(name: str) -> None:
    found = _named(name)
    assert found.keys() == set(workload(name).params.__struct_fields__)
    assert [
        parameter.name for parameter in found.values() if not parameter.meaning.endswith(".")
    ] == []


def test_types_ranges_defaults_and_conditions_are_those_of_the_struct() -> None:
    found = _named("train")
    momentum, amp, split = found["momentum"], found["amp"], found["split"]
    assert (momentum.type, momentum.range, momentum.default) == (
        "float or null",
        ">= 0, < 1",
        "null",
    )
    assert momentum.acts.startswith("with optimizer: sgd")
    assert (amp.type, amp.range, amp.default, amp.acts) == ("off, fp16, bf16", "", "off", ALWAYS)
    assert (split.type, split.default, split.section) == (
        "official or list of float",
        "official",
        "Data",
    )
    assert _named("svm")["gamma"].type == "scale, auto or float"


OTHER: dict[str, Any] = {
    "split_seed": 1, "stem": "imagenet", "momentum": 0.5, "foreach": True, "lr_step_epochs": 2, "lr_gamma": 0.5, "warmup_epochs": 1,
    "patience": 9, "eval_every": 9, "grad_scaler": False, "cudnn": False, "cudnn_benchmark": True, "tf32": True, "blas": "cublaslt",
    "cuda_graphs": True, "deterministic": True, "num_workers": 1, "pin_memory": True, "persistent_workers": True, "prefetch_factor": 3,
    "non_blocking": True, "schedule": "step", "fused": True, "compile": "reduce-overhead", "degree": 4, "coef0": 1.0, "gamma": "auto",
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_parameter_that_can_be_idle_says_when_it_acts(name: str) -> None:
    found, of = _named(name), workload(name)
    bases: list[dict[str, Any]] = [
        {},
        {"schedule": "onecycle"},
        {"amp": "bf16"},
        {"kernel": "linear"},
        {"split": (0.7, 0.1, 0.2)},
    ]
    for there in (CPU, Hardware(gpu=True, model="t4")):
        for base in bases:
            for parameter, value in OTHER.items():
                values = {
                    key: each for key, each in {**base, parameter: value}.items() if key in found
                }
                collapsed, notes = of.collapse(of.read(values), there)
                if notes and getattr(collapsed, parameter, value) != value:
                    assert found[parameter].acts != ALWAYS, (parameter, notes)


def test_a_users_own_function_has_what_its_source_says(tmp_path: Path) -> None:
    (tmp_path / "mine_params.py").write_text(
        "def f(lr: float, depth: int = 3, *, seed, note=None): ...\n"
    )
    found = _named("mine_params:f", (str(tmp_path),))
    assert {name: (each.type, each.default, each.acts) for name, each in found.items()} == {
        "lr": ("float", "required", ALWAYS),
        "depth": ("int", "3", ALWAYS),
        "note": ("any", "null", ALWAYS),
    }


def test_null_and_auto_stand_for_what_was_used() -> None:
    on_cpu = {"device": "cpu", "threads": 3}
    adam = stands_for(TrainParams(), on_cpu)
    assert (adam["momentum"], adam["weight_decay"], adam["threads"], adam["device"]) == (
        "does not act",
        0.0,
        3,
        "cpu",
    )
    sgd = stands_for(
        TrainParams(optimizer="sgd", fused=False), {"device": "cuda", "gpu_name": "NVIDIA A30"}
    )
    assert (sgd["momentum"], sgd["fused"], sgd["foreach"], sgd["tf32"]) == (
        0.0,
        False,
        True,
        "in convolutions only",
    )
    assert (
        stands_for(TrainParams(amp="fp16", optimizer="adamw"), {"device": "cuda"})["grad_scaler"]
        is True
    )
    assert stands_for(TrainParams(optimizer="adamw"), on_cpu)["weight_decay"] == 0.01
    can_be_null = {
        field.name for field in msgspec.structs.fields(TrainParams) if field.default is None
    }
    assert stands_for(TrainParams(), {}).keys() >= can_be_null
