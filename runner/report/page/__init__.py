"""Make a page of some sweeps: one file of HTML that needs no network."""
