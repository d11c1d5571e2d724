"""Writes records into the tools that people already use: MLflow, TensorBoard."""
