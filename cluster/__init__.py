"""Runs a callable n times on given resources; does not know what a trial is."""
