"""The PyTorch workload."""
