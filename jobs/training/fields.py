"""The parameters of the training workload: names, types, ranges and defaults.

Trial ids are made from the parameters that differ from these defaults, so a default never changes and a field is never renamed;
new fields may be added. Nothing here imports torch: plans are made on login nodes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]


class TrainParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run; whatever is left out has the value given here.

    Data:
        dataset: Name of a data set, as ``runner data prepare`` knows it.
        split: ``official`` (its own training and test set, no validation), or three fractions of the whole,
            [train, validation, test].
        split_seed: Draws the split and the subsets; the trial's own seed does not.
        train_subset, test_subset: Images kept of these parts, stratified; null keeps all.
        normalisation: ``dataset`` (mean and deviation of the training part, per channel), ``half`` (mean 0.5, deviation 0.5),
            ``none`` (pixels in [0, 1]).
        augmentation: ``flip`` (left to right, half of the time), ``crop`` (moved by up to an eighth of the size,
            black border), both, or none.

    Model:
        model: ``simple_cnn``, ``resnet10``, ``resnet18``, ``resnet34``, ``resnet50``, or ``package.module:factory``.
        stem: First layers of a ResNet: ``cifar`` (3x3, nothing thrown away) or ``imagenet`` (7x7 stride 2, then pooling).
        pretrained: Start from torchvision's ImageNet weights, found in ``data_dir/weights``.

    Optimisation:
        epochs, batch_size: ``batch_size`` images go through the model at once.
        grad_accumulation: Batches per optimizer step.
        optimizer, lr: ``sgd``, ``adam`` or ``adamw`` and its learning rate (the peak one with a schedule).
        momentum, weight_decay: null is PyTorch's own default for the optimizer.
        fused, foreach: The optimizer's implementation. Both null is fused, the fastest on either device; ``fused: false`` alone is
            the one that PyTorch chooses (a loop over the weights on a CPU, foreach on a GPU).
        schedule: ``none``, ``cosine`` (to zero), ``onecycle``, or ``step``.
        lr_step_epochs, lr_gamma: The ``step`` schedule multiplies the learning rate by ``lr_gamma`` every ``lr_step_epochs``.
        warmup_epochs: The learning rate rises in a line over these first epochs.
        label_smoothing: Share of the target spread over all classes; evaluation has none.
        patience: Stop after this many evaluations in a row without a better validation accuracy; null never stops early.
        eval_every: Epochs between evaluations; the last epoch is always evaluated.

    Precision and speed:
        device: ``auto`` is the target's; ``cpu`` leaves a GPU unused.
        threads: CPU threads; null is as many as were granted.
        amp, grad_scaler: Mixed precision; the gradient scaler is on with fp16 unless told otherwise.
        compile: torch.compile's mode; it serves the full training batches, everything else goes through the model as it is.
        channels_last: Memory order of images and convolution weights.
        cudnn, cudnn_benchmark, tf32, blas: The GPU libraries; ``tf32: null`` is as PyTorch ships (cuDNN's
            convolutions, not matrix products).
        cuda_graphs: Forward and backward pass replayed as one CUDA graph.
        deterministic: Only algorithms that repeat bit for bit.

    Feeding:
        loader: ``resident`` (all images as bytes on the device, batches made there) or ``workers`` (torch's DataLoader).
        num_workers, pin_memory, persistent_workers, prefetch_factor: The DataLoader's own options; prefetch null is its own default.
        non_blocking: Copies to the GPU do not wait for it.

    Looking inside:
        profile: A torch.profiler trace and a table of operators in the trial's files.
        tensorboard: Scalars per epoch in the trial's files.
    """

    dataset: str = "digits"
    split: Literal["official"] | tuple[float, ...] = "official"
    split_seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    train_subset: Positive | None = None
    test_subset: Positive | None = None
    normalisation: Literal["dataset", "half", "none"] = "dataset"
    augmentation: Literal["none", "flip", "crop", "crop_flip"] = "none"

    model: str = "simple_cnn"
    stem: Literal["cifar", "imagenet"] = "cifar"
    pretrained: bool = False

    epochs: Positive = 5
    batch_size: Positive = 64
    grad_accumulation: Positive = 1
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    lr: Annotated[float, Meta(gt=0)] = 1e-3
    momentum: Annotated[float, Meta(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Meta(ge=0)] | None = None
    fused: bool | None = None
    foreach: bool | None = None
    schedule: Literal["none", "cosine", "onecycle", "step"] = "none"
    lr_step_epochs: Positive = 10
    lr_gamma: Annotated[float, Meta(gt=0)] = 0.1
    warmup_epochs: Annotated[int, Meta(ge=0)] = 0
    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    patience: Positive | None = None
    eval_every: Positive = 1

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive | None = None
    amp: Literal["off", "fp16", "bf16"] = "off"
    grad_scaler: bool | None = None
    compile: Literal["off", "default", "reduce-overhead", "max-autotune"] = "off"
    channels_last: bool = False
    cudnn: bool = True
    cudnn_benchmark: bool = False
    tf32: bool | None = None
    blas: Literal["cublas", "cublaslt"] = "cublas"
    cuda_graphs: bool = False
    deterministic: bool = False

    loader: Literal["resident", "workers"] = "resident"
    num_workers: Annotated[int, Meta(ge=0)] = 0
    pin_memory: bool = False
    persistent_workers: bool = False
    prefetch_factor: Positive | None = None
    non_blocking: bool = False

    profile: bool = False
    tensorboard: bool = False
