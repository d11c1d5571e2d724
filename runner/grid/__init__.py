"""Expand the grid language: grid.yaml to job specs."""
