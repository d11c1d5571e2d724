"""Batches for the training loop: from memory on the device, or from torch's DataLoader."""
