"""Datasets, seeded splits and the prepared cache."""
