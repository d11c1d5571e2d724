"""Variables that decide numbers are kept; tokens and keys never are, whatever they are called."""

from __future__ import annotations

import pytest

from runner.sweep.variables import deciding_variables


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OMP_PROC_BIND", "close"),
        ("OMP_NUM_THREADS", "4"),
        ("CUDA_DEVICE_ORDER", "FASTEST_FIRST"),
        ("OMP_PLACES", "{0:4},{8:4}"),
        ("MKL_CBWR", "COMPATIBLE"),
        ("OPENBLAS_CORETYPE", "Haswell"),
        ("CUDA_HOME", "/usr/local/cuda-12.4"),
        ("CUDA_CACHE_PATH", "/scratch/a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4/cache"),
        ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
        ("CUDNN_LOGINFO_DBG", "1"),
        ("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128,expandable_segments:True"),
        ("TORCH_CUDA_ARCH_LIST", "8.0;9.0+PTX"),
        ("TORCH_NCCL_HEARTBEAT_TIMEOUT_SEC", "600"),
        ("NCCL_IB_HCA", "mlx5_0,mlx5_1"),
        ("NCCL_COMM_ID", "node1234.cluster.example.org:2345"),
    ],
)
def test_what_decides_numbers_is_kept(name: str, value: str) -> None:
    assert deciding_variables({name: value, "HOME": "/home/ada"}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TORCH_HUB_TOKEN", "a"),
        ("CUDA_TOKEN", "a"),
        ("NCCL_API_KEY", "1"),
        ("PYTORCH_APIKEY", "1"),
        ("TORCH_PASSWORD", "x"),
        ("MKL_SECRET_1", "x"),
        ("TORCH_MIRROR", "https://ada:hunter2@mirror.example.org/simple"),
        ("TORCH_HOME", "hf_abcdefghijkl"),
        ("TORCH_HOME", "ghp_0123456789abcdef"),
        ("CUDA_LICENSE", "0123456789abcdef0123456789abcdef"),
        ("PYTORCH_UPLOAD", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("NCCL_CERT", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(name: str, value: str) -> None:
    assert deciding_variables({name: value}) == {}


def test_what_an_allocation_gives_and_what_every_trial_has_is_left_out() -> None:
    given = {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    given["CUDA_MODULE_LOADING"] = "LAZY"
    assert deciding_variables(given) == {}
