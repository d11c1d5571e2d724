"""The parameters of the training workload: names, types, ranges, defaults, meanings, and when each
acts.

The docstring below a field is what ``runner params train`` and docs/parameters.md print; a
paragraph of it that begins with "Acts" says when the parameter acts, and where there is none it
always does. Trial ids are made from the parameters that differ from these defaults, so a default
never changes, and a field or a choice that is renamed gets its line in ``artifacts.renamed``; new
fields may be added. Nothing here imports torch: plans are made on login nodes.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]


class TrainParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run; whatever is left out has the value given here."""

    dataset: str = "digits"
    """Data set: a name that `runner data prepare` knows, npz:FILE, folder:DIR or
    synthetic:CxHxWxCLASSESxIMAGES."""

    split: Literal["official"] | tuple[float, ...] = "official"
    """`official` (the set's own training and test part, no validation), or three fractions of the
    whole: [train, val, test]."""

    split_seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    """Seed that draws the split and the subsets; the trial's own seed does not.

    Acts with a split of fractions, train_subset or test_subset.
    """

    train_subset: Positive | None = None
    """Training images that are kept, stratified; null keeps all."""

    test_subset: Positive | None = None
    """Test images that are kept, stratified; null keeps all."""

    normalization: Literal["dataset", "half", "none"] = "dataset"
    """`dataset` (mean and deviation of the training part, per channel), `half` (0.5 and 0.5),
    `none` (pixels in [0, 1])."""

    augmentation: Literal["none", "flip", "crop", "crop_flip"] = "none"
    """`flip` (left to right, half of the time), `crop` (moved by up to an eighth of the size, black
    border), or both."""

    model: str = "simple_cnn"
    """simple_cnn, resnet10, resnet18, resnet34, resnet50, or package.module:factory."""

    stem: Literal["cifar", "imagenet"] = "cifar"
    """First layers of a ResNet: `cifar` (3x3, full resolution) or `imagenet` (7x7 stride 2,
    then pooling).

    Acts with a model whose name begins with resnet.
    """

    pretrained: bool = False
    """Start from torchvision's ImageNet weights, as `runner data prepare weights:MODEL` puts them
    in the data folder."""

    epochs: Positive = 5
    """Passes over the training part."""

    batch_size: Positive = 64
    """Images that go through the model at once; the last batch has what is left, but a single image
    is left out where the model has batch normalization."""

    grad_accumulation: Positive = 1
    """Batches per optimizer step."""

    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    """torch.optim's SGD, Adam or AdamW."""

    lr: Annotated[float, Meta(gt=0)] = 1e-3
    """Learning rate; the peak one with a schedule."""

    momentum: Annotated[float, Meta(ge=0, lt=1)] | None = None
    """Momentum; null is PyTorch's default, 0.

    Acts with optimizer: sgd, but not with schedule: onecycle, which moves it between 0.85 and 0.95.
    """

    weight_decay: Annotated[float, Meta(ge=0)] | None = None
    """Weight decay; null is PyTorch's default: 0.01 with adamw, else 0."""

    fused: bool | None = None
    """The optimizer's fused implementation; null is true unless foreach is given. `false` alone
    leaves the choice to PyTorch."""

    foreach: bool | None = None
    """The optimizer's foreach implementation, against a loop over the weights; null is PyTorch's
    choice.

    Acts with fused: false.
    """

    schedule: Literal["none", "cosine", "onecycle", "step"] = "none"
    """Learning rate over time: `cosine` (to zero), `onecycle`, `step`, or constant.

    Acts where an epoch is left after the warm-up; `step` also needs lr_gamma other than 1 and a
    step before the last epoch.
    """

    lr_step_epochs: Positive = 10
    """Epochs between two steps of the learning rate.

    Acts with schedule: step.
    """

    lr_gamma: Annotated[float, Meta(gt=0)] = 0.1
    """What each step multiplies the learning rate with.

    Acts with schedule: step.
    """

    warmup_epochs: Annotated[int, Meta(ge=0)] = 0
    """First epochs, in which the learning rate rises in a line.

    Acts with every schedule but onecycle, which warms up by itself.
    """

    label_smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes; val_loss and test_loss are without it and cannot
    be compared with train_loss."""

    patience: Positive | None = None
    """Stop after this many evaluations in a row without a better validation accuracy; null never
    stops early.

    Acts where there are enough evaluations to run out of it; needs a validation part.
    """

    eval_every: Positive = 1
    """Epochs between evaluations; the last epoch is always evaluated.

    Acts up to epochs: more is only the last epoch.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the target's; `cpu` leaves a GPU unused."""

    threads: Positive | None = None
    """CPU threads, at most one for each CPU of the trial; null is as many as were granted."""

    amp: Literal["off", "fp16", "bf16"] = "off"
    """Mixed precision: the type that the model computes in."""

    grad_scaler: bool | None = None
    """Scale the gradients, as fp16 needs; null is true.

    Acts with amp: fp16.
    """

    compile: Literal["off", "default", "reduce-overhead", "max-autotune"] = "off"
    """torch.compile's mode; it serves the full training batches, everything else goes through the
    model as it is.

    Acts everywhere, but reduce-overhead is default on a CPU.
    """

    channels_last: bool = False
    """Memory order of images and convolution weights."""

    cudnn: bool = True
    """Whether cuDNN computes the convolutions.

    Acts on a GPU.
    """

    cudnn_benchmark: bool = False
    """Let cuDNN choose its algorithms by timing them.

    Acts on a GPU, with cudnn: true.
    """

    tf32: bool | None = None
    """TF32 in convolutions and matrix products; null is as PyTorch ships: in cuDNN's convolutions,
    not in matrix products.

    Acts on a GPU since Ampere, with amp: off or a model of your own.
    """

    blas: Literal["cublas", "cublaslt"] = "cublas"
    """The GPU's library for matrix products.

    Acts on a GPU.
    """

    cuda_graphs: bool = False
    """Replay forward and backward pass as one CUDA graph; needs loader: resident, compile: off and
    grad_accumulation: 1.

    Acts on a GPU.
    """

    deterministic: bool = False
    """Only algorithms that repeat bit for bit.

    Acts on a GPU, and on a CPU with a model of your own: the built-in ones repeat there anyway.
    """

    loader: Literal["resident", "dataloader"] = "resident"
    """`resident` (all images as bytes on the device, batches made there) or `dataloader` (torch's
    DataLoader)."""

    num_workers: Annotated[int, Meta(ge=0)] = 0
    """Worker processes of the DataLoader; 0 loads in the trial's own process.

    Acts with loader: dataloader.
    """

    pin_memory: bool = False
    """Batches in page-locked memory.

    Acts on a GPU, with loader: dataloader.
    """

    persistent_workers: bool = False
    """Keep the worker processes from one epoch to the next.

    Acts with loader: dataloader and num_workers of at least 1.
    """

    prefetch_factor: Positive | None = None
    """Batches that each worker process loads ahead; null is PyTorch's default, 2.

    Acts with loader: dataloader and num_workers of at least 1.
    """

    non_blocking: bool = False
    """Copies to the GPU do not wait for it.

    Acts on a GPU, with loader: dataloader.
    """

    profile: bool = False
    """Write a torch.profiler trace and a table of operators to the trial's files."""

    tensorboard: bool = False
    """Write scalars per epoch to the trial's files."""


SECTIONS: Final = {
    "dataset": "Data",
    "model": "Model",
    "epochs": "Optimization",
    "device": "Precision and speed",
    "loader": "Feeding",
    "profile": "Looking inside",
}
"""What the fields are about, by the first of each section."""
