"""Strikes at random moments, and a checker that holds the store against what was seen."""
