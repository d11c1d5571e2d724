"""The grid language: grid.yaml to job specs."""
