"""Ties the floors together: from a grid file to a table."""
