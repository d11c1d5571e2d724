"""Ties the floors together: from a grid file to a table."""

__version__ = "0.1.0"
"""Of the distribution `sweeprunner`, whose metadata reads it from here."""
